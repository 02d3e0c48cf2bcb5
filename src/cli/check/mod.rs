//! `gomemlimit check`: the checks between a namespace's label and a pod with a value, and the first one that fails.

mod ca;
mod certificate_checks;
mod checks;
mod criteria;
mod finding;
mod installation;
mod keeper;
mod missing_value;
mod namespace_checks;
mod policy_engine_checks;
mod release;
mod report;
mod run;
mod scope;
mod service_checks;
mod shared_checks;

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use self::{
    finding::first_broken,
    report::{is_verified, unknown_checks},
    scope::Scope,
};
use super::{
    cluster_args::ClusterArgs,
    format::{FOR_PEOPLE, FOR_PROGRAMS, Format},
    output, progress,
    runtime::runtime,
};

/// Find out why pods get no GOMEMLIMIT: name the first failed check, and the command that fixes it
///
/// Checks the namespace's label, the webhook configuration, the Service and the certificate that is really served, and
/// creates a pod by dry run. Nothing is changed. What may not be read is `unknown`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  # Every namespace that has opted in
  gomemlimit check
  # Why does a pod in this namespace not get it?
  gomemlimit check -n shop
  gomemlimit check -o json | jq -r .broken.command

Exit codes: 0 pods get a value, 1 a check is broken, 2 usage or environment, or too little could be \
looked at to know.")]
pub(super) struct CheckArgs {
    #[command(flatten)]
    scope: Scope,
    /// Format of the output
    #[arg(
        short,
        long,
        default_value = "table",
        value_parser = Format::one_of([
            (Format::Table, FOR_PEOPLE),
            (Format::Json, FOR_PROGRAMS),
        ])
    )]
    output: Format,
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl CheckArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        runtime()?.block_on(async {
            let cluster = self.cluster.open().await?;
            let bar = progress::spinner("Looking at the cluster");
            let findings = progress::shown(&bar, run::run(&self.scope, &cluster)).await?;
            let is_broken = first_broken(&findings).is_some();
            let printed = match self.output {
                Format::Json => output::json(&report::json(&findings)),
                _ => output::text(&report::table(&findings)),
            };
            if !is_broken && !is_verified(&findings) {
                bail!(
                    "it is not known whether pods get a value: {} could not be looked at, and no pod {}",
                    unknown_checks(&findings),
                    self.remedy()
                );
            }
            Ok(if is_broken && printed == ExitCode::SUCCESS { ExitCode::FAILURE } else { printed })
        })
    }

    /// The end of the sentence: what no pod shows, and what would help.
    fn remedy(&self) -> &'static str {
        match (&self.scope.namespace, self.scope.no_dry_run) {
            (None, false) => "created by dry run got one; grant the rights, or name a namespace with -n",
            (Some(_), false) => "created by dry run got one; grant the rights",
            (None, true) => {
                "was created; grant the rights, or name a namespace with -n and leave out --no-dry-run"
            }
            (Some(_), true) => "was created; grant the rights, or leave out --no-dry-run",
        }
    }
}
