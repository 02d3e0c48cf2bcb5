//! Errors with their causes, each written once.

use std::{error::Error, io, iter::successors};

use kube::core::Status;

use gomemlimit_tls::explain;

/// The text of hyper's client around the cause that helps.
const CLIENT_ERROR: &str = "client error (";

/// An error and its causes, outermost first. [`io::Error`] hides what it wraps from [`Error::source`].
pub fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    successors(Some(error), |error| cause(*error))
}

fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    if let Some(kube::Error::Api(_)) = error.downcast_ref() {
        return None;
    }
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// An error and its causes on one line, joined by colons, each written once: many errors already end with their
/// cause.
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    for text in chain(error).filter_map(text) {
        if line.contains(&text) {
            continue;
        }
        if !line.is_empty() {
            line += ": ";
        }
        line += &text;
    }
    line
}

/// The text of one error; `None` if the text of its cause is better.
fn text(error: &(dyn Error + 'static)) -> Option<String> {
    let text = match error.downcast_ref::<kube::Error>() {
        // Its own text has the status once more, as Rust's Debug.
        Some(kube::Error::Api(status)) => status_text(status).to_owned(),
        Some(_) if cause(error).is_some() => return None,
        // Its text is that of what it wraps.
        _ if error.downcast_ref::<io::Error>().is_some_and(|error| error.get_ref().is_some()) => return None,
        _ => said(error),
    };
    let is_wrapper = text.starts_with(CLIENT_ERROR) && cause(error).is_some();
    (!is_wrapper).then_some(text)
}

/// The text of a status of the API server: its message, or its reason if there is none.
pub(crate) fn status_text(status: &Status) -> &str {
    if status.message.is_empty() { &status.reason } else { &status.message }
}

/// The text of an error by itself, in words also if it is about TLS or PEM.
pub fn said(error: &(dyn Error + 'static)) -> String {
    let tls = error.downcast_ref().map(explain::tls);
    let pem = || error.downcast_ref().map(explain::pem);
    tls.or_else(pem).unwrap_or_else(|| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: io::Error,
    }

    fn layer(text: &'static str) -> Layer {
        Layer { text, source: io::Error::other("connection refused") }
    }

    #[test]
    fn causes_are_written_once() {
        for (text, line) in [
            ("cannot connect", "cannot connect: connection refused"),
            ("no: connection refused", "no: connection refused"),
            ("client error (Connect)", "connection refused"),
        ] {
            assert_eq!(with_causes(&layer(text)), line);
        }
        assert_eq!(
            with_causes(&kube::Error::Service(layer("cannot connect").into())),
            "cannot connect: connection refused"
        );
        // As anyhow's context does.
        let error = anyhow::Error::new(layer("no: connection refused"))
            .context("no: connection refused")
            .context("--flag");
        assert_eq!(with_causes(error.as_ref()), "--flag: no: connection refused");
    }

    #[test]
    fn what_an_io_error_wraps_is_found() {
        let error = io::Error::other(rustls::Error::HandshakeNotComplete);
        assert!(chain(&error).any(<dyn Error>::is::<rustls::Error>));
    }

    #[test]
    fn a_certificate_is_told_of_in_words() {
        let error = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert_eq!(
            with_causes(&io::Error::other(error)),
            "its certificate is signed by an unknown authority"
        );
    }

    #[test]
    fn an_answer_of_the_api_server_is_its_message() {
        let status = kube::core::Status { message: "pods is forbidden".to_owned(), ..Default::default() };
        assert_eq!(with_causes(&kube::Error::Api(Box::new(status))), "pods is forbidden");
    }
}
