//! Calls of the commands that look at a cluster: a client, objects as raw JSON, and errors that people understand.

use std::{error::Error, time::Duration};

use http_body_util::BodyExt;
use hyper::{StatusCode, Uri};
use kube::{
    Client, Config,
    client::{AuthError, Body},
    config::KubeconfigError,
    core::{Request, Status, request},
};
use serde::de::DeserializeOwned;
use tokio::time::{error::Elapsed, timeout};

#[cfg(feature = "cli")]
use super::credentials::{self, PluginError};
use super::kubeconfig::{self, ConfigError, Target};
use crate::{
    causes::{chain, status_text, with_causes},
    serve::tls::explain,
};

/// How long one answer may take; a page of pods of a busy API server takes seconds.
pub(super) const CALL: Duration = Duration::from_mins(1);

/// How long a pod may take to answer through the API server.
const POD: Duration = Duration::from_secs(10);

/// How long a connection to the API server may take.
const CONNECT: Duration = Duration::from_secs(10);

/// The largest answer of the API server, and of a kubelet or a pod through it: 64 MiB. Objects have a few MiB at most
/// (etcd takes requests of 1.5 MiB by default), and pages of a list are smaller: `pages.rs`.
pub(super) const MAX_ANSWER: usize = 64 << 20;

/// The longest message of a failure that is kept; characters. The API server's own are of a few hundred.
const MAX_MESSAGE: usize = 2000;

/// The largest answer of a pod to a question about its health: 64 KiB.
const MAX_POD_ANSWER: usize = 64 << 10;

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
        /// What happened.
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
        /// What is wrong with its certificate.
        problem: String,
    },
    /// The API server is not there, or does not answer in time.
    #[error(
        "the API server at {url} does not answer: {problem}; check the context, or name another with --context"
    )]
    Unreachable {
        /// Where.
        url: String,
        /// What happened.
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
        /// What was asked for.
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

/// A connection to the API server.
#[derive(Clone)]
pub struct Cluster {
    /// The client.
    pub client: Client,
    place: Place,
    request_timeout: Option<Duration>,
}

/// Where the API server is, for sentences.
#[derive(Clone)]
struct Place(String);

impl Cluster {
    /// Reads the kubeconfig, and gets credentials; nothing is sent to the API server yet.
    /// A file that hangs is left behind when this is dropped: end the runtime with `shutdown_background`.
    pub async fn open(target: &Target) -> Result<Self, ApiError> {
        let of_thread = target.clone();
        let loaded = tokio::task::spawn_blocking(move || kubeconfig::load(&of_thread)).await;
        let mut config = loaded.map_err(|error| ApiError::Other(error.to_string()))??;
        let request_timeout = target.request_timeout.filter(|time| !time.is_zero());
        config.connect_timeout = Some(request_timeout.unwrap_or(CONNECT).min(CONNECT));
        // A watch is silent for minutes; the other calls have a deadline of their own.
        config.read_timeout = None;
        config.default_retry = !target.polls;
        let place = Place::of(&config);
        #[cfg(feature = "cli")]
        let client = credentials::client(config, target.in_background).await;
        #[cfg(not(feature = "cli"))]
        let client = Client::try_from(config).map_err(Box::<dyn Error + Send + Sync>::from);
        let client = client.map_err(|error| place.failed(&*error))?;
        Ok(Self { client, place, request_timeout })
    }

    /// One that talks to whatever the client talks to.
    #[cfg(test)]
    pub(super) fn of(client: Client) -> Self {
        Self { client, place: Place("http://test".to_owned()), request_timeout: None }
    }

    /// The text of the answer to a request, of 64 MiB at most.
    pub async fn text(
        &self,
        request: Result<hyper::Request<Vec<u8>>, request::Error>,
    ) -> Result<String, ApiError> {
        self.bounded(request.map_err(|error| with_causes(&error)), CALL, MAX_ANSWER).await
    }

    /// What a pod answers to GET at `path` of this port, through the API server.
    pub async fn ask_pod(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
        path: &str,
    ) -> Result<String, ApiError> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}");
        self.bounded(get(&path), POD, MAX_POD_ANSWER).await
    }

    /// What is at `path`, unless the answer takes longer than `most`.
    #[cfg(feature = "cli")]
    pub(super) async fn text_at(&self, path: &str, most: Duration) -> Result<String, ApiError> {
        self.bounded(get(path), most, MAX_ANSWER).await
    }

    /// The text of the answer to a request, unless it takes longer than `most` or has more than `max` bytes.
    pub(super) async fn bounded(
        &self,
        request: Result<hyper::Request<Vec<u8>>, String>,
        most: Duration,
        max: usize,
    ) -> Result<String, ApiError> {
        let request = request.map_err(ApiError::Other)?;
        let path = request.uri().path().to_owned();
        let answer = async {
            let response = self.client.send(request.map(Body::from)).await?;
            let status = response.status();
            let Some(bytes) = read(response.into_body(), max).await? else { return Ok(None) };
            let text = String::from_utf8(bytes).map_err(kube::Error::FromUtf8)?;
            if status.is_client_error() || status.is_server_error() {
                Err(failed(status, &text))
            } else {
                Ok(Some(text))
            }
        };
        let url = || self.place.0.clone();
        self.within(most, answer).await?.ok_or_else(|| ApiError::TooLarge { url: url(), path, max })
    }

    /// The answer to a call, unless it takes longer than `most`.
    pub(super) async fn within<T>(
        &self,
        most: Duration,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ApiError> {
        let most = match self.request_timeout {
            Some(timeout) if most == CALL => timeout,
            Some(timeout) => most.min(timeout),
            None => most,
        };
        match timeout(most, call).await {
            Ok(answer) => answer.map_err(|error| self.told(error)),
            Err(_) => Err(self.unreachable(format!("no answer within {}", humantime::format_duration(most)))),
        }
    }

    /// One object, read as `T`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, name: &str) -> Result<T, ApiError> {
        let text = self.text(Request::new(path).get(name, &kube::api::GetParams::default())).await?;
        serde_json::from_str(&text).map_err(|error| unreadable(&error))
    }

    /// One object, or `None` where there is none.
    pub async fn find<T: DeserializeOwned>(&self, path: &str, name: &str) -> Result<Option<T>, ApiError> {
        match self.get(path, name).await {
            Ok(object) => Ok(Some(object)),
            Err(ApiError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What an error of the client means to the user.
    pub(super) fn told(&self, error: kube::Error) -> ApiError {
        match error {
            kube::Error::Api(status) => of_status(&status),
            error => self.place.failed(&error),
        }
    }

    pub(super) fn unreachable(&self, problem: String) -> ApiError {
        ApiError::Unreachable { url: self.place.0.clone(), problem }
    }
}

impl Place {
    fn of(config: &Config) -> Self {
        let url = config.cluster_url.to_string();
        let url = url.trim_end_matches('/');
        Self(match &config.proxy_url {
            Some(proxy) => format!("{url} through the proxy {}", without_password(proxy)),
            None => url.to_owned(),
        })
    }

    /// What it means that there is no answer.
    fn failed(&self, error: &(dyn Error + 'static)) -> ApiError {
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

    /// What a handshake that failed means.
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

fn get(path: &str) -> Result<hyper::Request<Vec<u8>>, String> {
    hyper::Request::get(path).body(Vec::new()).map_err(|error| with_causes(&error))
}

/// A body of at most `max` bytes; `None` if it has more. What comes after them is not read.
async fn read(body: Body, max: usize) -> kube::Result<Option<Vec<u8>>> {
    let (mut body, mut bytes) = (std::pin::pin!(body), Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if bytes.len() + data.len() > max {
            return Ok(None);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Some(bytes))
}

/// What a failure of the API server means, or of a proxy before it, which sends no status.
fn failed(code: StatusCode, text: &str) -> kube::Error {
    let status = serde_json::from_str(text);
    let status =
        status.unwrap_or_else(|_| Status::failure(text.trim(), &code.to_string()).with_code(code.as_u16()));
    kube::Error::Api(status.boxed())
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

/// `/api/v1/pods`, or the same in a namespace.
#[must_use]
pub fn path_of(group: &str, namespace: Option<&str>, resource: &str) -> String {
    match namespace {
        Some(namespace) => format!("{group}/namespaces/{namespace}/{resource}"),
        None => format!("{group}/{resource}"),
    }
}
