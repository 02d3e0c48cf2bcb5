//! The arguments of `explain`, and its gate.

use std::{process::ExitCode, str::FromStr};

use anyhow::ensure;
use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use gomemlimit_core::{PodDecision, Reason};

use super::finding::Rule;
use crate::cli::{
    cluster_args::ClusterArgs,
    complete,
    format::{FOR_PEOPLE, FOR_PROGRAMS, Format},
    manifest_files::input_group,
    manifests::ManifestArgs,
};

/// Show what each container gets, and which setting decided: of manifests, or of pods and workloads in a cluster
///
/// Of a pod in a cluster it shows two things: what its GOMEMLIMIT is now and where it came from, and what a new pod
/// like it would get. Annotations of namespaces count, and so do the flags that the webhook runs with.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gomemlimit explain -f deployment.yaml
  helm template shop ./chart | gomemlimit explain -f - -o json
  # A gate for CI: exit 1 for a warning or a container without a memory limit
  gomemlimit explain -R -f manifests/ --fail-on no-memory-limit,warning
  # In a cluster
  gomemlimit explain api-7d9c5b8f4-x2x9q -n shop
  gomemlimit explain deployment/api cronjob/report -n shop")]
#[command(group = input_group().arg("targets"))]
pub(in crate::cli) struct ExplainArgs {
    /// Pods and workloads of a cluster, as `kubectl get -o name` prints them; a name alone is of a pod
    #[arg(value_name = "TYPE/NAME", add = ArgValueCandidates::new(complete::kinds))]
    pub(super) targets: Vec<String>,
    #[command(flatten)]
    pub(super) manifests: ManifestArgs,
    /// Format of the output
    #[arg(
        short,
        long,
        default_value = "table",
        value_parser = Format::one_of([
            (Format::Table, FOR_PEOPLE),
            (Format::Wide, "For people, with exact bytes"),
            (Format::Json, FOR_PROGRAMS),
            (Format::Sarif, "What is to be done, for code scanning; with -f"),
            (Format::Junit, "A test for each container, for Jenkins and GitLab; with -f"),
        ])
    )]
    pub(super) output: Format,
    /// Exit with 1 if one of these reasons occurs, or `warning`, and with 2 if there are no containers to judge, or if
    /// what decides about them cannot be read
    #[arg(long, value_name = "REASON", value_delimiter = ',', add = ArgValueCandidates::new(complete::reasons))]
    pub(super) fail_on: Vec<FailOn>,
    /// Let --fail-on pass if there are no containers
    #[arg(long, requires = "fail_on")]
    pub(super) allow_empty: bool,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
}

/// A finding that `--fail-on` can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailOn {
    Reason(Reason),
    Warning,
    /// An object with containers whose kind is not known.
    UnknownKind,
}

impl FromStr for FailOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "warning" => Ok(Self::Warning),
            "unknown-kind" => Ok(Self::UnknownKind),
            reason => {
                reason.parse().map(Self::Reason).map_err(|error| format!("{error}, warning, unknown-kind"))
            }
        }
    }
}

impl ExplainArgs {
    /// Whether `--fail-on` names a finding of these decisions.
    ///
    /// # Errors
    ///
    /// If there are no containers; the message has `nothing` for their description.
    pub(super) fn has_failed<'v>(
        &self,
        decisions: impl Iterator<Item = &'v PodDecision<'static>>,
        nothing: &str,
    ) -> anyhow::Result<bool> {
        let (mut has_judged, mut found) = (false, false);
        for decision in decisions {
            has_judged |= !decision.containers.is_empty();
            found |= self.fails_on(decision);
        }
        ensure!(
            has_judged || found || self.fail_on.is_empty() || self.allow_empty,
            "there are no {nothing}, so --fail-on has nothing to judge; pass --allow-empty if that is fine"
        );
        Ok(found)
    }

    /// Whether `--fail-on` names a finding of these decisions, of which there may be none.
    pub(super) fn is_found<'v>(&self, mut decisions: impl Iterator<Item = &'v PodDecision<'static>>) -> bool {
        decisions.any(|decision| self.fails_on(decision))
    }

    /// Whether `--fail-on` names this rule.
    pub(super) fn names(&self, rule: Rule) -> bool {
        self.fail_on.iter().any(|finding| match (finding, rule) {
            (FailOn::Warning, Rule::Warning(_) | Rule::DoubtfulManifest)
            | (FailOn::UnknownKind, Rule::UnknownKind) => true,
            (FailOn::Reason(named), Rule::Reason(reason)) => *named == reason,
            _ => false,
        })
    }

    fn fails_on(&self, decision: &PodDecision<'_>) -> bool {
        self.fail_on.iter().any(|finding| match finding {
            FailOn::Warning => !decision.warnings.is_empty(),
            // It has no decision.
            FailOn::UnknownKind => false,
            FailOn::Reason(reason) => {
                decision.containers.iter().any(|container| container.outcome.reason == *reason)
            }
        })
    }
}

/// 1 if printing went well and `--fail-on` found something.
pub(super) fn exit_code(printed: ExitCode, has_failed: bool) -> ExitCode {
    if has_failed && printed == ExitCode::SUCCESS { ExitCode::FAILURE } else { printed }
}
