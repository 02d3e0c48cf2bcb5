//! The policy of one installation: its defaults and its rules.

use crate::{
    settings::{EnvFrom, InitContainers, Settings, rules::Rules},
    value::ratio::LOW_RATIO,
};

/// Everything that is the same for all requests of an installation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The weakest level of settings.
    pub defaults: Settings,
    /// The action for a container with an `envFrom` that may define GOMEMLIMIT.
    pub env_from: EnvFrom,
    /// The init containers that are looked at.
    pub init_containers: InitContainers,
    /// The policy file.
    pub rules: Rules,
}

impl Policy {
    /// Settings of defaults and rules that are followed but unlikely to be meant, one sentence each. For the reader of the
    /// policy, not for each pod.
    #[must_use]
    pub fn lints(&self) -> Vec<String> {
        let ratio = Some(self.defaults.ratio).filter(|ratio| ratio.is_low());
        let of_default = ratio.map(|ratio| format!("the default ratio {ratio} {LOW_RATIO}"));
        of_default.into_iter().chain(self.rules.lints()).collect()
    }
}
