//! The webhook server: HTTPS with limits for connections and bodies, and a plain port for probes and metrics.
//!
//! `Listener::run` → `Connection::http` → `handler::mutate` → `admit` of the core, one way; ARCHITECTURE.md has the picture.
//! Listeners and signals are arguments, so tests run the whole server in their own process:
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use gomemlimit_core::names::DEFAULT_PATH;
//! use gomemlimit_serve::{
//!     BodyLimits, Components, Options,
//!     handler::NoNamespaces,
//!     lifecycle::Signal,
//!     listener::{ConnectionLimits, Eviction},
//!     metrics::Metrics,
//!     serve,
//!     tls::{Serving, ephemeral},
//! };
//! use tokio::{net::TcpListener, sync::mpsc};
//! # use gomemlimit_serve::tls::provider;
//! # use rustls::{ClientConfig, RootCertStore};
//! # use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::TcpStream};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let second = Duration::from_secs(1);
//! let options = Options {
//!     policy: gomemlimit_core::Policy::default(),
//!     paths: [DEFAULT_PATH.parse()?].into(),
//!     connections: ConnectionLimits {
//!         connections: 512,
//!         eviction: Eviction::IdleFirst { silent: second / 4, sending: second },
//!         max_head: 16 << 10,
//!         handshake: 5 * second,
//!         head: 5 * second,
//!         idle: 120 * second,
//!         keep_alive: true,
//!     },
//!     bodies: BodyLimits { one: 7 << 20, all: 32 << 20, arrival: 2 * second, budget_wait: 2 * second },
//!     shutdown_delay: Duration::ZERO,
//!     drain_timeout: 10 * second,
//!     certificate_poll: 10 * second,
//!     policy_poll: 5 * second,
//! };
//!
//! let metrics = Metrics::default();
//! let (webhook, admin) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
//! let address = webhook.local_addr()?;
//! let certificate = ephemeral(address.ip())?;
//! # let mut roots = RootCertStore::empty();
//! # roots.add(certificate.chain()[0].clone())?;
//! let (stop, signals) = mpsc::channel(1);
//! let components = Components {
//!     webhook,
//!     admin,
//!     serving: Serving::new(certificate, metrics.clone()),
//!     certificate_files: None,
//!     client_ca: None,
//!     policy_file: None,
//!     namespaces: Arc::new(NoNamespaces),
//!     conditions: Vec::new(),
//!     degraded: Vec::new(),
//!     metrics,
//!     signals,
//! };
//!
//! let client = async {
//! #   let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
//! #   let config = config.with_root_certificates(roots).with_no_client_auth();
//! #   let client = tokio_rustls::TlsConnector::from(Arc::new(config));
//! #   let tcp = TcpStream::connect(address).await?;
//!     let mut stream = client.connect("localhost".try_into()?, tcp).await?;
//!     let review = r#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
//!         "uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE",
//!         "object": {"spec": {"containers": [{"name": "api", "resources": {"limits": {"memory": "1Gi"}}}]}}}}"#;
//!     let length = review.len();
//!     let head = format!("POST {DEFAULT_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n");
//!     stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n{review}").as_bytes()).await?;
//!     let mut response = String::new();
//!     stream.read_to_string(&mut response).await?;
//!     stop.send(Signal::Terminate).await?;
//!     Ok::<_, Box<dyn std::error::Error>>(response)
//! };
//! let (served, response) = tokio::join!(serve(options, components), client);
//! served?;
//! let response = response?;
//! assert!(response.starts_with("HTTP/1.1 200 OK") && response.contains(r#""patchType":"JSONPatch""#));
//! # Ok(())
//! # }
//! ```

#![warn(clippy::missing_errors_doc)]

pub mod admin;
mod body;
mod budget;
mod buffer;
mod connection_state;
mod connection_table;
pub mod handler;
pub mod lifecycle;
pub mod listener;
pub mod metrics;
pub mod path;
pub mod policy;
pub mod readiness;
mod reloaded;
mod throttle;
mod timeout_stream;
pub mod tls;
mod tracked_body;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures::{FutureExt, future::BoxFuture};
use gomemlimit_core::Policy;
use rustls::ServerConfig;
use thiserror::Error;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

pub use self::{
    body::BodyLimits,
    reloaded::{Reloaded, Source},
};
use self::{
    handler::Namespaces,
    lifecycle::Signal,
    listener::{ConnectionLimits, Listener, Stop},
    metrics::Metrics,
    path::WebhookPath,
    policy::{CurrentPolicy, PolicyFile},
    readiness::{Condition, Degraded, Readiness},
    tls::{CertificateFiles, ClientCa, Serving},
};

/// Settings of the server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The policy, until the policy file changes.
    pub policy: Policy,
    /// Paths of the webhook; more than one while a path is replaced by another.
    pub paths: BTreeSet<WebhookPath>,
    /// Limits of the connections to the webhook port.
    pub connections: ConnectionLimits,
    /// Limits of request bodies and responses.
    pub bodies: BodyLimits,
    /// Time to keep serving after SIGTERM, while endpoints are still being removed.
    pub shutdown_delay: Duration,
    /// Maximum time for requests in flight after that.
    pub drain_timeout: Duration,
    /// Interval at which the files of the certificate and of the client CA are read.
    pub certificate_poll: Duration,
    /// Interval at which the policy file is read.
    pub policy_poll: Duration,
}

/// What the server consists of.
pub struct Components {
    /// Socket of the webhook port.
    pub webhook: TcpListener,
    /// Socket of the plain port.
    pub admin: TcpListener,
    /// The serving certificate.
    pub serving: Arc<Serving>,
    /// Files of the serving certificate, if it comes from files.
    pub certificate_files: Option<Reloaded<CertificateFiles>>,
    /// The CA of callers, if they need a client certificate.
    pub client_ca: Option<ClientCa>,
    /// The policy file, if there is one.
    pub policy_file: Option<Reloaded<PolicyFile>>,
    /// Source of the annotations of namespaces.
    pub namespaces: Arc<dyn Namespaces>,
    /// Conditions of readiness besides those of the server itself.
    pub conditions: Vec<Condition>,
    /// Problems that `/readyz` shows besides those of the server's files.
    pub degraded: Vec<Degraded>,
    /// Counters and gauges.
    pub metrics: Metrics,
    /// SIGTERM and SIGINT.
    pub signals: mpsc::Receiver<Signal>,
}

/// Why the server did not shut down cleanly.
#[derive(Debug, Error)]
pub enum ServeError {
    /// TLS could not be set up.
    #[error("cannot set up TLS: {}", tls::explain::tls(.0))]
    Tls(#[from] rustls::Error),
    /// The accept loop ended, which is a defect.
    #[error("the webhook port ended by itself")]
    ListenerEnded,
    /// A second signal.
    #[error("a second signal: ended with requests in flight")]
    Aborted,
    /// Requests in flight took too long.
    #[error("requests in flight did not finish within {0:?}")]
    DrainTimeout(Duration),
}

/// Serves until the first signal and a clean shutdown.
///
/// # Errors
/// If TLS cannot be set up, or the shutdown is not clean.
pub async fn serve(options: Options, components: Components) -> Result<(), ServeError> {
    let Components { webhook, admin, serving, certificate_files, client_ca, policy_file, .. } = components;
    let Components { namespaces, conditions, mut degraded, metrics, mut signals, .. } = components;
    degraded.extend(policy_file.as_ref().map(Reloaded::degraded));
    degraded.extend(certificate_files.as_ref().map(Reloaded::degraded));
    degraded.extend(client_ca.as_ref().map(ClientCa::degraded));
    let config: ServerConfig = serving.server_config(client_ca.as_ref().map(ClientCa::verifier))?;
    let readiness = Readiness::new(serving.clone(), conditions, degraded, metrics.clone());
    let (webhook_stop, admin_stop) = (Stop::default(), Stop::default());

    let background = TaskTracker::new();
    let router = admin::router(readiness.clone(), metrics.registry());
    let admin = Listener::admin(admin, router, admin_stop.clone());
    background.spawn(admin.run());
    let polls = |polling: BoxFuture<'static, ()>| {
        let stop = admin_stop.clone();
        background.spawn(async move { stop.stopped.run_until_cancelled_owned(polling).await });
    };
    if let Some(files) = certificate_files {
        polls(files.poll_every(options.certificate_poll, serving).boxed());
    }
    if let Some(client_ca) = client_ca {
        polls(client_ca.poll_every(options.certificate_poll).boxed());
    }
    let policy = CurrentPolicy::new(ArcSwap::from_pointee(options.policy.clone()));
    metrics.set_policy_rules(&options.policy.rules);
    if let Some(file) = policy_file {
        polls(file.poll_every(options.policy_poll, policy.clone()).boxed());
    }
    let webhook = Listener {
        tcp: webhook,
        tls: Some(TlsAcceptor::from(Arc::new(config))),
        router: handler::router(&options.paths, policy, namespaces, options.bodies, metrics.clone()),
        limits: options.connections,
        stop: webhook_stop.clone(),
        metrics,
    };
    let webhook = background.spawn(webhook.run());
    readiness.set_bound();

    let drained = shut_down(&options, &mut signals, &readiness, &webhook_stop, webhook).await;
    admin_stop.stopped.cancel();
    background.close();
    // Probes and scrapes are short; the rest ends with the process.
    let _ = timeout(Duration::from_secs(1), background.wait()).await;
    drained
}

/// Not ready → serve for the delay with `Connection: close` → finish the requests in flight.
async fn shut_down(
    options: &Options,
    signals: &mut mpsc::Receiver<Signal>,
    readiness: &Readiness,
    stop: &Stop,
    mut webhook: tokio::task::JoinHandle<()>,
) -> Result<(), ServeError> {
    let signal = tokio::select! {
        signal = signals.recv() => signal,
        _ = &mut webhook => return Err(ServeError::ListenerEnded),
    };
    readiness.set_draining();
    stop.draining.cancel();
    // A process that is stopped at a terminal is behind no endpoint.
    let delay = if signal == Some(Signal::Terminate) { options.shutdown_delay } else { Duration::ZERO };
    info!(?delay, "shutting down");
    let drain = async {
        tokio::time::sleep(delay).await;
        stop.stopped.cancel();
        timeout(options.drain_timeout, webhook).await
    };
    tokio::select! {
        drained = drain => match drained {
            Ok(Ok(())) => {
                info!("every request was answered");
                Ok(())
            }
            Ok(Err(_)) => Err(ServeError::ListenerEnded),
            Err(_) => Err(ServeError::DrainTimeout(options.drain_timeout)),
        },
        Some(_) = signals.recv() => {
            warn!("a second signal: not waiting for requests in flight");
            Err(ServeError::Aborted)
        }
    }
}
