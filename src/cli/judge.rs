//! Judges running pods by what is known of their cluster, for `audit` and `explain`.

use std::path::Path;

use clap::{CommandFactory, Parser};
use gomemlimit_core::{
    NamespaceAnnotations, Policy, Rules,
    coverage::{self, ContainerCoverage},
    live::LivePod,
    selection::{Labels, Selected, Selection},
};

use super::{Cli, Command, policy_args::PolicyArgs};
use crate::{
    cluster::{
        cluster_state::{ClusterState, InstallationSettings},
        webhook_policy::PolicyText,
    },
    policy_file::{self, PolicyFileError},
};

/// What decisions about pods of a cluster are made by.
pub(super) struct Judge {
    pub(super) surroundings: ClusterState,
    deciders: Vec<Decider>,
    /// Where the policies come from, for people.
    pub(super) source: String,
    /// Flags of the user count, whatever the installations run with.
    are_given: bool,
}

/// What one installation decides about, and by what.
pub(super) struct Decider {
    selection: Selection,
    pub(super) policy: Policy,
    /// Whether it follows annotations of namespaces.
    namespace_settings: bool,
}

impl Judge {
    /// Flags that the user gave count; else those that each webhook runs with; else the defaults.
    pub(super) fn new(
        mut surroundings: ClusterState,
        flags: &PolicyArgs,
        are_given: bool,
    ) -> Result<Self, PolicyFileError> {
        let has_several = surroundings.installations.len() > 1;
        let own = flags.policy()?;
        let (mut deciders, mut sources, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for installation in &surroundings.installations {
            let InstallationSettings { name, selection, settings } = installation;
            let theirs = settings.as_ref().filter(|_| !are_given);
            let read = theirs.map(|settings| read_serve_args(&settings.args, settings.policy.as_ref()));
            let default = if are_given { "the flags given here" } else { "this program's defaults" };
            let (policy, namespace_settings, source) = match (theirs, read) {
                (Some(theirs), Some(Ok((policy, follows)))) => (policy, follows, theirs.origin.clone()),
                (theirs, read) => {
                    if let (Some(theirs), Some(Err(problem))) = (theirs, read) {
                        let origin = &theirs.origin;
                        problems.push(format!("cannot read {origin} ({problem}), so {default} are assumed"));
                    }
                    (own.clone(), true, default.to_owned())
                }
            };
            deciders.push(Decider { selection: selection.clone(), policy, namespace_settings });
            sources.push(if has_several && !are_given { format!("{source} for {name}") } else { source });
        }
        for problem in problems {
            surroundings.unread(problem);
        }
        sources.dedup();
        Ok(Self { surroundings, deciders, source: sources.join(" and "), are_given })
    }

    /// Whether it is known what decides about new pods. Flags are enough without the webhook's own.
    pub(super) fn are_settings_known(&self) -> bool {
        self.are_given || !self.surroundings.unread.installations
    }

    /// Which installation decides about a new pod in a namespace, and whether it is asked: the first that is, else
    /// the first that the namespace has opted in to, else the first that a label would do it for.
    pub(super) fn decider(&self, namespace: &str, pod: impl Fn() -> Labels) -> Option<(&Decider, Selected)> {
        let facts = self.surroundings.namespaces.get(namespace).map(|facts| &facts.labels);
        let rank = |selected: &Selected| match selected {
            Selected::Yes => 0,
            Selected::OptedOut => 1,
            Selected::Unknown => 2,
            Selected::NotLabelled { .. } => 3,
            Selected::Excluded => 4,
        };
        let all = self.deciders.iter().map(|one| (one, one.selection.selects(facts, &pod)));
        all.min_by_key(|(_, selected)| rank(selected))
    }

    /// The annotations of a namespace, as the installation sees them.
    pub(super) fn annotations(&self, namespace: &str, decider: &Decider) -> NamespaceAnnotations {
        let facts = self.surroundings.namespaces.get(namespace).filter(|_| decider.namespace_settings);
        facts.map(|facts| facts.annotations.clone()).unwrap_or_default()
    }

    /// What is found about each container.
    pub(super) fn assess(&self, pod: &LivePod<'_>) -> Vec<ContainerCoverage> {
        let Some((decider, selected)) = self.decider(pod.namespace(), || pod.labels()) else {
            return Vec::new();
        };
        coverage::assess(pod, &self.annotations(pod.namespace(), decider), &decider.policy, &selected)
    }
}

/// What a webhook with these arguments and this policy file decides by: the policy, and whether annotations of
/// namespaces count.
pub(super) fn read_serve_args(args: &[String], file: Option<&PolicyText>) -> Result<(Policy, bool), String> {
    let rules = match file {
        None => Rules::default(),
        Some(PolicyText { origin, text }) => {
            policy_file::parse(Path::new(origin), text.as_bytes()).map_err(|error| error.to_string())?
        }
    };
    let command = [Cli::command().get_name().to_owned()];
    match Cli::try_parse_from(command.iter().chain(args)) {
        Ok(Cli { command: Command::Serve(serve) }) => Ok(serve.decides_by(rules)),
        Ok(_) => Err("they are not those of `serve`".to_owned()),
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            Err(first.trim_start_matches("error: ").to_owned())
        }
    }
}
