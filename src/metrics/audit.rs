//! The metrics of an audit: what pods are like while they run, which the webhook does not see.

/// A gauge that an audit publishes.
#[derive(Clone, Copy, Debug)]
pub struct Gauge {
    /// The whole name.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// The labels of each series.
    pub labels: &'static [&'static str],
}

/// Containers by namespace and by what their GOMEMLIMIT means.
pub const CONTAINERS: Gauge = Gauge {
    name: "gomemlimit_containers",
    help: "Containers by what their GOMEMLIMIT means against the actual memory limit",
    labels: &["namespace", "status"],
};

/// Containers by namespace whose last end was an OOM kill.
pub const OOM_KILLED: Gauge = Gauge {
    name: "gomemlimit_containers_oom_killed",
    help: "Containers that the OOM killer ended last",
    labels: &["namespace"],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_lists_every_metric() {
        let docs = include_str!("../../docs/metrics.md");
        for Gauge { name, labels, .. } in [CONTAINERS, OOM_KILLED] {
            let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
            let row = format!("| `{name}` | {labels} | ");
            assert!(docs.contains(&row), "{row:?} is not in docs/metrics.md");
        }
    }
}
