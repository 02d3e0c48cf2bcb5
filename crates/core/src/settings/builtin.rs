//! Programs that are known to manage their own memory limit without saying so in the pod.
//!
//! A value of ours would switch that off: automemlimit, for one, does nothing where GOMEMLIMIT is set. What
//! the pod itself says (`AUTOMEMLIMIT`, `--auto-gomemlimit`) needs no rule. Only what has a source is here.

use crate::names::NO_AUTO_GOMEMLIMIT_FLAG;

/// A built-in rule.
#[derive(Debug)]
pub struct BuiltIn {
    /// Its name, as in explanations.
    pub name: &'static str,
    /// Patterns of images, one of which has to match.
    pub images: &'static [&'static str],
    /// Arguments with which the program does not manage it.
    pub without_arguments: &'static [&'static str],
    /// Whether it does so by automemlimit, which `AUTOMEMLIMIT=off` switches off.
    pub uses_automemlimit: bool,
    /// Where it is written that the program manages its limit.
    pub source: &'static str,
}

/// Every built-in rule; each says that the program is `self-managed`.
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
