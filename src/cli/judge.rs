//! Judges running pods by what is known of their cluster, for `audit` and `explain`.

use std::path::Path;

use clap::{CommandFactory, Parser};
use gomemlimit_core::{
    NamespaceAnnotations, Policy, Rules,
    coverage::{self, ContainerCoverage},
    live::LivePod,
};

use super::{Cli, Command, policy_args::PolicyArgs};
use crate::{
    cluster::{surroundings::Surroundings, webhook_policy::PolicyText},
    policy_file::{self, PolicyFileError},
};

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
    pub(super) fn new(
        mut surroundings: Surroundings,
        flags: &PolicyArgs,
        are_given: bool,
    ) -> Result<Self, PolicyFileError> {
        let theirs = surroundings.webhook.as_ref().filter(|_| !are_given);
        let theirs = theirs.map(|webhook| {
            (
                format!("the flags of pod {}", webhook.pod),
                read_serve_args(&webhook.args, webhook.policy.as_ref()),
            )
        });
        let (policy, namespace_settings, source) = match theirs {
            Some((source, Ok((policy, follows)))) => (policy, follows, source),
            other => {
                let source = if are_given { "the flags given here" } else { "this program's defaults" };
                if let Some((theirs, Err(problem))) = other {
                    surroundings
                        .unknown
                        .push(format!("cannot read {theirs} ({problem}), so {source} are assumed"));
                }
                (flags.policy()?, true, source.to_owned())
            }
        };
        Ok(Self { surroundings, policy, namespace_settings, source })
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
