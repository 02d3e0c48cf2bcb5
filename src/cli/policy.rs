//! `gomemlimit policy`: the webhook's decisions as a `MutatingAdmissionPolicy`, without pods and certificates.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use gomemlimit_core::{
    Settings,
    addresses::chart,
    settings::{Engines, Mode, Setting},
};

use super::{cluster_args::parse_name, format::Format, output, settings_args::SettingsArgs};
use crate::admission_policy::{AdmissionPolicy, LIMITS};

/// Print a MutatingAdmissionPolicy that decides like the webhook, for Kubernetes 1.36 and later
///
/// The API server evaluates it by itself: there are no pods and no certificates. The policy and its binding hold
/// for namespaces with the label gomemlimit.dev/inject=enabled. What a policy cannot do is printed on
/// stderr and in comments of the YAML.
#[derive(Args, Debug)]
#[expect(clippy::doc_markdown, reason = "the text of the help")]
#[command(after_help = format!("Examples:
  # Install it, then opt in a namespace
  gomemlimit policy | kubectl apply -f -
  kubectl label namespace shop gomemlimit.dev/inject=enabled
  # With other defaults, checked by the API server but not stored
  gomemlimit policy --ratio 85% --headroom 64Mi \\
    | kubectl apply --dry-run=server -f -
  # What the policy would change in a cluster
  gomemlimit policy | kubectl diff -f -
  # The same by the Helm chart
  helm install gomemlimit {} \\
    --set engine=policy", chart()))]
pub(super) struct PolicyCommandArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Do not take annotations of namespaces for settings
    #[arg(long)]
    ignore_namespace_annotations: bool,
    /// Name of the policy and of its binding
    #[arg(long, value_name = "NAME", default_value = "gomemlimit", value_parser = parse_name)]
    name: String,
    /// Format of the output
    #[arg(
        short,
        long,
        default_value = "yaml",
        value_parser = Format::one_of([
            (Format::Yaml, "Two documents, with comments"),
            (Format::Json, "A List"),
        ])
    )]
    output: Format,
}

impl PolicyCommandArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if self.settings.policy_file().is_some() {
            bail!(
                "a MutatingAdmissionPolicy has no rules of a policy file; leave --policy-file to the webhook"
            );
        }
        let policy = self.settings.policy_with_lints()?;
        let defaults = policy.defaults;
        let objects = AdmissionPolicy {
            name: self.name,
            policy,
            follow_namespaces: !self.ignore_namespace_annotations,
        };
        let text = match self.output {
            Format::Json => output::json_text(&objects.json()?),
            _ => objects.yaml(),
        };
        output::message("What the webhook does and this policy cannot:");
        for limit in LIMITS {
            output::message(&format!("- {limit}"));
        }
        if defaults.mode != Mode::Inject {
            output::note("with this --mode only containers whose annotations say mode: inject get a value");
        }
        for &setting in Setting::ALL.iter().filter(|setting| setting.engines() == Engines::Webhook) {
            if defaults.text(setting) != Settings::default().text(setting) {
                output::note(&format!("--{} has no effect on a policy", setting.as_str()));
            }
        }
        Ok(output::stdout(text.as_bytes()))
    }
}
