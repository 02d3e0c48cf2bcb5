//! Calls of the commands that look at a cluster: a client, objects as raw JSON, and errors that people understand.

use std::{error::Error, path::PathBuf, time::Duration};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
    core::{Request, request},
};
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::time::timeout;

use super::patience::with_causes;

/// How long one answer may take; a page of pods of a busy API server takes seconds.
pub(super) const CALL: Duration = Duration::from_mins(1);

/// How long a pod may take to answer through the API server.
const POD: Duration = Duration::from_secs(10);

/// How long a connection to the API server may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Which cluster.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// Path of a kubeconfig; otherwise `KUBECONFIG`, `~/.kube/config`, or the service account of a pod.
    pub kubeconfig: Option<PathBuf>,
    /// A context of it other than the current one.
    pub context: Option<String>,
    /// For commands that ask again anyway: a call that fails is not repeated behind their back. kube repeats 429, 503
    /// and 504 up to 15 times, which takes all of the time that a call may take.
    pub polls: bool,
}

/// Why a call failed.
#[derive(Debug, Error)]
pub enum ApiError {
    /// There is no cluster to talk to.
    #[error("there is no cluster to talk to: {0}; set KUBECONFIG, or name a file with --kubeconfig")]
    NoCluster(String),
    /// The API server is not there, or not trusted.
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
    /// Any other answer that is not what was asked for.
    #[error("the API server answered: {0}")]
    Other(String),
}

/// A connection to the API server.
#[derive(Clone)]
pub struct Cluster {
    /// The client.
    pub client: Client,
    url: String,
}

impl Cluster {
    /// Reads the kubeconfig; nothing is sent yet.
    pub async fn open(target: &Target) -> Result<Self, ApiError> {
        let options = KubeConfigOptions { context: target.context.clone(), ..KubeConfigOptions::default() };
        let no_cluster = |error: &dyn Error| ApiError::NoCluster(with_causes(error));
        let config = match (&target.kubeconfig, &target.context) {
            (Some(path), _) => {
                let kubeconfig = Kubeconfig::read_from(path).map_err(|error| no_cluster(&error))?;
                Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| no_cluster(&error))
            }
            (None, Some(_)) => Config::from_kubeconfig(&options).await.map_err(|error| no_cluster(&error)),
            // Both what a kubeconfig and what a pod lacks would be said; the former is what helps.
            (None, None) => Config::infer().await.map_err(|error| match error.source() {
                Some(kubeconfig) => no_cluster(kubeconfig),
                None => no_cluster(&error),
            }),
        };
        let mut config = config?;
        config.connect_timeout = Some(CONNECT);
        // A watch is silent for minutes; the other calls have a deadline of their own.
        config.read_timeout = None;
        config.default_retry = !target.polls;
        let url = config.cluster_url.to_string();
        let client = Client::try_from(config).map_err(|error| no_cluster(&error))?;
        Ok(Self { client, url })
    }

    /// One that talks to whatever the client talks to.
    #[cfg(test)]
    pub(super) fn of(client: Client) -> Self {
        Self { client, url: "http://test".to_owned() }
    }

    /// The text of the answer to a request.
    pub async fn text(
        &self,
        request: Result<hyper::Request<Vec<u8>>, request::Error>,
    ) -> Result<String, ApiError> {
        let request = request.map_err(|error| ApiError::Other(with_causes(&error)))?;
        self.within(CALL, self.client.request_text(request)).await
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
        self.text_at(&path, POD).await
    }

    /// What is at `path`, unless the answer takes longer than `most`.
    pub(super) async fn text_at(&self, path: &str, most: Duration) -> Result<String, ApiError> {
        let request = hyper::Request::get(path).body(Vec::new());
        let request = request.map_err(|error| ApiError::Other(with_causes(&error)))?;
        self.within(most, self.client.request_text(request)).await
    }

    /// The answer to a call, unless it takes longer than `most`.
    pub(super) async fn within<T>(
        &self,
        most: Duration,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ApiError> {
        match timeout(most, call).await {
            Ok(answer) => answer.map_err(|error| self.told(&error)),
            Err(_) => Err(self.unreachable(format!("no answer within {} s", most.as_secs()))),
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
    pub(super) fn told(&self, error: &kube::Error) -> ApiError {
        let status = match error {
            kube::Error::Api(status) => status,
            kube::Error::Auth(error) => return ApiError::Unauthorized(with_causes(error)),
            error => return self.unreachable(with_causes(error)),
        };
        let message = if status.message.is_empty() { status.reason.clone() } else { status.message.clone() };
        match status.code {
            401 => ApiError::Unauthorized(message),
            403 => ApiError::Forbidden(message),
            404 => ApiError::NotFound(message),
            410 => ApiError::Gone(message),
            _ => ApiError::Other(message),
        }
    }

    pub(super) fn unreachable(&self, problem: String) -> ApiError {
        ApiError::Unreachable { url: self.url.clone(), problem }
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
