//! The client of what runs for as long as the process: the certificate keeper and the watches.
//!
//! Whatever loops over it, here or in kube, ends up with a bounded rate of calls, and each call with a deadline.

use std::time::Duration;

use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
};
use tower::{
    BoxError, Layer, Service, ServiceBuilder,
    layer::util::{Identity, Stack},
    limit::RateLimitLayer,
    timeout::TimeoutLayer,
};

use super::kubeconfig::{self, ConfigError, Target};

/// How long the API server may take to begin an answer. It begins that of a watch at once.
pub(super) const CALL: Duration = Duration::from_secs(10);

/// How long a connection may be silent in the middle of an answer: a little longer than the API server lets a watch
/// live without an event.
const SILENCE: Duration = Duration::from_mins(5);

/// So many calls in [`PERIOD`], then the next ones wait for its end. client-go's default is the same: 5 a second, and
/// 10 at once. kube's watcher asks again without a pause where a watch ends at once.
const CALLS: u64 = 10;
const PERIOD: Duration = Duration::from_secs(2);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Neither a kubeconfig nor the service account of a pod, or one that cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It is of no use.
    #[error(transparent)]
    Client(#[from] kube::Error),
}

/// A client of the cluster that this process runs in, or that KUBECONFIG names.
///
/// # Errors
/// If there is no cluster, or its configuration is of no use.
pub fn connect() -> Result<Client, ClientError> {
    Ok(with_config(kubeconfig::load(&Target { in_background: true, ..Target::default() })?)?)
}

/// A client of this cluster.
pub fn with_config(mut config: Config) -> kube::Result<Client> {
    // kube would repeat 429, 503 and 504 up to 15 times with pauses up to minutes, and whoever called would know
    // nothing of it. All that calls tries again by itself, with pauses, and reports what failed.
    config.default_retry = false;
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    Ok(ClientBuilder::try_from(config)?.with_layer(&limits()).build())
}

/// A client of whatever answers; for tests.
pub fn over<S, B>(service: S, namespace: &str) -> Client
where
    S: Service<hyper::Request<Body>, Response = hyper::Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: hyper::body::Body<Data = axum::body::Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Client::new(limits().layer(service), namespace)
}

fn limits() -> Stack<TimeoutLayer, Stack<RateLimitLayer, Identity>> {
    ServiceBuilder::new().rate_limit(CALLS, PERIOD).timeout(CALL).into_inner()
}
