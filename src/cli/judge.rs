//! Judges running pods by what is known of their cluster, for `audit` and `explain`.

use clap::{CommandFactory, Parser};
use gomemlimit_core::{
    NamespaceAnnotations, Policy,
    coverage::{self, ContainerCoverage},
    live::LivePod,
};

use super::{Cli, Command, policy_args::PolicyArgs};
use crate::cluster::surroundings::Surroundings;

/// What decisions about pods of a cluster are made by.
pub(super) struct Judge {
    pub(super) surroundings: Surroundings,
    pub(super) policy: Policy,
    /// Whether the webhook follows annotations of namespaces.
    namespace_settings: bool,
    /// Where the policy comes from, for people.
    pub(super) source: String,
}

impl Judge {
    /// Flags that the user gave count; else those that the webhook runs with; else the defaults.
    pub(super) fn new(mut surroundings: Surroundings, flags: &PolicyArgs, are_given: bool) -> Self {
        let theirs = surroundings.serve_args.as_ref().map(|(pod, args)| (pod.clone(), read_serve_args(args)));
        let (policy, namespace_settings, source) = match theirs {
            _ if are_given => (flags.policy(), true, "the flags given here".to_owned()),
            Some((pod, Ok((policy, follows)))) => (policy, follows, format!("the flags of pod {pod}")),
            Some((pod, Err(problem))) => {
                surroundings.unknown.push(format!(
                    "cannot read the flags of pod {pod} ({problem}), so this program's defaults are assumed"
                ));
                (flags.policy(), true, "this program's defaults".to_owned())
            }
            None => (flags.policy(), true, "this program's defaults".to_owned()),
        };
        Self { surroundings, policy, namespace_settings, source }
    }

    /// The annotations of a namespace, as the webhook sees them.
    pub(super) fn annotations(&self, namespace: &str) -> NamespaceAnnotations {
        let facts = self.surroundings.namespaces.get(namespace).filter(|_| self.namespace_settings);
        facts.map(|facts| facts.annotations.clone()).unwrap_or_default()
    }

    /// What is found about each container.
    pub(super) fn assess(&self, pod: &LivePod<'_>) -> Vec<ContainerCoverage> {
        let namespace = self.surroundings.namespaces.get(pod.namespace());
        let labels = namespace.map(|facts| &facts.labels);
        let selected = self.surroundings.selection.selects(labels, || pod.labels());
        coverage::assess(pod, &self.annotations(pod.namespace()), &self.policy, &selected)
    }
}

/// What a webhook with these arguments decides by.
pub(super) fn read_serve_args(args: &[String]) -> Result<(Policy, bool), String> {
    let command = [Cli::command().get_name().to_owned()];
    match Cli::try_parse_from(command.iter().chain(args)) {
        Ok(Cli { command: Command::Serve(serve) }) => Ok(serve.decides_by()),
        Ok(_) => Err("they are not those of `serve`".to_owned()),
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            Err(first.trim_start_matches("error: ").to_owned())
        }
    }
}
