//! The policy that requests are decided by: a snapshot, replaced when the policy file changes.
//!
//! The file is polled, for the reason that stands in `tls/files.rs`. One that cannot be used is refused and
//! looked at again; what holds stays.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use gomemlimit_core::{Policy, Rules};
use gomemlimit_policy_file::{self as policy_file, Kinds, PolicyFileError};
use tracing::{info, warn};

use super::{last_good::LastGood, readiness::Trouble};
use crate::metrics::{Metrics, Reread};

/// What holds right now; requests take it without waiting.
pub type CurrentPolicy = Arc<ArcSwap<Policy>>;

/// Looks for changes; call [`PolicyReloader::poll`] at every interval.
pub struct PolicyReloader {
    path: PathBuf,
    /// What is in force.
    loaded: Vec<u8>,
    state: LastGood,
    metrics: Metrics,
}

impl PolicyReloader {
    /// Reads the file at start, with the rules in it.
    ///
    /// # Errors
    /// Where the file cannot be used.
    pub fn open(path: PathBuf, metrics: Metrics) -> Result<(Self, Rules), PolicyFileError> {
        let loaded = policy_file::read(&path, Kinds::Regular)?;
        let rules = policy_file::parse(&path, &loaded)?;
        metrics.count_policy_rules(&rules);
        let state = LastGood::new(Reread::Policy, metrics.clone());
        Ok((Self { path, loaded, state, metrics }, rules))
    }

    /// What `/readyz` shows about the file.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        self.state.trouble()
    }

    /// Puts the file's rules in force if it changed and is good.
    pub fn poll(&mut self, current: &CurrentPolicy) {
        match self.changed() {
            Ok(None) => self.state.unchanged(),
            Ok(Some((rules, content))) => {
                info!(file = %self.path.display(), rules = rules.len(), "a new policy is in force");
                for lint in rules.lints() {
                    warn!("{lint}");
                }
                self.metrics.count_policy_rules(&rules);
                current.store(Arc::new(Policy { rules, ..Policy::clone(&current.load()) }));
                self.loaded = content;
                self.state.loaded();
            }
            Err(error) => self.refuse(error.to_string()),
        }
    }

    /// What is in the file cannot be used, for this reason.
    pub fn refuse(&mut self, problem: String) {
        self.state.refuse(problem);
    }

    fn changed(&self) -> Result<Option<(Rules, Vec<u8>)>, PolicyFileError> {
        let content = policy_file::read(&self.path, Kinds::Regular)?;
        if content == self.loaded {
            return Ok(None);
        }
        let rules = policy_file::parse(&self.path, &content)?;
        Ok(Some((rules, content)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::metrics::render;

    const GOOD: &str = "rules: [{name: a, is: go}]\n";

    #[test]
    fn a_bad_file_keeps_the_earlier_policy_and_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policy.yaml");
        fs::write(&path, GOOD).unwrap();
        let metrics = Metrics::default();
        let (mut reloader, rules) = PolicyReloader::open(path.clone(), metrics.clone()).unwrap();
        let current = CurrentPolicy::new(ArcSwap::from_pointee(Policy { rules, ..Policy::default() }));
        let says = |series: &str| render(&metrics.registry()).unwrap().contains(series);

        reloader.poll(&current);
        assert!(says("gomemlimit_policy_rules 1"));
        for (content, rules) in [("rules: []\n", 0), (GOOD, 1)] {
            fs::write(&path, content).unwrap();
            reloader.poll(&current);
            assert_eq!(current.load().rules.len(), rules);
        }
        assert!(says("gomemlimit_policy_reloads_total{result=\"loaded\"} 2"));

        fs::write(&path, "rules: [{nam: a}]\n").unwrap();
        reloader.poll(&current);
        reloader.poll(&current);
        assert_eq!(current.load().rules.len(), 1);
        assert!(says("gomemlimit_policy_reloads_total{result=\"refused\"} 2"));
        assert!(says("\ngomemlimit_policy_out_of_date 1\n"));
        let trouble = reloader.trouble().load()[0].clone();
        assert!(
            trouble.contains("unknown field `nam`") && trouble.ends_with("the earlier policy holds"),
            "{trouble}"
        );

        // Put back, or taken away and put back: nothing is wrong any more.
        fs::remove_file(&path).unwrap();
        reloader.poll(&current);
        assert!(reloader.trouble().load()[0].contains("cannot read the policy file"));
        fs::write(&path, GOOD).unwrap();
        reloader.poll(&current);
        assert!(reloader.trouble().load().is_empty() && says("\ngomemlimit_policy_out_of_date 0\n"));
    }
}
