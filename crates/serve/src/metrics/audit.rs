//! The metrics of an audit, about running pods, which the webhook does not see.

/// A metric that an audit publishes.
#[derive(Clone, Copy, Debug)]
pub struct Series {
    /// The full name.
    pub name: &'static str,
    /// `gauge` or `counter`.
    pub kind: &'static str,
    /// The help text.
    pub help: &'static str,
    /// Label names.
    pub labels: &'static [&'static str],
}

/// Containers by namespace and status of their GOMEMLIMIT.
pub const CONTAINERS: Series = Series {
    name: "gomemlimit_containers",
    kind: "gauge",
    help: "Containers by what their GOMEMLIMIT means against the actual memory limit",
    labels: &["namespace", "status"],
};

/// Containers by namespace whose last termination was an OOM kill.
pub const OOM_KILLED: Series = Series {
    name: "gomemlimit_containers_oom_killed",
    kind: "gauge",
    help: "Containers that the OOM killer ended last",
    labels: &["namespace"],
};

/// Containers by namespace whose last termination was another SIGKILL.
pub const SIGKILLED: Series = Series {
    name: "gomemlimit_containers_sigkilled",
    kind: "gauge",
    help: "Containers that SIGKILL ended last, and not the OOM killer",
    labels: &["namespace"],
};

/// End of the latest audit that succeeded, in seconds since 1970; absent before the first.
pub const LAST_SUCCESS: Series = Series {
    name: "gomemlimit_audit_last_success_timestamp_seconds",
    kind: "gauge",
    help: "When the latest audit that succeeded ended, in seconds since 1970",
    labels: &[],
};

/// Duration of that audit, in seconds.
pub const DURATION: Series = Series {
    name: "gomemlimit_audit_duration_seconds",
    kind: "gauge",
    help: "What the latest audit that succeeded took, in seconds",
    labels: &[],
};

/// Number of audits that failed.
pub const FAILURES: Series = Series {
    name: "gomemlimit_audit_failures_total",
    kind: "counter",
    help: "Audits that failed; the counts are then those of the latest that succeeded",
    labels: &[],
};

/// Number of lines on stderr that were dropped; the webhook has the same metric.
pub const LOG_LINES_DROPPED: Series = Series {
    name: "gomemlimit_log_lines_dropped_total",
    kind: "counter",
    help: "Log lines dropped because nobody reads the log, or not fast enough",
    labels: &[],
};

/// Everything that `audit --listen` publishes.
pub const ALL: [Series; 7] =
    [CONTAINERS, OOM_KILLED, SIGKILLED, LAST_SUCCESS, DURATION, FAILURES, LOG_LINES_DROPPED];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_lists_every_metric() {
        let docs = include_str!("../../../../docs/metrics.md");
        for Series { name, labels, .. } in ALL {
            let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
            let space = if labels.is_empty() { "" } else { " " };
            let row = format!("| `{name}` | {labels}{space}| ");
            assert!(docs.contains(&row), "{row:?} is not in docs/metrics.md");
        }
    }
}
