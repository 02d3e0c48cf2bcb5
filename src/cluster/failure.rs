//! What a failed call of the API server means, in words for a log and for `/readyz`.

use std::{error::Error, io};

use kube::{core::Status, runtime::watcher};
use tower::timeout::error::Elapsed;

use super::client::CALL;
use crate::causes::{chain, said, status_text, with_causes};

/// A failed call in one line, without Rust's own words for it and with its cause once.
pub(super) fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => answered(status),
        kube::Error::Service(error) if error.is::<Elapsed>() => no_answer(),
        kube::Error::Service(error) => format!("cannot reach the API server: {}", root_cause(&**error)),
        kube::Error::HyperError(error) => broken(error),
        kube::Error::ReadEvents(error) => broken(error),
        kube::Error::SerdeError(error) => format!("cannot read the API server's answer: {error}"),
        error => with_causes(error),
    }
}

/// The same of a watch.
pub(super) fn describe_watch(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => describe(error),
        watcher::Error::WatchError(status) => answered(status),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}

/// A call whose deadline has passed.
pub(super) fn no_answer() -> String {
    format!("no answer from the API server within {CALL:?}")
}

fn answered(status: &Status) -> String {
    format!("the API server answered {}: {}", status.code, status_text(status))
}

fn broken(error: &(dyn Error + 'static)) -> String {
    format!("the connection to the API server broke: {}", root_cause(error))
}

/// What lies below all layers: "client error (Connect)" helps nobody. Of the system's errors the kind, which has no
/// number.
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let cause = chain(error).last().unwrap_or(error);
    match cause.downcast_ref::<io::Error>() {
        Some(error) if error.raw_os_error().is_some() => error.kind().to_string(),
        _ => said(cause),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("client error (Connect)")]
    struct Layer(#[source] io::Error);

    fn status(code: u16, message: &str, reason: &str) -> Box<Status> {
        Status { code, message: message.to_owned(), reason: reason.to_owned(), ..Status::default() }.boxed()
    }

    #[rstest]
    #[case::answered(
        kube::Error::Api(status(500, "leader changed", "InternalError")),
        "the API server answered 500: leader changed"
    )]
    #[case::without_a_message(
        kube::Error::Api(status(503, "", "ServiceUnavailable")),
        "the API server answered 503: ServiceUnavailable"
    )]
    #[case::refused(
        kube::Error::Service(Box::new(Layer(io::Error::from_raw_os_error(111)))),
        "cannot reach the API server: connection refused"
    )]
    #[case::not_trusted(
        kube::Error::Service(Box::new(Layer(io::Error::other(rustls::Error::InvalidCertificate(
            rustls::CertificateError::UnknownIssuer
        ))))),
        "cannot reach the API server: its certificate is signed by an unknown authority"
    )]
    #[case::silent(
        kube::Error::Service(Box::new(Elapsed::new())),
        "no answer from the API server within 10s"
    )]
    #[case::cut(
        kube::Error::ReadEvents(io::Error::other(Layer(io::Error::from_raw_os_error(104)))),
        "the connection to the API server broke: connection reset"
    )]
    fn errors_are_said_in_one_line(#[case] error: kube::Error, #[case] expected: &str) {
        assert_eq!(describe(&error), expected);
        assert_eq!(describe_watch(&watcher::Error::WatchStartFailed(error)), expected);
    }
}
