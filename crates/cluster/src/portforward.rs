//! A stream to a port inside a pod, through the API server: reaches what listens on 127.0.0.1 there, and
//! binds nothing here.

use std::time::Duration;

use futures::{FutureExt, future::BoxFuture};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use thiserror::Error;
use tokio::{io::DuplexStream, time::timeout};

use crate::causes::with_causes;

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
        /// Message of the API server.
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
        /// The problem as a sentence.
        problem: String,
    },
}

/// Maximum time until the WebSocket is open: 20 s.
const CONNECT: Duration = Duration::from_secs(20);
/// Maximum wait for the kubelet's error of a failed stream: 2 s.
const EXPLANATION: Duration = Duration::from_secs(2);

/// One connection to one port of a pod.
pub struct Forward {
    /// The stream: what is written to it arrives in the pod.
    pub stream: DuplexStream,
    problem: Explanation,
}

impl Forward {
    /// Opens a stream. Whether anything listens there shows only when it is used.
    ///
    /// # Errors
    /// If the API server refuses, or does not answer.
    pub async fn open(client: &Client, namespace: &str, pod: &str, port: u16) -> Result<Self, ForwardError> {
        let name = || format!("{namespace}/{pod}");
        let other = |problem: String| ForwardError::Other { pod: name(), problem };
        let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let ports = [port];
        let forwarder = timeout(CONNECT, api.portforward(pod, &ports)).await;
        let forwarder = forwarder.map_err(|_| other(format!("no answer within {} s", CONNECT.as_secs())))?;
        let mut forwarder = forwarder.map_err(|error| match error {
            kube::Error::Api(status) if status.code == 403 => {
                ForwardError::Forbidden { pod: name(), problem: status.message.clone() }
            }
            kube::Error::Api(status) if status.code == 404 => ForwardError::Gone(name()),
            error => other(with_causes(&error)),
        })?;
        let stream = forwarder.take_stream(port).zip(forwarder.take_error(port));
        let (stream, error) = stream.ok_or_else(|| other("no stream".to_owned()))?;
        // The task of the forwarder goes on without it, until both sides have ended.
        Ok(Self { stream, problem: Explanation(error.boxed()) })
    }

    /// The stream, and the error of the kubelet if it fails.
    #[must_use]
    pub fn split(self) -> (DuplexStream, Explanation) {
        (self.stream, self.problem)
    }
}

/// The error of the kubelet for a stream that failed.
pub struct Explanation(BoxFuture<'static, Option<String>>);

impl Explanation {
    /// The error, if it comes within 2 s.
    pub async fn get(self) -> Option<String> {
        timeout(EXPLANATION, self.0).await.ok()?
    }
}
