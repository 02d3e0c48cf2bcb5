//! The policy of one installation: its defaults and its rules.

use crate::{
    settings::{EnvFrom, InitContainers, Settings, rules::Rules},
    value::ratio::LOW_RATIO,
};

/// Everything that is the same for all requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The weakest level of settings.
    pub defaults: Settings,
    /// Whether an `envFrom` keeps us away.
    pub env_from: EnvFrom,
    /// Which init containers are looked at.
    pub init_containers: InitContainers,
    /// The policy file.
    pub rules: Rules,
}

impl Policy {
    /// What is followed, but unlikely to be meant, in defaults and rules: a sentence each. To be told once, not
    /// for each pod.
    #[must_use]
    pub fn lints(&self) -> Vec<String> {
        let ratio = Some(self.defaults.ratio).filter(|ratio| ratio.is_low());
        let of_default = ratio.map(|ratio| format!("the default ratio {ratio} {LOW_RATIO}"));
        of_default.into_iter().chain(self.rules.lints()).collect()
    }
}
