//! Clients of the API server.
//!
//! A command has a deadline for each call (`api.rs`). The controller runs for as long as the process: its client has a
//! bounded rate of calls and a deadline for each, whatever loops over it, here or in kube.

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

#[cfg(feature = "cli")]
use super::credentials;
use super::{
    call_limits::{CONNECT, CONTROLLER_CALL},
    error::{ApiError, ApiServerUrl},
    kubeconfig,
    target::Target,
};

/// Maximum time of silence in the middle of an answer to the controller: a little longer than the API server lets a watch
/// live without an event.
const SILENCE: Duration = Duration::from_mins(5);

/// Number of calls in [`PERIOD`]; the next ones wait for its end. client-go's default is the same: 5 a second, and
/// 10 at once. kube's watcher asks again without a pause if a watch ends at once.
const CALLS: u64 = 10;
const PERIOD: Duration = Duration::from_secs(2);

/// The client of a command. Nothing is sent to the API server yet.
pub(super) async fn for_command(
    target: &Target,
    request_timeout: Option<Duration>,
) -> Result<(Client, ApiServerUrl), ApiError> {
    let of_thread = target.clone();
    let loaded = tokio::task::spawn_blocking(move || kubeconfig::load(&of_thread)).await;
    let mut config = loaded.map_err(|error| ApiError::Other(error.to_string()))??;
    config.connect_timeout = Some(request_timeout.unwrap_or(CONNECT).min(CONNECT));
    // A watch is silent for minutes; the other calls have a deadline of their own.
    config.read_timeout = None;
    config.default_retry = !target.polls;
    let url = ApiServerUrl::of(&config);
    #[cfg(feature = "cli")]
    let client = credentials::client(config, target.in_background).await;
    #[cfg(not(feature = "cli"))]
    let client = Client::try_from(config).map_err(Box::<dyn std::error::Error + Send + Sync>::from);
    let client = client.map_err(|error| url.failed(&*error))?;
    Ok((client, url))
}

/// The client of the controller: of the cluster that this process runs in, or that KUBECONFIG names.
///
/// # Errors
/// If there is no cluster, or its configuration is of no use.
pub fn for_controller() -> Result<Client, ApiError> {
    let config = kubeconfig::load(&Target { in_background: true, ..Target::default() })?;
    let url = ApiServerUrl::of(&config);
    with_config(config).map_err(|error| url.error(error))
}

/// The client of the controller for this cluster.
///
/// # Errors
/// If the configuration is of no use.
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
    B: hyper::body::Body<Data = hyper::body::Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Client::new(limits().layer(service), namespace)
}

fn limits() -> Stack<TimeoutLayer, Stack<RateLimitLayer, Identity>> {
    ServiceBuilder::new().rate_limit(CALLS, PERIOD).timeout(CONTROLLER_CALL).into_inner()
}
