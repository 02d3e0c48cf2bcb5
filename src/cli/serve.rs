//! `gomemlimit serve`: the webhook.

use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use gomemlimit_core::{Policy, Rules, names::DEFAULT_PATH};
use serde_json::json;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::{
    certificate_args::{CertificateArgs, Certificates, client},
    duration::{parse_delay, parse_duration, parse_poll},
    listen::{listen, parse_listen},
    output::{self, Line},
    runtime::install_crypto,
    sample,
    settings_args::{SettingsArgs, parse_quantity},
};
use crate::{
    causes::with_causes,
    controller::namespaces::WatchedNamespaces,
    logging::{self, LineQueue, LogArgs},
    metrics::Metrics,
    serve::{
        BodyLimits, Components, Options, Reloaded, ServeError,
        handler::{Namespaces, NoNamespaces},
        lifecycle,
        listener::{ConnectionLimits, Eviction},
        path::WebhookPath,
        policy::PolicyFile,
        readiness::{Condition, NotReady},
        serve,
    },
};

/// Maximum of threads: more only cost memory, since a review takes microseconds.
const MAX_THREADS: usize = 4;

/// Maximum size of a request's head, in bytes: that of the API server has less than 1 KiB.
const MAX_HEAD: usize = 16 << 10;

/// Times that clients of the webhook port have at the maximum of connections. The silence is long enough for a handshake
/// and a review on a busy node; the API server waits three times as long for a slot as a request may go on arriving.
const EVICTION: Eviction =
    Eviction::IdleFirst { silent: Duration::from_millis(250), sending: Duration::from_secs(1) };

/// Run the admission webhook
///
/// Without flags it is complete: TLS with a self-signed certificate made at start, on localhost.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  # Try it here; the curl line to send a review with is printed
  gomemlimit serve
  # In a cluster, with certificates of its own, as the chart does
  gomemlimit serve --listen 0.0.0.0:10250 --admin-listen 0.0.0.0:8081 \\
    --tls-secret gomemlimit-ca --webhook-config gomemlimit \\
    --service gomemlimit --namespace gomemlimit
  # In a cluster, with a certificate from a mounted Secret
  gomemlimit serve --listen 0.0.0.0:10250 --admin-listen 0.0.0.0:8081 \\
    --tls-cert /tls/tls.crt --tls-key /tls/tls.key \\
    --namespace-settings --log-format json")]
pub(super) struct ServeArgs {
    /// Address of the webhook (HTTPS); `:8443` is every address of this machine
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443", value_parser = parse_listen)]
    listen: SocketAddr,
    /// Address of /livez, /readyz and /metrics (plain HTTP)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081", value_parser = parse_listen)]
    admin_listen: SocketAddr,
    /// Path of the webhook, a secret if callers are to know it; several by commas
    #[arg(long = "path", value_name = "PATH", default_value = DEFAULT_PATH, value_delimiter = ',')]
    paths: Vec<WebhookPath>,
    /// Follow the annotations of opted-in namespaces (needs list and watch on namespaces)
    #[arg(long)]
    namespace_settings: bool,
    /// Label of the namespaces to follow; empty for all
    #[arg(
        long,
        value_name = "SELECTOR",
        default_value = "gomemlimit.dev/inject=enabled",
        requires = "namespace_settings"
    )]
    namespace_selector: String,
    #[command(flatten)]
    certificates: CertificateArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    policy: SettingsArgs,
    /// How often to look at the policy file
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_poll, requires = "policy_file")]
    policy_poll: Duration,
    #[command(flatten)]
    log: LogArgs,
}

/// Limits and timeouts.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Connections at the same time
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = parse_count)]
    max_connections: usize,
    /// Size of one request body, as a quantity
    #[arg(long, value_name = "QUANTITY", default_value = "7Mi", value_parser = parse_quantity)]
    max_body: u64,
    /// Size of all request bodies and answers in flight beyond 16Ki each, as a quantity
    #[arg(long, value_name = "QUANTITY", default_value = "32Mi", value_parser = parse_quantity)]
    max_bodies: u64,
    /// How long a request waits while the bodies in flight are at their limit
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_duration)]
    body_wait: Duration,
    /// How long a request body may take to arrive; the API server gives up after 3s
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_duration)]
    body_timeout: Duration,
    /// How long a TLS handshake may take
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    handshake_timeout: Duration,
    /// How long the head of a request may take to arrive
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    header_timeout: Duration,
    /// How long a connection may be idle; the API server closes its own after 90s
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = parse_duration)]
    idle_timeout: Duration,
    /// How long to keep serving after SIGTERM, while the endpoint is still being removed
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_delay)]
    shutdown_delay: Duration,
    /// How long requests in flight may take after that
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    drain_timeout: Duration,
}

impl ServeArgs {
    pub(super) fn run(self: Box<Self>) -> anyhow::Result<ExitCode> {
        let metrics = Metrics::default();
        let dropped = metrics.clone();
        let (stderr, is_coloured) = output::stderr();
        let stderr = LineQueue::start(stderr, move |lines| dropped.count_dropped_log_lines(lines))
            .context("cannot start to log")?;
        logging::init(&self.log, &stderr, is_coloured);
        let ended = self.run_with(metrics);
        // Through the queue like the log: stderr may not be read.
        let (error, code) = match ended {
            Ok(Ok(())) => (None, ExitCode::SUCCESS),
            Ok(Err(error)) => (Some(with_causes(&error)), ExitCode::FAILURE),
            Err(error) => (Some(with_causes(error.as_ref())), ExitCode::from(2)),
        };
        if let Some(error) = error {
            stderr.push(Line::error(&error).as_bytes());
        }
        stderr.flush();
        Ok(code)
    }

    /// The inner error is an unclean shutdown, the outer one a failed start.
    fn run_with(&self, metrics: Metrics) -> anyhow::Result<Result<(), ServeError>> {
        let options = self.options()?;
        install_crypto();
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        let served = runtime.block_on(self.serve(options, metrics));
        // Does not wait for tasks that did not end.
        runtime.shutdown_background();
        served
    }

    /// The policy with these rules, and whether annotations of namespaces count: for commands that read the flags of a
    /// running webhook.
    pub(super) fn effective_policy(&self, rules: Rules) -> (Policy, bool) {
        (self.policy.policy_with(rules), self.namespace_settings)
    }

    fn options(&self) -> anyhow::Result<Options> {
        let LimitArgs {
            max_connections,
            max_body,
            max_bodies,
            body_wait,
            body_timeout,
            handshake_timeout,
            header_timeout,
            idle_timeout,
            shutdown_delay,
            drain_timeout,
        } = self.limits;
        if self.listen == self.admin_listen && self.listen.port() != 0 {
            bail!("--listen and --admin-listen cannot be the same: {}", self.listen);
        }
        if max_body == 0 {
            bail!("--max-body must be more than 0");
        }
        // A quarter is for small bodies only.
        if max_bodies - max_bodies / 4 < max_body {
            bail!(
                "three quarters of --max-bodies ({max_bodies} bytes) must hold --max-body ({max_body} bytes)"
            );
        }
        let bytes = |flag: &str, bytes: u64| {
            // A semaphore counts the budget in KiB with 32 bits.
            let bytes = u32::try_from(bytes).ok().and_then(|bytes| usize::try_from(bytes).ok());
            bytes.with_context(|| format!("{flag} must be less than 4Gi"))
        };
        Ok(Options {
            policy: self.policy.policy_with(Rules::default()),
            paths: self.paths.iter().cloned().collect(),
            connections: ConnectionLimits {
                connections: max_connections,
                eviction: EVICTION,
                max_head: MAX_HEAD,
                handshake: handshake_timeout,
                head: header_timeout,
                idle: idle_timeout,
                keep_alive: true,
            },
            bodies: BodyLimits {
                one: bytes("--max-body", max_body)?,
                all: bytes("--max-bodies", max_bodies)?,
                arrival: body_timeout,
                budget_wait: body_wait,
            },
            shutdown_delay,
            drain_timeout,
            certificate_poll: self.certificates.poll(),
            policy_poll: self.policy_poll,
        })
    }

    async fn serve(&self, mut options: Options, metrics: Metrics) -> anyhow::Result<Result<(), ServeError>> {
        let signals = lifecycle::signals().context("cannot listen for signals")?;
        let background = TaskTracker::new();
        let mut policy_file = None;
        if let Some(path) = self.policy.policy_file() {
            let (file, rules) = Reloaded::open(PolicyFile(path.to_owned()), metrics.clone())?;
            info!(file = %path.display(), rules = rules.len(), "policy file");
            options.policy.rules = rules;
            policy_file = Some(file);
        }
        for lint in options.policy.lints() {
            warn!("{lint}");
        }
        let Certificates { serving, files, keeper, ephemeral } =
            self.certificates.open(self.listen.ip(), &metrics)?;
        let client_ca = self.certificates.callers(&metrics)?;
        let (mut conditions, mut degraded) = (Vec::new(), Vec::new());
        if let Some(keeper) = keeper {
            conditions.push(Condition { flag: keeper.trusted.clone(), missing: NotReady::NotTrusted });
            degraded.push(keeper.degraded.clone());
            background.spawn(keeper.run());
        }
        let mut namespaces = Arc::new(NoNamespaces) as Arc<dyn Namespaces>;
        if self.namespace_settings {
            let client = client("--namespace-settings")?;
            let watched = Arc::new(WatchedNamespaces::new(metrics.clone()));
            conditions.push(Condition { flag: watched.known.clone(), missing: NotReady::NamespacesUnknown });
            degraded.push(watched.degraded.clone());
            background.spawn(watched.clone().follow(client, self.namespace_selector.clone()));
            namespaces = watched;
        }
        let webhook = listen("--listen", self.listen)?;
        let admin = listen("--admin-listen", self.admin_listen)?;
        let (address, admin_address) = (webhook.local_addr()?, admin.local_addr()?);
        info!(version = env!("CARGO_PKG_VERSION"), webhook = %address, admin = %admin_address, "serving");
        if ephemeral {
            // Not awaited: stdout may not be read.
            let needs_certificate = client_ca.is_some();
            let path = self.paths.first().map_or(DEFAULT_PATH, WebhookPath::as_str).to_owned();
            drop(tokio::task::spawn_blocking(move || {
                output::text(&try_it(address, &path, needs_certificate))
            }));
        }
        let components = Components {
            webhook,
            admin,
            serving,
            certificate_files: files,
            client_ca,
            policy_file,
            namespaces,
            conditions,
            degraded,
            metrics,
            signals,
        };
        match serve(options, components).await {
            Err(error @ ServeError::Tls(_)) => Err(error.into()),
            ended => Ok(ended),
        }
    }
}

/// A command line that sends a review to a webhook with a self-signed certificate.
fn try_it(address: SocketAddr, path: &str, needs_certificate: bool) -> String {
    let address = if address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    };
    let (files, certificate) = if needs_certificate {
        (
            ", with the files of a certificate that --client-ca-file lets in",
            "--cert CLIENT.crt --key CLIENT.key ",
        )
    } else {
        ("", "")
    };
    let none = json!({});
    let review = sample::review("1", "shop", &sample::pod("api", &none, &none));
    format!(
        "Send it an AdmissionReview from another terminal{files}:\n\n  curl -sk {certificate}https://{address}{path} -H \
         'Content-Type: application/json' -d '{review}'\n\n"
    )
}

fn parse_count(text: &str) -> Result<usize, String> {
    /// More than the file descriptors of a process.
    const MAX: usize = 1_000_000;
    match text.parse() {
        Ok(count) if (1..=MAX).contains(&count) => Ok(count),
        _ => Err(format!("is not a number from 1 to {MAX}")),
    }
}
