//! The policy that applies to running pods, by what is known of their cluster: for `audit` and `explain`.

use std::path::Path;

use clap::{Parser, error::ErrorKind};
use gomemlimit_core::{
    NamespaceAnnotations, Policy, Rules,
    audit::{self, ContainerCoverage, Labels, Selected, Selection},
    pod::LivePod,
};

use super::{serve::ServeArgs, settings_args::SettingsArgs};
use crate::{
    cluster::{
        cluster_state::{ClusterState, InstallationSettings},
        webhook_policy::PolicyText,
    },
    policy_file::{self, PolicyFileError},
};

/// The installations of a cluster with their policies, and what else decisions about its pods depend on.
pub(super) struct PolicyResolver {
    pub(super) cluster_state: ClusterState,
    installations: Vec<InstallationPolicy>,
    /// Origins of the policies, for people.
    pub(super) source: String,
    /// Whether the user gave flags, which override the settings of all installations.
    are_given: bool,
}

/// The pods that one installation selects, and its policy for them.
pub(super) struct InstallationPolicy {
    selection: Selection,
    pub(super) policy: Policy,
    /// Whether annotations of namespaces count.
    namespace_settings: bool,
}

impl PolicyResolver {
    /// Resolves the policy of each installation: flags that the user gave, else those that the webhook runs with, else the
    /// defaults. A webhook whose flags cannot be read is noted as unread.
    ///
    /// # Errors
    ///
    /// If the policy file that `flags` name cannot be read.
    pub(super) fn new(
        mut cluster_state: ClusterState,
        flags: &SettingsArgs,
        are_given: bool,
    ) -> Result<Self, PolicyFileError> {
        let has_several = cluster_state.installations.len() > 1;
        let own = flags.policy()?;
        let (mut installations, mut sources, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for installation in &cluster_state.installations {
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
            installations.push(InstallationPolicy {
                selection: selection.clone(),
                policy,
                namespace_settings,
            });
            sources.push(if has_several && !are_given { format!("{source} for {name}") } else { source });
        }
        for problem in problems {
            cluster_state.unread(problem);
        }
        sources.dedup();
        Ok(Self { cluster_state, installations, source: sources.join(" and "), are_given })
    }

    /// Whether the settings for new pods are known. Flags of the user are enough without those of the webhook.
    pub(super) fn are_settings_known(&self) -> bool {
        self.are_given || !self.cluster_state.unread.installations
    }

    /// The installation for a new pod in a namespace, and whether it selects the pod: the first that does, else the first
    /// that the namespace has opted in to, else the first that a label would opt in to. `None` without installations.
    pub(super) fn installation(
        &self,
        namespace: &str,
        pod: impl Fn() -> Labels,
    ) -> Option<(&InstallationPolicy, Selected)> {
        let facts = self.cluster_state.namespaces.get(namespace).map(|facts| &facts.labels);
        let rank = |selected: &Selected| match selected {
            Selected::Yes => 0,
            Selected::OptedOut => 1,
            Selected::Unknown => 2,
            Selected::NotLabelled { .. } => 3,
            Selected::Excluded => 4,
        };
        let all = self.installations.iter().map(|one| (one, one.selection.selects(facts, &pod)));
        all.min_by_key(|(_, selected)| rank(selected))
    }

    /// The annotations of a namespace that count for an installation; none if it ignores them.
    pub(super) fn annotations(
        &self,
        namespace: &str,
        installation: &InstallationPolicy,
    ) -> NamespaceAnnotations {
        let facts = self.cluster_state.namespaces.get(namespace).filter(|_| installation.namespace_settings);
        facts.map(|facts| facts.annotations.clone()).unwrap_or_default()
    }

    /// Assesses each container of a running pod; none without installations.
    pub(super) fn assess(&self, pod: &LivePod<'_>) -> Vec<ContainerCoverage> {
        let Some((installation, selected)) = self.installation(pod.namespace(), || pod.labels()) else {
            return Vec::new();
        };
        let annotations = self.annotations(pod.namespace(), installation);
        audit::assess(pod, &annotations, &installation.policy, &selected)
    }
}

/// The command line of a webhook.
#[derive(Parser)]
#[command(name = "gomemlimit")]
enum ServeCommand {
    Serve(Box<ServeArgs>),
}

/// The policy of a webhook with these arguments of `serve` and this policy file, and whether annotations of namespaces
/// count.
///
/// # Errors
///
/// If the arguments are not those of `serve`, or if the policy file is invalid: a sentence.
pub(super) fn read_serve_args(args: &[String], file: Option<&PolicyText>) -> Result<(Policy, bool), String> {
    let rules = match file {
        None => Rules::default(),
        Some(PolicyText { origin, text }) => {
            policy_file::parse(Path::new(origin), text.as_bytes()).map_err(|error| error.to_string())?
        }
    };
    match ServeCommand::try_parse_from(["gomemlimit"].into_iter().chain(args.iter().map(String::as_str))) {
        Ok(ServeCommand::Serve(serve)) => Ok(serve.effective_policy(rules)),
        Err(error) if matches!(error.kind(), ErrorKind::InvalidSubcommand | ErrorKind::MissingSubcommand) => {
            Err("they are not those of `serve`".to_owned())
        }
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            Err(first.trim_start_matches("error: ").to_owned())
        }
    }
}
