//! `gomemlimit certificates`: keeps the certificates of replicas that have no rights of their own.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use tracing::info;

use super::{
    certificate_args::{LifetimeArgs, Objects},
    cluster_args::parse_name,
    duration::parse_duration,
    listen::{listen, parse_listen},
    output::{self, Line},
    runtime::{install_crypto, runtime},
};
use crate::{
    causes::with_causes,
    controller::certificates::{CertificateKeeper, LeafDestination},
    logging::{self, LineQueue, LogArgs},
    metrics::Metrics,
    serve::{
        admin::router,
        lifecycle,
        listener::{Listener, Stop},
        readiness::{Condition, NotReady, Readiness},
    },
};

/// Sign the certificate that replicas mount, and keep the webhook's CA bundle right
///
/// For `serve --tls-cert`, whose replicas then need no rights in the cluster. The CA is kept in one Secret and the
/// certificate in another; both have to exist. Any number of these may run at the same time.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  # In a cluster, as the chart does with tls.selfManaged.keeper=separate
  gomemlimit certificates --admin-listen 0.0.0.0:8081 \\
    --tls-secret gomemlimit-ca --serving-secret gomemlimit-serving \\
    --webhook-config gomemlimit --service gomemlimit --namespace gomemlimit
  # What it did, and what keeps it from doing more
  kubectl logs --namespace gomemlimit deployment/gomemlimit-keeper")]
pub(super) struct CertificatesArgs {
    /// Existing Secret that the CA is kept in
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    tls_secret: String,
    /// Existing Secret that replicas mount: its `tls.crt` and `tls.key` are written
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    serving_secret: String,
    /// `MutatingWebhookConfiguration` whose CA bundle is kept right
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    webhook_config: String,
    /// Service that the API server reaches replicas by
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    service: String,
    /// Namespace of the Secrets and the Service; default: that of the pod or the kubeconfig
    #[arg(long, value_name = "NAMESPACE", value_parser = parse_name)]
    namespace: Option<String>,
    /// Address of /livez, /readyz and /metrics (plain HTTP)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081", value_parser = parse_listen)]
    admin_listen: SocketAddr,
    #[command(flatten)]
    lifetimes: LifetimeArgs,
    /// How long replicas may serve what the Secret held before: the kubelet brings changes into pods every minute, from
    /// what it knows, which may be a minute old
    #[arg(long, value_name = "DURATION", default_value = "2m30s", value_parser = parse_duration, hide = true)]
    refresh_delay: Duration,
    #[command(flatten)]
    log: LogArgs,
}

impl CertificatesArgs {
    pub(super) fn run(self: Box<Self>) -> anyhow::Result<ExitCode> {
        let metrics = Metrics::default();
        let dropped = metrics.clone();
        let (stderr, is_coloured) = output::stderr();
        let stderr = LineQueue::start(stderr, move |lines| dropped.count_dropped_log_lines(lines))
            .context("cannot start to log")?;
        logging::init(&self.log, &stderr, is_coloured);
        let code = match self.run_with(&metrics) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // Through the queue like everything else: nobody may be reading.
                stderr.push(Line::error(&with_causes(error.as_ref())).as_bytes());
                ExitCode::from(2)
            }
        };
        stderr.flush();
        Ok(code)
    }

    fn run_with(&self, metrics: &Metrics) -> anyhow::Result<()> {
        install_crypto();
        let runtime = runtime()?;
        let ended = runtime.block_on(async {
            let keeper = self.keeper(metrics)?;
            self.keep(keeper, metrics).await
        });
        // A write that is under way is done or not done; the next process sees which.
        runtime.shutdown_background();
        ended
    }

    fn keeper(&self, metrics: &Metrics) -> anyhow::Result<CertificateKeeper> {
        let objects = Objects {
            secret: &self.tls_secret,
            configuration: &self.webhook_config,
            service: &self.service,
            namespace: self.namespace.as_deref(),
        };
        let destination = LeafDestination::Secret(self.serving_secret.clone());
        self.lifetimes.keeper(&objects, destination, self.refresh_delay, metrics)
    }

    /// Keeps certificates until SIGTERM or SIGINT.
    async fn keep(&self, keeper: CertificateKeeper, metrics: &Metrics) -> anyhow::Result<()> {
        let mut signals = lifecycle::signals().context("cannot listen for signals")?;
        let tcp = listen("--admin-listen", self.admin_listen)?;
        let address = tcp.local_addr()?;
        info!(version = env!("CARGO_PKG_VERSION"), admin = %address, "keeping certificates");
        let trusted = Condition { flag: keeper.trusted.clone(), missing: NotReady::NotTrusted };
        let readiness =
            Readiness::without_webhook(vec![trusted], vec![keeper.degraded.clone()], metrics.clone());
        let stop = Stop::default();
        let admin = Listener::admin(tcp, router(readiness, metrics.registry_of_keeper()), stop.clone());
        tokio::select! {
            _ = signals.recv() => stop.stopped.cancel(),
            () = admin.run() => {}
            () = Box::pin(keeper.run()) => {}
        }
        info!("stopped");
        Ok(())
    }
}
