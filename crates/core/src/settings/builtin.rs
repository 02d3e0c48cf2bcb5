//! Programs that are known to manage their own memory limit without saying so in the pod.
//!
//! An injected value would switch that off: automemlimit, for one, does nothing if GOMEMLIMIT is set. Programs that
//! show it in the pod (`AUTOMEMLIMIT`, `--auto-gomemlimit`) need no rule. Each rule has a source.

use crate::names::NO_AUTO_GOMEMLIMIT_FLAG;

/// A built-in rule.
#[derive(Debug)]
pub struct BuiltIn {
    /// Name in explanations.
    pub name: &'static str,
    /// Patterns of images, one of which has to match.
    pub images: &'static [&'static str],
    /// Arguments with which the program does not manage it.
    pub without_arguments: &'static [&'static str],
    /// Whether it does so by automemlimit, which `AUTOMEMLIMIT=off` switches off.
    pub uses_automemlimit: bool,
    /// Address of the source for it.
    pub source: &'static str,
}

/// Every built-in rule; each takes the program for `self-managed`.
pub const BUILT_IN: [BuiltIn; 3] = [
    BuiltIn {
        name: "prometheus-3",
        // Since 3.0 `--auto-gomemlimit` is on unless it is switched off: 90 % of the cgroup's limit.
        images: &["prom/prometheus:v3.*", "*/prom/prometheus:v3.*", "*/prometheus/prometheus:v3.*"],
        without_arguments: &[NO_AUTO_GOMEMLIMIT_FLAG, "--auto-gomemlimit=false"],
        uses_automemlimit: true,
        source: "https://github.com/prometheus/prometheus/pull/15373",
    },
    BuiltIn {
        name: "grafana-alloy",
        // Since 1.5: 90 % of the cgroup's limit.
        images: &[
            "*grafana/alloy:v1.5.*",
            "*grafana/alloy:v1.6.*",
            "*grafana/alloy:v1.7.*",
            "*grafana/alloy:v1.8.*",
            "*grafana/alloy:v1.9.*",
            "*grafana/alloy:v1.??.*",
        ],
        without_arguments: &[],
        uses_automemlimit: true,
        source: "https://github.com/grafana/alloy/pull/1188",
    },
    BuiltIn {
        name: "victoria-metrics",
        // Sizes its caches by the cgroup's limit (-memory.allowedPercent) and paces the collector by GOGC;
        // its authors ask not to set GOMEMLIMIT.
        images: &["victoriametrics/*", "*/victoriametrics/*"],
        without_arguments: &[],
        uses_automemlimit: false,
        source: "https://github.com/VictoriaMetrics/VictoriaMetrics/pull/11148",
    },
];
