//! A stream to a port inside a pod, through the API server: reaches what listens on 127.0.0.1 there, and
//! binds nothing here.

use std::time::Duration;

use futures::{FutureExt, future::BoxFuture};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use thiserror::Error;
use tokio::{io::DuplexStream, time::timeout};

/// Why there is no stream.
#[derive(Debug, Error)]
pub enum ForwardError {
    /// A right is missing. A WebSocket begins with GET, so that takes `get`; since Kubernetes 1.35 it takes `create`,
    /// too (KEP-4006, `AuthorizePodWebsocketUpgradeCreatePermission`).
    #[error(
        "no right to forward ports to pod {pod}: {problem}; it takes `get` and `create` on pods/portforward"
    )]
    Forbidden {
        /// The pod.
        pod: String,
        /// What the API server said.
        problem: String,
    },
    /// The pod is not there any more.
    #[error("pod {0} is gone")]
    Gone(String),
    /// Anything else.
    #[error("cannot forward a port to pod {pod}: {problem}")]
    Other {
        /// The pod.
        pod: String,
        /// What happened.
        problem: String,
    },
}

/// How long a WebSocket may take to be there.
const CONNECT: Duration = Duration::from_secs(20);
/// How long the kubelet's word on a failed stream is waited for.
const EXPLANATION: Duration = Duration::from_secs(2);

/// One connection to one port of a pod.
pub struct Forward {
    /// What is written here arrives in the pod.
    pub stream: DuplexStream,
    problem: Explanation,
}

/// Why there is no stream, as the client has it.
pub(super) enum Unconnected {
    /// The API server's word, or none at all.
    Kube(kube::Error),
    /// Anything else.
    Other(String),
}

impl Forward {
    /// Opens a stream. Whether anything listens there shows only when it is used.
    pub async fn open(client: &Client, namespace: &str, pod: &str, port: u16) -> Result<Self, ForwardError> {
        let name = || format!("{namespace}/{pod}");
        let other = |problem: String| ForwardError::Other { pod: name(), problem };
        Self::connect(client, namespace, pod, port).await.map_err(|error| match error {
            Unconnected::Kube(kube::Error::Api(status)) if status.code == 403 => {
                ForwardError::Forbidden { pod: name(), problem: status.message.clone() }
            }
            Unconnected::Kube(kube::Error::Api(status)) if status.code == 404 => ForwardError::Gone(name()),
            Unconnected::Kube(kube::Error::Api(status)) => other(status.message.clone()),
            Unconnected::Kube(error) => other(crate::causes::with_causes(&error)),
            Unconnected::Other(problem) => other(problem),
        })
    }

    /// The same for those who tell errors themselves.
    pub(super) async fn connect(
        client: &Client,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> Result<Self, Unconnected> {
        let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let ports = [port];
        let forwarder = timeout(CONNECT, api.portforward(pod, &ports)).await;
        let slow = |_| Unconnected::Other(format!("no answer within {} s", CONNECT.as_secs()));
        let mut forwarder = forwarder.map_err(slow)?.map_err(Unconnected::Kube)?;
        let (stream, error) = forwarder
            .take_stream(port)
            .zip(forwarder.take_error(port))
            .ok_or_else(|| Unconnected::Other("no stream".to_owned()))?;
        // The task of the forwarder goes on without it, until both sides have ended.
        Ok(Self { stream, problem: Explanation(error.boxed()) })
    }

    /// Splits into the stream, and what the kubelet will say where it fails.
    #[must_use]
    pub fn split(self) -> (DuplexStream, Explanation) {
        (self.stream, self.problem)
    }
}

/// What the kubelet says of a stream that failed.
pub struct Explanation(BoxFuture<'static, Option<String>>);

impl Explanation {
    /// Waits for it, but not for long.
    pub async fn get(self) -> Option<String> {
        timeout(EXPLANATION, self.0).await.ok()?
    }
}
