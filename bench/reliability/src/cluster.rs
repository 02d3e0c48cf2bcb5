//! The webhook in a real cluster while something is broken, and pods of every form that Kubernetes allows: what was
//! measured, as it is saved, and its part of the page.
//!
//! The end-to-end tests `reliability` save one file a record; the page is made of the files alone.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use gomemlimit_bench::{page, record};
use gomemlimit_procfs::quantile;
use serde::{Deserialize, Serialize};

/// The file of [`PodForms`]; every other one holds a [`Fault`].
pub const POD_FORMS: &str = "pods-of-every-form";

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
pub fn save<T: Serialize>(folder: &Path, name: &str, record: &T) -> Result<()> {
    record::save(&folder.join(name).with_extension("json"), record)
}

/// "In a cluster" and "Pods of every form", of all records in `folder`.
///
/// # Errors
/// If a record cannot be read.
pub fn markdown(folder: &Path) -> Result<String> {
    #[derive(Serialize)]
    struct Part {
        faults: Vec<Fault>,
        forms: Option<PodForms>,
    }
    let forms = folder.join(POD_FORMS).with_extension("json");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| *file != forms && file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    let faults = files.iter().map(|file| record::read(file)).collect::<Result<_>>()?;
    let forms = forms.exists().then(|| record::read(&forms)).transpose()?;
    page::render(include_str!("cluster.md.jinja"), &Part { faults, forms })
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

    #[test]
    fn the_page_has_a_row_for_each_record() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let folder = folder.path();
        let latency = || Latency { count: 10, injected: 8, p50_ms: 5.2, p99_ms: 3001.4, max_ms: 3002.0 };
        let fault = Fault {
            kubernetes: "v1.37.2".to_owned(),
            fault: "one of two replicas frozen".to_owned(),
            evidence: "its state was T".to_owned(),
            fault_seconds: 12.04,
            pods_per_second: 10,
            created: 30,
            refused: 0,
            retried: 0,
            injected: 26,
            reported: 4,
            lost: 0,
            before: latency(),
            during: latency(),
            after: latency(),
            recovery_seconds: 0.25,
        };
        save(folder, "frozen", &fault)?;
        let only_faults = markdown(folder)?;
        let forms = PodForms {
            kubernetes: "v1.37.2".to_owned(),
            seed: 7,
            generated: 12,
            accepted: 9,
            refused: 3,
            different: 0,
            not_asked: 0,
            containers: 20,
            init_containers: 8,
            values: 11,
            properties_accepted: 99,
            properties: 100,
            never: [("Volume".to_owned(), vec!["gitRepo".to_owned()])].into(),
            seconds: 1.0,
        };
        save(folder, POD_FORMS, &forms)?;
        let text = markdown(folder)?;
        assert!(
            text.contains("| one of two replicas frozen, 12 s | its state was T | 30 | 0 | 26 | 4 | 0 |"),
            "{text}"
        );
        assert!(text.contains("|  |  | during | 10 | 8 | 5 ms | 3001 ms | 3002 ms |"), "{text}");
        assert!(!only_faults.contains("Pods of every form") && text.starts_with(&only_faults), "{text}");
        assert!(text.contains("| v1.37.2 | 9 | 3 | 0 | 0 | 20 | 8 | 11 | 99 of 100 |"), "{text}");
        assert!(text.contains("No accepted pod had these: Volume: gitRepo."), "{text}");
        Ok(())
    }
}
