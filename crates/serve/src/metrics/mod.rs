//! Counters and gauges of the webhook. Labels are closed lists.

pub mod audit;
mod labels;
mod registry;

use std::{ops::Deref, sync::Arc, time::Duration};

use gomemlimit_core::{
    PodDecision, Reason, Rules,
    settings::Level,
    warning::{Warning, WarningKind},
};
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram};

pub(crate) use labels::{HandshakeFailure, ReloadResult};
pub use labels::{ReloadedFile, Rotation, Watch};
pub(crate) use registry::render;

/// Upper bounds of the latency buckets, in seconds: from the time of a small review to the API server's shortest useful
/// timeout.
const LATENCY_BUCKETS: [f64; 12] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];

/// HTTP statuses of the handler; requests that the router answers are not counted.
pub(crate) const REQUEST_CODES: [&str; 7] = ["200", "400", "408", "413", "415", "500", "503"];

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Counters and gauges of one process. Clones are handles on the same ones.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Inner>);

impl Deref for Metrics {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// What all clones of [`Metrics`] share.
#[derive(Debug, Default)]
pub struct Inner {
    decisions: Family<Labels<2>, Counter>,
    values: Family<Labels<1>, Counter>,
    warnings: Family<Labels<1>, Counter>,
    bad_settings: Family<Labels<2>, Counter>,
    requests: Family<Labels<1>, Counter>,
    latency: Latency,
    panics: Counter,
    log_lines_dropped: Counter,
    /// Bytes that are charged to the budget: request bodies whose response is not made yet, and long responses that are not
    /// written yet.
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
    /// Seconds since 1970 at which the CA that signs expires; 0 if certificates are not self-managed.
    pub ca_expiry: Gauge,
    /// 1 while the CA bundle of the webhook configuration is wrong.
    pub ca_bundle_out_of_sync: Gauge,
    /// Number of CAs that the API server should trust; 0 if certificates are not self-managed.
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
    /// Counts the reasons, levels and warnings of the decision about a pod.
    pub(crate) fn count_decision(&self, decision: &PodDecision<'_>) {
        let of_containers = decision.containers.iter().map(|container| container.outcome.reason);
        for reason in decision.reason.into_iter().chain(of_containers) {
            self.decisions_with(reason).inc();
        }
        for container in &decision.containers {
            if let Some(value) = container.outcome.value.filter(|_| container.outcome.reason.is_set()) {
                self.values_by(value.level()).inc();
            }
        }
        for Warning { kind, .. } in &decision.warnings {
            self.warnings.get_or_create(&[("kind", kind.as_str())]).inc();
            if let WarningKind::BadSetting(setting, level) = kind {
                let labels = [("setting", setting.as_str()), ("level", level.as_str())];
                self.bad_settings.get_or_create(&labels).inc();
            }
        }
    }

    fn decisions_with(&self, reason: Reason) -> impl Deref<Target = Counter> {
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

    /// Counts log lines that were dropped.
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
        self.handshake_failures.get_or_create(&[("reason", failure.into())]).inc();
    }

    pub(crate) fn count_reload(&self, file: ReloadedFile, result: ReloadResult) {
        let reloads = match file {
            ReloadedFile::Certificate | ReloadedFile::ClientCa => &self.certificate_reloads,
            ReloadedFile::Policy => &self.policy_reloads,
        };
        reloads.get_or_create(&[("result", result.into())]).inc();
    }

    /// Records whether an earlier content is in use because that of the file cannot be used.
    pub(crate) fn set_out_of_date(&self, file: ReloadedFile, is_out_of_date: bool) {
        let gauge = match file {
            ReloadedFile::Certificate => &self.certificate_out_of_date,
            ReloadedFile::ClientCa => &self.client_ca_out_of_date,
            ReloadedFile::Policy => &self.policy_out_of_date,
        };
        gauge.set(i64::from(is_out_of_date));
    }

    pub(crate) fn set_policy_rules(&self, rules: &Rules) {
        self.policy_rules.set(i64::try_from(rules.len()).unwrap_or(i64::MAX));
    }

    /// Counts a certificate that was replaced, or a failure to replace it.
    pub fn count_rotation(&self, what: Rotation, done: bool) {
        self.rotation(what, done).inc();
    }

    fn rotation(&self, what: Rotation, done: bool) -> impl Deref<Target = Counter> {
        self.certificate_rotations.get_or_create(&[("kind", what.into()), ("result", done_label(done))])
    }

    /// Counts a CA bundle that was published, or a failure to publish it.
    pub fn count_bundle_patch(&self, done: bool) {
        self.ca_bundle_patches.get_or_create(&[("result", done_label(done))]).inc();
    }

    /// Records whether a watch works. The series exists from the first call on, so only for watches that are used.
    pub fn watch_up(&self, watch: Watch, up: bool) {
        self.watch_up.get_or_create(&[("watch", watch.into())]).set(i64::from(up));
    }
}

fn done_label(done: bool) -> &'static str {
    if done { "done" } else { "failed" }
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
        metrics.count_decision(&gomemlimit_core::decide(&pod, &[].into(), &policy));
        let text = render(&metrics.registry()).unwrap();
        for (level, count) in [("container", 0), ("pod", 1), ("namespace", 0), ("default", 0)] {
            let series = format!("gomemlimit_values_total{{level=\"{level}\"}} {count}\n");
            assert!(text.contains(&series), "{series} not in:\n{text}");
        }
    }

    #[test]
    fn documentation_lists_every_metric() {
        let text = render(&Metrics::default().registry()).unwrap();
        let docs = include_str!("../../../../docs/metrics.md");
        let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            if kind == "counter" { format!("{name}_total") } else { name.to_owned() }
        });
        for name in names {
            assert!(docs.contains(&format!("`{name}`")), "{name} is not in docs/metrics.md");
        }
    }
}
