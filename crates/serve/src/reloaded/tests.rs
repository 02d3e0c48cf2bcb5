//! Reloading, with the policy file as the source.

use std::{fs, path::PathBuf, time::Duration};

use arc_swap::ArcSwap;
use gomemlimit_core::{Policy, Rules};
use gomemlimit_policy_file::PolicyFileError;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::{Reloaded, Source};
use crate::{
    metrics::{Metrics, ReloadedFile, render},
    policy::{CurrentPolicy, PolicyFile},
};

const GOOD: &str = "rules: [{name: a, is: go}]\n";

/// A policy file whose parser panics on `poison`.
struct Poisonable(PolicyFile);

impl Source for Poisonable {
    type Content = Vec<u8>;
    type Value = Rules;
    type Target = CurrentPolicy;
    type Error = PolicyFileError;
    const FILE: ReloadedFile = ReloadedFile::Policy;

    fn read(&self) -> Result<Vec<u8>, PolicyFileError> {
        self.0.read()
    }

    fn parse(&self, content: &Vec<u8>) -> Result<Rules, PolicyFileError> {
        assert_ne!(content, b"poison", "the parser's defect");
        self.0.parse(content)
    }

    fn apply(&self, rules: Rules, target: &CurrentPolicy, metrics: &Metrics) -> Result<(), PolicyFileError> {
        self.0.apply(rules, target, metrics)
    }
}

struct Fixture {
    directory: tempfile::TempDir,
    metrics: Metrics,
    in_use: CurrentPolicy,
}

impl Fixture {
    fn new<S: Source<Value = Rules>>(source: fn(PolicyFile) -> S) -> (Self, Reloaded<S>) {
        let (directory, metrics) = (tempfile::tempdir().unwrap(), Metrics::default());
        let path = directory.path().join("policy.yaml");
        fs::write(&path, GOOD).unwrap();
        let source = source(PolicyFile(path));
        let opened = Reloaded::open(source, metrics.clone()).map_err(|error| error.to_string());
        let (reloaded, rules) = opened.unwrap();
        let policy = Policy { rules, ..Policy::default() };
        let in_use = CurrentPolicy::new(ArcSwap::from_pointee(policy));
        (Self { directory, metrics, in_use }, reloaded)
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("policy.yaml")
    }

    fn shows(&self, series: &str) -> bool {
        render(&self.metrics.registry()).unwrap().contains(series)
    }

    /// Waits until the metrics show a series.
    async fn until(&self, series: &str) {
        let shown = async {
            while !self.shows(series) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(30), shown).await.unwrap();
    }
}

#[test]
fn a_bad_file_keeps_the_earlier_policy_and_says_so() {
    let (fixture, mut reloaded) = Fixture::new(|file| file);
    let (path, in_use) = (fixture.path(), fixture.in_use.clone());
    reloaded.poll(&in_use);
    for (content, rules) in [("rules: []\n", 0), (GOOD, 1)] {
        fs::write(&path, content).unwrap();
        reloaded.poll(&in_use);
        assert_eq!(in_use.load().rules.len(), rules);
        assert!(fixture.shows(&format!("gomemlimit_policy_rules {rules}")));
    }
    assert!(fixture.shows("gomemlimit_policy_reloads_total{result=\"loaded\"} 2"));

    fs::write(&path, "rules: [{nam: a}]\n").unwrap();
    reloaded.poll(&in_use);
    reloaded.poll(&in_use);
    assert_eq!(in_use.load().rules.len(), 1);
    assert!(fixture.shows("gomemlimit_policy_reloads_total{result=\"refused\"} 2"));
    assert!(fixture.shows("\ngomemlimit_policy_out_of_date 1\n"));
    let degraded = reloaded.degraded().load()[0].clone();
    assert!(
        degraded.contains("unknown field `nam`") && degraded.ends_with("the earlier policy holds"),
        "{degraded}"
    );

    // Restored, or removed and restored: nothing is wrong any more.
    fs::remove_file(&path).unwrap();
    reloaded.poll(&in_use);
    assert!(reloaded.degraded().load()[0].contains("cannot read the policy file"));
    fs::write(&path, GOOD).unwrap();
    reloaded.poll(&in_use);
    assert!(reloaded.degraded().load().is_empty() && fixture.shows("\ngomemlimit_policy_out_of_date 0\n"));
}

#[tokio::test]
async fn a_panic_is_a_refusal_and_polling_goes_on() {
    let (fixture, reloaded) = Fixture::new(Poisonable);
    let (degraded, in_use) = (reloaded.degraded(), fixture.in_use.clone());
    let tasks = TaskTracker::new();
    let polling = tasks.spawn(reloaded.poll_every(Duration::from_millis(5), in_use.clone()));
    // As a whole: a file half written would be another one.
    let write = |content: &str| {
        let new = fixture.directory.path().join("new");
        fs::write(&new, content).unwrap();
        fs::rename(&new, fixture.path()).unwrap();
    };

    write("poison");
    fixture.until("\ngomemlimit_policy_out_of_date 1\n").await;
    let shown = degraded.load()[0].clone();
    assert!(shown.contains("ended in a panic") && shown.ends_with("the earlier policy holds"), "{shown}");
    assert!(!fixture.shows("gomemlimit_policy_reloads_total{result=\"refused\"} 0"), "it is counted");
    assert_eq!(in_use.load().rules.len(), 1, "the earlier policy is in use");

    write("rules: []\n");
    fixture.until("\ngomemlimit_policy_out_of_date 0\n").await;
    fixture.until("gomemlimit_policy_reloads_total{result=\"loaded\"} 1").await;
    assert!(degraded.load().is_empty() && in_use.load().rules.is_empty());
    polling.abort();
}
