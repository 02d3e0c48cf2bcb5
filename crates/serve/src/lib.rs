//! The webhook server: what is started, in which order it stops.
//!
//! `listener → tls → handler → core → response`, one way. Listeners and signals are arguments, so
//! tests run the whole server in their own process.

pub mod admin;
mod body;
mod budget;
mod buffer;
pub mod handler;
mod last_good;
pub mod lifecycle;
pub mod listener;
pub mod metrics;
pub mod path;
pub mod policy;
mod poll;
mod progress;
pub mod readiness;
mod room;
mod throttle;
mod timed_io;
pub mod tls;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use futures::{FutureExt, future::BoxFuture};
use gomemlimit_core::Policy;
use rustls::ServerConfig;
use thiserror::Error;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

pub use self::body::BodyLimits;
use self::{
    handler::Namespaces,
    lifecycle::Signal,
    listener::{ConnectionLimits, Listener, Stop},
    path::WebhookPath,
    policy::{CurrentPolicy, PolicyReloader},
    poll::poll_files,
    readiness::{Condition, Readiness, Trouble},
    tls::{ClientCa, Reloader, Serving},
};
use crate::metrics::Metrics;

/// How the server behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is decided, until the policy file changes.
    pub policy: Policy,
    /// Where the webhook answers; more than one while a path is exchanged for another.
    pub paths: BTreeSet<WebhookPath>,
    /// What a connection may cost.
    pub connections: ConnectionLimits,
    /// What bodies may cost.
    pub bodies: BodyLimits,
    /// How long to keep serving after SIGTERM, while endpoints are still being removed.
    pub shutdown_delay: Duration,
    /// How long requests in flight may take after that.
    pub drain_timeout: Duration,
    /// How often certificate files are looked at.
    pub certificate_poll: Duration,
    /// How often the policy file is looked at.
    pub policy_poll: Duration,
}

/// What the server is made of besides its options.
pub struct Parts {
    /// The webhook port.
    pub webhook: TcpListener,
    /// The second port.
    pub admin: TcpListener,
    /// The certificate.
    pub serving: Arc<Serving>,
    /// Set where the certificate comes from files.
    pub reloader: Option<Reloader>,
    /// Set if callers need a client certificate.
    pub client_ca: Option<ClientCa>,
    /// Set where there is a policy file.
    pub policy_file: Option<PolicyReloader>,
    /// Where the annotations of namespaces come from.
    pub namespaces: Arc<dyn Namespaces>,
    /// What has to happen before we are ready, besides what the server itself waits for.
    pub conditions: Vec<Condition>,
    /// What `/readyz` says besides.
    pub troubles: Vec<Trouble>,
    /// Counters.
    pub metrics: Metrics,
    /// SIGTERM and SIGINT.
    pub signals: mpsc::Receiver<Signal>,
}

/// Why the server ended other than asked.
#[derive(Debug, Error)]
pub enum ServeError {
    /// TLS could not be set up.
    #[error("cannot set up TLS: {}", tls::explain::tls(.0))]
    Tls(#[from] rustls::Error),
    /// The webhook port is gone, which only a defect can bring about.
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
pub async fn serve(options: Options, parts: Parts) -> Result<(), ServeError> {
    let Parts { webhook, admin, serving, reloader, client_ca, policy_file, namespaces, .. } = parts;
    let Parts { conditions, mut troubles, metrics, mut signals, .. } = parts;
    troubles.extend(policy_file.as_ref().map(PolicyReloader::trouble));
    troubles.extend(reloader.as_ref().map(Reloader::trouble));
    troubles.extend(client_ca.as_ref().map(ClientCa::trouble));
    let config: ServerConfig = serving.server_config(client_ca.as_ref().map(ClientCa::callers))?;
    let readiness = Readiness::new(serving.clone(), conditions, troubles, metrics.clone());
    let (webhook_stop, admin_stop) = (Stop::default(), Stop::default());

    let background = TaskTracker::new();
    let router = admin::router(readiness.clone(), metrics.registry());
    let admin = Listener::admin(admin, router, admin_stop.clone());
    background.spawn(admin.run());
    let polls = |polling: BoxFuture<'static, ()>| {
        let stop = admin_stop.clone();
        background.spawn(async move { stop.stopped.run_until_cancelled_owned(polling).await });
    };
    if let Some(reloader) = reloader {
        let poll = move |reloader: &mut Reloader| reloader.poll(&serving, SystemTime::now());
        polls(poll_files(options.certificate_poll, reloader, poll, Reloader::refuse).boxed());
    }
    if let Some(client_ca) = client_ca {
        polls(poll_files(options.certificate_poll, client_ca, ClientCa::poll, ClientCa::refuse).boxed());
    }
    let policy = CurrentPolicy::new(ArcSwap::from_pointee(options.policy.clone()));
    if let Some(reloader) = policy_file {
        let policy = policy.clone();
        let poll = move |reloader: &mut PolicyReloader| reloader.poll(&policy);
        polls(poll_files(options.policy_poll, reloader, poll, PolicyReloader::refuse).boxed());
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
    // Probes and scrapes are short; whatever is left ends with the process.
    let _ = timeout(Duration::from_secs(1), background.wait()).await;
    drained
}

/// Not ready → keep serving for the delay with `Connection: close` → finish what is in flight.
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
    // Nobody routes to a process that a person stops at a terminal.
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
