//! The policy that requests are decided by: a snapshot, replaced when the policy file changes.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use gomemlimit_core::{Policy, Rules};
use gomemlimit_policy_file::{self as policy_file, Kinds, PolicyFileError};
use tracing::{info, warn};

use super::reloaded::Source;
use crate::metrics::{Metrics, ReloadedFile};

/// The policy in use; requests read it without waiting.
pub type CurrentPolicy = Arc<ArcSwap<Policy>>;

/// The policy file, by its path.
#[derive(Debug)]
pub struct PolicyFile(pub PathBuf);

impl Source for PolicyFile {
    type Content = Vec<u8>;
    type Value = Rules;
    type Target = CurrentPolicy;
    type Error = PolicyFileError;
    const FILE: ReloadedFile = ReloadedFile::Policy;

    fn read(&self) -> Result<Vec<u8>, PolicyFileError> {
        policy_file::read(&self.0, Kinds::Regular)
    }

    fn parse(&self, content: &Vec<u8>) -> Result<Rules, PolicyFileError> {
        policy_file::parse(&self.0, content)
    }

    fn apply(&self, rules: Rules, current: &CurrentPolicy, metrics: &Metrics) -> Result<(), PolicyFileError> {
        info!(file = %self.0.display(), rules = rules.len(), "a new policy is in force");
        for lint in rules.lints() {
            warn!("{lint}");
        }
        metrics.set_policy_rules(&rules);
        current.store(Arc::new(Policy { rules, ..Policy::clone(&current.load()) }));
        Ok(())
    }
}
