//! Calls of the commands that read a cluster: objects as raw JSON.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::StatusCode;
use kube::{
    Client,
    client::Body,
    core::{Request, Status, request},
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

pub use super::error::ApiError;
use super::{
    call_limits::{CALL, POD_CALL},
    client,
    error::{ApiServerUrl, unreadable},
    target::Target,
};
use crate::causes::with_causes;

/// Maximum size of an answer of the API server, and of a kubelet or a pod through it, in bytes: 64 MiB. Objects have a few MiB at most
/// (etcd takes requests of 1.5 MiB by default), and pages of a list are smaller: `pages/mod.rs`.
pub(super) const MAX_ANSWER: usize = 64 << 20;

/// Maximum size of an answer of a pod to a question about its health, in bytes: 64 KiB.
const MAX_POD_ANSWER: usize = 64 << 10;

/// A connection to the API server.
#[derive(Clone)]
pub struct Cluster {
    /// kube's client, with the rate and the deadline of this program.
    pub client: Client,
    url: ApiServerUrl,
    request_timeout: Option<Duration>,
}

impl Cluster {
    /// Reads the kubeconfig, and gets credentials; nothing is sent to the API server yet.
    /// A file that hangs is left behind when this is dropped: end the runtime with `shutdown_background`.
    ///
    /// # Errors
    /// If the configuration cannot be used, or there are no credentials.
    pub async fn open(target: &Target) -> Result<Self, ApiError> {
        let request_timeout = target.request_timeout.filter(|time| !time.is_zero());
        let (client, url) = client::for_command(target, request_timeout).await?;
        Ok(Self { client, url, request_timeout })
    }

    /// A connection by this client.
    #[cfg(test)]
    pub(super) fn of(client: Client) -> Self {
        Self { client, url: ApiServerUrl::of_tests(), request_timeout: None }
    }

    /// The text of the answer to a request, of 64 MiB at most.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn text(
        &self,
        request: Result<hyper::Request<Vec<u8>>, request::Error>,
    ) -> Result<String, ApiError> {
        self.bounded(request.map_err(|error| with_causes(&error)), CALL, MAX_ANSWER).await
    }

    /// The answer of a pod to GET at `path` of this port, through the API server.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn ask_pod(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
        path: &str,
    ) -> Result<String, ApiError> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}");
        self.bounded(get(&path), POD_CALL, MAX_POD_ANSWER).await
    }

    /// The text at `path`, unless the answer takes longer than `most`.
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
        self.within(most, answer).await?.ok_or_else(|| self.url.too_large(path, max))
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
            Ok(answer) => answer.map_err(|error| self.url.error(error)),
            Err(_) => {
                Err(self.url.unreachable(format!("no answer within {}", humantime::format_duration(most))))
            }
        }
    }

    /// One object, read as `T`.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str, name: &str) -> Result<T, ApiError> {
        let text = self.text(Request::new(path).get(name, &kube::api::GetParams::default())).await?;
        serde_json::from_str(&text).map_err(|error| unreadable(&error))
    }

    /// One object, or `None` if there is none.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn find<T: DeserializeOwned>(&self, path: &str, name: &str) -> Result<Option<T>, ApiError> {
        match self.get(path, name).await {
            Ok(object) => Ok(Some(object)),
            Err(ApiError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
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

/// `/api/v1/pods`, or the same in a namespace.
#[must_use]
pub fn path_of(group: &str, namespace: Option<&str>, resource: &str) -> String {
    match namespace {
        Some(namespace) => format!("{group}/namespaces/{namespace}/{resource}"),
        None => format!("{group}/{resource}"),
    }
}
