//! Errors of calls of the API server, and what errors of kube mean.

use std::{error::Error, io};

use gomemlimit_tls::explain;
use hyper::Uri;
use kube::{Config, client::AuthError, config::KubeconfigError, core::Status, runtime::watcher};
use tokio::time::error::Elapsed;
use tower::timeout::error::Elapsed as LayerElapsed;

#[cfg(feature = "cli")]
use super::credentials::PluginError;
use super::{call_limits::CONTROLLER_CALL, kubeconfig, target::ConfigError};
use crate::causes::{chain, said, status_text, with_causes};

/// Maximum length of a message that is kept, in characters. Messages of the API server have a few hundred.
const MAX_MESSAGE: usize = 2000;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// There is no cluster to talk to, or its configuration is of no use.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There are no credentials: nothing was sent.
    #[error(
        "no credentials for the API server at {url}: {problem}; log in again, or name another --user or --context"
    )]
    Auth {
        /// Where.
        url: String,
        /// The problem as a sentence.
        problem: String,
    },
    /// The API server is there, and its certificate is not what the kubeconfig asks for.
    #[error(
        "the API server at {url} is not trusted: {problem}; see certificate-authority-data and tls-server-name of \
         its cluster in the kubeconfig"
    )]
    Tls {
        /// Where.
        url: String,
        /// The problem of its certificate.
        problem: String,
    },
    /// The API server is not there, or does not answer in time.
    #[error(
        "the API server at {url} does not answer: {problem}; check the context, or name another with --context"
    )]
    Unreachable {
        /// Where.
        url: String,
        /// The problem as a sentence.
        problem: String,
    },
    /// 401.
    #[error("the API server does not know who this is: {0}; log in again, or name another --context")]
    Unauthorized(String),
    /// 403.
    #[error("{0}")]
    Forbidden(String),
    /// 404.
    #[error("{0}")]
    NotFound(String),
    /// It does not have this type, in the words of `kubectl`.
    #[error(
        "the API server does not have a resource type {0:?}; kubectl api-resources lists those that it has"
    )]
    NoResource(String),
    /// 410: a page or a watch has expired.
    #[error("{0}")]
    Gone(String),
    /// It is too large to be read.
    #[error(
        "the API server at {url} answered GET {path} with more than {} MiB, and the rest was not read; see what is so \
         large: kubectl get --raw '{path}' | head -c 2000",
        max >> 20
    )]
    TooLarge {
        /// Where.
        url: String,
        /// Path of the request.
        path: String,
        /// The largest answer that is read, bytes.
        max: usize,
    },
    /// Any other answer that is not what was asked for.
    #[error("the API server answered: {0}")]
    Other(String),
}

impl ApiError {
    /// Whether other calls fail in the same way: nobody answers, or to nobody of this name.
    #[must_use]
    pub fn is_of_all_calls(&self) -> bool {
        matches!(self, Self::Config(_) | Self::Auth { .. } | Self::Tls { .. } | Self::Unauthorized(_))
    }
}

/// The URL of the API server, for sentences.
#[derive(Clone)]
pub struct ApiServerUrl(String);

impl ApiServerUrl {
    pub(super) fn of(config: &Config) -> Self {
        let url = config.cluster_url.to_string();
        let url = url.trim_end_matches('/');
        Self(match &config.proxy_url {
            Some(proxy) => format!("{url} through the proxy {}", without_password(proxy)),
            None => url.to_owned(),
        })
    }

    /// The meaning of an error of the client.
    pub(super) fn error(&self, error: kube::Error) -> ApiError {
        match error {
            kube::Error::Api(status) => of_status(&status),
            error => self.failed(&error),
        }
    }

    #[cfg(test)]
    pub(super) fn of_tests() -> Self {
        Self("http://test".to_owned())
    }

    pub(super) fn too_large(&self, path: String, max: usize) -> ApiError {
        ApiError::TooLarge { url: self.0.clone(), path, max }
    }

    pub(super) fn unreachable(&self, problem: String) -> ApiError {
        ApiError::Unreachable { url: self.0.clone(), problem }
    }

    /// The meaning of an error without an answer.
    pub(super) fn failed(&self, error: &(dyn Error + 'static)) -> ApiError {
        let (url, problem) = (self.0.clone(), with_causes(error));
        if let Some(error) = find::<rustls::Error>(error) {
            return self.handshake(error);
        }
        if let Some(error) = find::<AuthError>(error) {
            return ApiError::Auth { url, problem: without_credentials(error) };
        }
        #[cfg(feature = "cli")]
        if find::<PluginError>(error).is_some() {
            return ApiError::Auth { url, problem };
        }
        if let Some(error) = find::<KubeconfigError>(error) {
            let entry = "the user".to_owned();
            return ConfigError::Unusable { entry, problem: kubeconfig::problem(error) }.into();
        }
        if let Some(kube::Error::RustlsTls(_)) = find(error) {
            return ConfigError::Unusable { entry: "the TLS settings".to_owned(), problem }.into();
        }
        let is_slow = find::<Elapsed>(error).is_some();
        let problem = if is_slow { "no connection was made in time".to_owned() } else { problem };
        ApiError::Unreachable { url, problem }
    }

    /// The meaning of a handshake that failed.
    fn handshake(&self, error: &rustls::Error) -> ApiError {
        use rustls::AlertDescription as Alert;
        let url = self.0.clone();
        match error {
            rustls::Error::InvalidCertificate(error) => {
                ApiError::Tls { url, problem: explain::certificate(error) }
            }
            rustls::Error::AlertReceived(
                Alert::BadCertificate
                | Alert::CertificateExpired
                | Alert::CertificateRequired
                | Alert::CertificateRevoked
                | Alert::CertificateUnknown
                | Alert::UnknownCA,
            ) => ApiError::Auth {
                url,
                problem: "it accepts no client without a certificate, or not this one".to_owned(),
            },
            error => ApiError::Unreachable { url, problem: explain::tls(error) },
        }
    }
}

/// The first cause of this type.
fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

/// Why kube has no credentials, without paths and outputs as Rust's Debug.
fn without_credentials(error: &AuthError) -> String {
    match error {
        AuthError::ReadTokenFile(error, path) => {
            format!("cannot read the token file {}: {error}", path.display())
        }
        AuthError::AuthExecRun { out, .. } => format!("the credential plugin failed with {}", out.status),
        error => with_causes(error),
    }
}

fn without_password(url: &Uri) -> String {
    let host = url.host().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}", url.scheme_str().unwrap_or("http"))
}

fn of_status(status: &Status) -> ApiError {
    let message = status_text(status).chars().take(MAX_MESSAGE).collect();
    match status.code {
        401 => ApiError::Unauthorized(message),
        403 => ApiError::Forbidden(message),
        404 => ApiError::NotFound(message),
        410 => ApiError::Gone(message),
        _ => ApiError::Other(message),
    }
}

/// JSON that is not of the expected shape.
pub(super) fn unreadable(error: &serde_json::Error) -> ApiError {
    ApiError::Other(format!("something that cannot be read: {error}"))
}

/// A failed call of the controller in one line, for a log and for `/readyz`.
#[must_use]
pub fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => answered(status),
        kube::Error::Service(error) if error.is::<LayerElapsed>() => no_answer(),
        kube::Error::Service(error) => format!("cannot reach the API server: {}", root_cause(&**error)),
        kube::Error::HyperError(error) => broken(error),
        kube::Error::ReadEvents(error) => broken(error),
        kube::Error::SerdeError(error) => format!("cannot read the API server's answer: {error}"),
        error => with_causes(error),
    }
}

/// A failed watch of the controller in one line.
#[must_use]
pub fn describe_watch(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => describe(error),
        watcher::Error::WatchError(status) => answered(status),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}

/// A call of the controller whose deadline has passed.
#[must_use]
pub fn no_answer() -> String {
    format!("no answer from the API server within {CONTROLLER_CALL:?}")
}

fn answered(status: &Status) -> String {
    format!("the API server answered {}: {}", status.code, status_text(status))
}

fn broken(error: &(dyn Error + 'static)) -> String {
    format!("the connection to the API server broke: {}", root_cause(error))
}

/// The cause below all layers: "client error (Connect)" helps nobody. Of the system's errors the kind, which has no
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
        kube::Error::Service(Box::new(LayerElapsed::new())),
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
