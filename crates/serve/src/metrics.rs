//! Every metric that the webhook exports, defined once. Labels are closed lists.

pub mod audit;
mod labels;

use std::{ops::Deref, sync::Arc, time::Duration};

use gomemlimit_core::{
    PodDecision, Reason, Rules,
    settings::Level,
    warning::{Warning, WarningKind},
};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

pub(crate) use labels::{HandshakeFailure, Reload, Reread};
pub use labels::{Rotation, Watch};

/// Prefix of every name.
const PREFIX: &str = "gomemlimit";

/// Upper bounds of the latency buckets in seconds: from what a small review takes to the API
/// server's shortest useful timeout.
const LATENCY_BUCKETS: [f64; 12] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];

/// Every HTTP status that a request to the webhook is counted by; others are turned away by the router.
pub(crate) const REQUEST_CODES: [&str; 7] = ["200", "400", "408", "413", "415", "500", "503"];

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Counters and gauges of one process. Cloning gives a handle on the same numbers.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Numbers>);

impl Deref for Metrics {
    type Target = Numbers;

    fn deref(&self) -> &Numbers {
        &self.0
    }
}

/// The numbers of [`Metrics`].
#[derive(Debug, Default)]
pub struct Numbers {
    decisions: Family<Labels<2>, Counter>,
    values: Family<Labels<1>, Counter>,
    warnings: Family<Labels<1>, Counter>,
    bad_settings: Family<Labels<2>, Counter>,
    requests: Family<Labels<1>, Counter>,
    latency: Latency,
    panics: Counter,
    log_lines_dropped: Counter,
    /// Bytes that the budget has reserved: for request bodies whose answer is not made yet, and for long answers
    /// that are not written yet.
    pub(crate) bodies: Gauge,
    /// Open connections to the webhook port.
    pub(crate) connections: Gauge,
    connections_total: Counter,
    accept_errors: Counter,
    handshake_failures: Family<Labels<1>, Counter>,
    /// Seconds since 1970 at which the serving certificate expires.
    pub certificate_expiry: Gauge,
    certificate_reloads: Family<Labels<1>, Counter>,
    certificate_out_of_date: Gauge,
    client_ca_out_of_date: Gauge,
    /// Seconds since 1970 at which the CA that signs expires; 0 where certificates are not self-managed.
    pub ca_expiry: Gauge,
    /// 1 while the webhook configuration's CA bundle is not what it should be.
    pub ca_bundle_out_of_sync: Gauge,
    /// Number of CAs that the API server should trust; 0 where certificates are not self-managed.
    pub ca_bundle_certificates: Gauge,
    certificate_rotations: Family<Labels<2>, Counter>,
    ca_bundle_patches: Family<Labels<1>, Counter>,
    watch_up: Family<Labels<1>, Gauge>,
    policy_rules: Gauge,
    policy_reloads: Family<Labels<1>, Counter>,
    policy_out_of_date: Gauge,
    /// 1 while ready.
    pub(crate) ready: Gauge,
}

#[derive(Clone, Debug)]
struct Latency(Histogram);

impl Default for Latency {
    fn default() -> Self {
        Self(Histogram::new(LATENCY_BUCKETS))
    }
}

impl Metrics {
    /// Counts every decision and warning of a verdict.
    pub(crate) fn count_verdict(&self, verdict: &PodDecision<'_>) {
        let of_containers = verdict.containers.iter().map(|container| container.outcome.reason);
        for reason in verdict.reason.into_iter().chain(of_containers) {
            self.decision(reason).inc();
        }
        for container in &verdict.containers {
            if let Some(plan) = container.outcome.value.filter(|_| container.outcome.reason.is_set()) {
                self.values_by(plan.level()).inc();
            }
        }
        for Warning { kind, .. } in &verdict.warnings {
            self.warnings.get_or_create(&[("kind", kind.as_str())]).inc();
            if let WarningKind::BadSetting(setting, level) = kind {
                let labels = [("setting", setting.as_str()), ("level", level.as_str())];
                self.bad_settings.get_or_create(&labels).inc();
            }
        }
    }

    fn decision(&self, reason: Reason) -> impl Deref<Target = Counter> {
        self.decisions.get_or_create(&[("decision", reason.decision()), ("reason", reason.as_str())])
    }

    fn values_by(&self, level: Level) -> impl Deref<Target = Counter> {
        self.values.get_or_create(&[("level", level.as_str())])
    }

    /// Counts one request to the webhook by its HTTP status and time.
    pub(crate) fn count_request(&self, code: &'static str, took: Duration) {
        self.requests.get_or_create(&[("code", code)]).inc();
        self.latency.0.observe(took.as_secs_f64());
    }

    pub(crate) fn count_panic(&self) {
        self.panics.inc();
    }

    /// Counts log lines that nobody will read.
    pub fn count_dropped_log_lines(&self, lines: u64) {
        self.log_lines_dropped.inc_by(lines);
    }

    pub(crate) fn count_connection(&self) {
        self.connections_total.inc();
    }

    pub(crate) fn count_accept_error(&self) {
        self.accept_errors.inc();
    }

    pub(crate) fn count_handshake_failure(&self, failure: HandshakeFailure) {
        self.handshake_failures.get_or_create(&[("reason", failure.as_str())]).inc();
    }

    pub(crate) fn count_reload(&self, file: Reread, reload: Reload) {
        let reloads = match file {
            Reread::Certificate | Reread::ClientCa => &self.certificate_reloads,
            Reread::Policy => &self.policy_reloads,
        };
        reloads.get_or_create(&[("result", reload.as_str())]).inc();
    }

    /// Whether an earlier content holds because that of the file cannot be used.
    pub(crate) fn out_of_date(&self, file: Reread, is_out_of_date: bool) {
        let gauge = match file {
            Reread::Certificate => &self.certificate_out_of_date,
            Reread::ClientCa => &self.client_ca_out_of_date,
            Reread::Policy => &self.policy_out_of_date,
        };
        gauge.set(i64::from(is_out_of_date));
    }

    pub(crate) fn count_policy_rules(&self, rules: &Rules) {
        self.policy_rules.set(i64::try_from(rules.len()).unwrap_or(i64::MAX));
    }

    /// Counts a certificate that was replaced, or could not be.
    pub fn count_rotation(&self, what: Rotation, done: bool) {
        self.rotation(what, done).inc();
    }

    fn rotation(&self, what: Rotation, done: bool) -> impl Deref<Target = Counter> {
        self.certificate_rotations.get_or_create(&[("kind", what.as_str()), ("result", result(done))])
    }

    /// Counts a CA bundle that was published, or could not be.
    pub fn count_bundle_patch(&self, done: bool) {
        self.ca_bundle_patches.get_or_create(&[("result", result(done))]).inc();
    }

    /// The series exists from the first call on, so only for watches that are used.
    pub fn watch_up(&self, watch: Watch, up: bool) {
        self.watch_up.get_or_create(&[("watch", watch.as_str())]).set(i64::from(up));
    }

    /// The registry with everything in it. Series exist from the start, at zero, so that rates and alerts
    /// work from the first scrape; but for `bad_settings`, which has two labels and mostly no news.
    #[must_use]
    pub fn registry(&self) -> Registry {
        for &reason in Reason::ALL {
            let _ = self.decision(reason);
        }
        for &level in Level::ALL {
            let _ = self.values_by(level);
        }
        for code in REQUEST_CODES {
            let _ = self.requests.get_or_create(&[("code", code)]);
        }
        for kind in WarningKind::NAMES {
            let _ = self.warnings.get_or_create(&[("kind", kind)]);
        }
        for failure in HandshakeFailure::ALL {
            let _ = self.handshake_failures.get_or_create(&[("reason", failure.as_str())]);
        }
        for reload in Reload::ALL {
            let _ = self.certificate_reloads.get_or_create(&[("result", reload.as_str())]);
            let _ = self.policy_reloads.get_or_create(&[("result", reload.as_str())]);
        }
        let mut registry = self.registry_of_keeper();
        self.register_decisions(&mut registry);
        self.register_serving(&mut registry);
        self.register_files(&mut registry);
        registry
    }

    /// What a keeper of certificates exports, which serves nobody: nothing that could be taken for a replica that is
    /// ready.
    #[must_use]
    pub fn registry_of_keeper(&self) -> Registry {
        for done in [true, false] {
            let _ = self.rotation(Rotation::Ca, done);
            let _ = self.rotation(Rotation::Leaf, done);
            let _ = self.ca_bundle_patches.get_or_create(&[("result", result(done))]);
        }
        let mut registry = Registry::with_prefix(PREFIX);
        self.register_certificates(&mut registry);
        registry.register(
            "log_lines_dropped",
            "Log lines dropped because nobody reads the log, or not fast enough",
            self.log_lines_dropped.clone(),
        );
        registry
    }

    fn register_decisions(&self, registry: &mut Registry) {
        registry.register(
            "decisions",
            "Decisions about containers (or whole requests that are not about one)",
            self.decisions.clone(),
        );
        registry.register(
            "values",
            "Values that containers got or kept, by the level of the setting that made them",
            self.values.clone(),
        );
        registry.register("warnings", "Admission warnings by kind", self.warnings.clone());
        registry.register(
            "bad_settings",
            "Settings that could not be followed, by setting and level",
            self.bad_settings.clone(),
        );
    }

    fn register_serving(&self, registry: &mut Registry) {
        registry.register(
            "requests",
            "Reviews received, by the HTTP status of the answer",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "Time from the request's head to its answer",
            Unit::Seconds,
            self.latency.0.clone(),
        );
        registry.register("panics", "Requests in which our own code failed", self.panics.clone());
        registry.register_with_unit(
            "bodies_in_flight",
            "Request bodies and long answers in memory, as reserved from the budget",
            Unit::Bytes,
            self.bodies.clone(),
        );
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("connections_accepted", "Connections accepted", self.connections_total.clone());
        registry.register("accept_errors", "Failures to accept a connection", self.accept_errors.clone());
        registry.register(
            "tls_handshake_failures",
            "TLS handshakes that failed, by reason",
            self.handshake_failures.clone(),
        );
        registry.register("ready", "1 while ready", self.ready.clone());
    }

    fn register_files(&self, registry: &mut Registry) {
        registry.register(
            "certificate_reloads",
            "Looks at changed certificate files that loaded or refused them",
            self.certificate_reloads.clone(),
        );
        registry.register(
            "certificate_out_of_date",
            "1 while the certificate files cannot be used and an earlier certificate is served",
            self.certificate_out_of_date.clone(),
        );
        registry.register(
            "client_ca_out_of_date",
            "1 while the file of the client CA cannot be used and an earlier one holds",
            self.client_ca_out_of_date.clone(),
        );
        registry.register(
            "policy_rules",
            "Rules of the policy file that are in force",
            self.policy_rules.clone(),
        );
        registry.register(
            "policy_reloads",
            "Looks at a changed policy file that loaded or refused it",
            self.policy_reloads.clone(),
        );
        registry.register(
            "policy_out_of_date",
            "1 while the policy file cannot be used and an earlier one holds",
            self.policy_out_of_date.clone(),
        );
    }

    fn register_certificates(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "When the serving certificate expires, since 1970",
            Unit::Seconds,
            self.certificate_expiry.clone(),
        );
        registry.register_with_unit(
            "ca_expiry_timestamp",
            "When the CA that signs expires, since 1970; 0 unless self-managed",
            Unit::Seconds,
            self.ca_expiry.clone(),
        );
        registry.register(
            "ca_bundle_out_of_sync",
            "1 while the CA bundle of the webhook configuration is not what it should be",
            self.ca_bundle_out_of_sync.clone(),
        );
        registry.register(
            "ca_bundle_certificates",
            "CAs that the API server should trust; 0 unless self-managed",
            self.ca_bundle_certificates.clone(),
        );
        registry.register(
            "certificate_rotations",
            "Certificates replaced, by kind and result",
            self.certificate_rotations.clone(),
        );
        registry.register(
            "ca_bundle_patches",
            "Writes of the CA bundle, by result",
            self.ca_bundle_patches.clone(),
        );
        registry.register(
            "watch_up",
            "1 while what is watched in the API server can be watched",
            self.watch_up.clone(),
        );
    }
}

fn result(done: bool) -> &'static str {
    if done { "done" } else { "failed" }
}

/// The text that Prometheus scrapes, in the `OpenMetrics` format.
pub(crate) fn render(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_closed_label_exists_before_the_first_request() {
        let text = render(&Metrics::default().registry()).unwrap();
        for &reason in Reason::ALL {
            let series = format!(
                "gomemlimit_decisions_total{{decision=\"{}\",reason=\"{reason}\"}} 0",
                reason.decision()
            );
            assert!(text.contains(&series), "{series} not in:\n{text}");
        }
    }

    #[test]
    fn a_value_counts_at_the_level_that_made_it() {
        let pod = r#"{"metadata": {"annotations": {"gomemlimit.dev/ratio": "0.8", "mode.gomemlimit.dev/c": "off"}},
            "spec": {"containers": [{"name": "a", "resources": {"limits": {"memory": "1Gi"}}},
                {"name": "b"}, {"name": "c", "resources": {"limits": {"memory": "1Gi"}}}]}}"#;
        let pod = gomemlimit_core::Pod::parse(pod).unwrap();
        let metrics = Metrics::default();
        let policy = gomemlimit_core::Policy::default();
        metrics.count_verdict(&gomemlimit_core::decide(&pod, &[].into(), &policy));
        let text = render(&metrics.registry()).unwrap();
        for (level, count) in [("container", 0), ("pod", 1), ("namespace", 0), ("default", 0)] {
            let series = format!("gomemlimit_values_total{{level=\"{level}\"}} {count}\n");
            assert!(text.contains(&series), "{series} not in:\n{text}");
        }
    }

    #[test]
    fn documentation_lists_every_metric() {
        let text = render(&Metrics::default().registry()).unwrap();
        let docs = include_str!("../../../docs/metrics.md");
        let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            if kind == "counter" { format!("{name}_total") } else { name.to_owned() }
        });
        for name in names {
            assert!(docs.contains(&format!("`{name}`")), "{name} is not in docs/metrics.md");
        }
    }
}
