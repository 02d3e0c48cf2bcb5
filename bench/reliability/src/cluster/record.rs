//! What was measured, as it is saved.

use std::{collections::BTreeMap, fs, io, path::Path, time::Duration};

use gomemlimit_procfs::quantile;
use serde::{Deserialize, Serialize};

/// Pods that were created before, during and after a fault.
#[derive(Debug, Deserialize, Serialize)]
pub struct Fault {
    pub kubernetes: String,
    /// What was broken, for people.
    pub fault: String,
    /// How the test knows that it was.
    pub evidence: String,
    pub fault_seconds: f64,
    /// How many creations began in each second, whether earlier ones were answered or not.
    pub pods_per_second: u32,
    /// Creations that the API server acknowledged.
    pub created: usize,
    /// Creations that it answered with an error.
    pub refused: usize,
    /// Requests that were sent once more, as no API server answered.
    pub retried: usize,
    pub injected: usize,
    /// Pods without a value, of which `gomemlimit audit` says so with a reason.
    pub reported: usize,
    /// Acknowledged pods that are not there.
    pub lost: usize,
    pub before: Latency,
    pub during: Latency,
    pub after: Latency,
    /// From the end of the fault until the last creation without a value was answered.
    pub recovery_seconds: f64,
}

/// How long creations took, and how many of them got a value.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Latency {
    pub count: usize,
    pub injected: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Latency {
    /// Of these creations.
    #[must_use]
    pub fn of(mut took: Vec<Duration>, injected: usize) -> Self {
        took.sort_unstable();
        let at = |share: f64| quantile(&took, share).map_or(0.0, |took| rounded(took.as_secs_f64() * 1e3));
        Self { count: took.len(), injected, p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1.0) }
    }
}

/// Pods made up from the schema, each created by dry run without and with the webhook.
#[derive(Debug, Deserialize, Serialize)]
pub struct PodForms {
    pub kubernetes: String,
    pub seed: u64,
    pub generated: usize,
    /// By both ways, with answers that differ in our names only.
    pub accepted: usize,
    /// By both ways, with the same words.
    pub refused: usize,
    /// Either way.
    pub different: usize,
    /// Calls of the webhook that failed, as the API server counts them: nothing is said about these pods.
    pub not_asked: usize,
    /// Of the accepted ones.
    pub containers: usize,
    pub init_containers: usize,
    pub values: usize,
    /// Properties of the schema below `PodSpec`: those that an accepted pod had, and all.
    pub properties_accepted: usize,
    pub properties: usize,
    /// Properties that no accepted pod had, by type.
    pub never: BTreeMap<String, Vec<String>>,
    pub seconds: f64,
}

/// Writes a record to `NAME.json`.
///
/// # Errors
/// If the file cannot be written.
pub fn save<T: Serialize>(folder: &Path, name: &str, record: &T) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let text = serde_json::to_string_pretty(record)? + "\n";
    fs::write(folder.join(format!("{name}.json")), text)
}

/// To a tenth.
#[must_use]
pub fn rounded(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_seen() {
        let took = (1..=200).rev().map(Duration::from_millis).collect();
        let latency = Latency::of(took, 7);
        assert_eq!((latency.count, latency.injected), (200, 7));
        let text = |latency: &Latency| format!("{} {} {}", latency.p50_ms, latency.p99_ms, latency.max_ms);
        assert_eq!(text(&latency), "100 198 200");
        assert_eq!(text(&Latency::of(Vec::new(), 0)), "0 0 0");
    }
}
