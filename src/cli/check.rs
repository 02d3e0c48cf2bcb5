//! `gomemlimit check`: from a namespace's label to a pod with a value, link by link; the first broken one is named.

mod ca;
mod certificate;
mod eliminate;
mod engine;
mod installation;
mod keeper;
mod link;
mod opted_in;
mod release;
mod walk;

use std::{collections::BTreeSet, fmt::Write, process::ExitCode};

use anyhow::bail;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde_json::{Value, json};

use self::{
    eliminate::eliminate,
    link::{Finding, Link, State, first_broken},
    walk::Walked,
};
use super::{
    cluster_args::{ClusterArgs, parse_name},
    complete,
    format::{FOR_PEOPLE, FOR_PROGRAMS, Format},
    output, progress,
    runtime::runtime,
};

/// Version of the schema of `-o json`; fields are added without a new one.
const SCHEMA_VERSION: u32 = 1;

/// Find out why pods get no GOMEMLIMIT: name the first broken link, and the command that mends it
///
/// Walks from the namespace's label over the webhook configuration, the Service and the certificate that is really
/// served to a pod that is created by dry run. Nothing is changed. What may not be read is `unknown`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  # Every namespace that has opted in
  gomemlimit check
  # Why does a pod in this namespace not get it?
  gomemlimit check -n shop
  gomemlimit check -o json | jq -r .broken.command

Exit codes: 0 pods get a value, 1 a link is broken, 2 usage or environment, or too little could be \
looked at to know.")]
pub(super) struct CheckArgs {
    /// Only this namespace; default: all that have opted in
    #[arg(short, long, value_parser = parse_name, add = ArgValueCompleter::new(complete::namespaces))]
    namespace: Option<String>,
    /// The webhook configuration; default: found by its labels and entries
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    webhook_config: Option<String>,
    /// Namespace of the release, if there are several or the configuration is gone; default: found
    #[arg(long, value_name = "NAMESPACE", value_parser = parse_name)]
    release_namespace: Option<String>,
    /// The release in that namespace; default: found, or gomemlimit
    #[arg(long, value_name = "NAME", value_parser = parse_name, requires = "release_namespace")]
    release: Option<String>,
    /// Create no pods, not even by dry run
    #[arg(long)]
    no_dry_run: bool,
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
            let Walked { mut findings, decides, release } =
                progress::shown(&bar, self.walk(&cluster)).await?;
            eliminate(&mut findings, &decides, &release);
            findings.sort_by(|a, b| (a.link, &a.namespace).cmp(&(b.link, &b.namespace)));
            let broken = first_broken(&findings);
            let printed = match self.output {
                Format::Json => output::json(&report(&findings, broken)),
                _ => output::text(&table(&findings, broken)),
            };
            if broken.is_none() && !is_verified(&findings) {
                bail!(
                    "it is not known whether pods get a value: {} could not be looked at, and no pod {}",
                    unknown_links(&findings),
                    self.remedy()
                );
            }
            Ok(if broken.is_some() && printed == ExitCode::SUCCESS { ExitCode::FAILURE } else { printed })
        })
    }
}

impl CheckArgs {
    /// What no pod shows, and what to do about it that was not done.
    fn remedy(&self) -> &'static str {
        match (&self.namespace, self.no_dry_run) {
            (None, false) => "created by dry run got one; grant the rights, or name a namespace with -n",
            (Some(_), false) => "created by dry run got one; grant the rights",
            (None, true) => {
                "was created; grant the rights, or name a namespace with -n and leave out --no-dry-run"
            }
            (Some(_), true) => "was created; grant the rights, or leave out --no-dry-run",
        }
    }
}

fn table(findings: &[Finding], broken: Option<&Finding>) -> String {
    let rows = findings.iter().map(|finding| {
        let namespace = finding.namespace.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            finding.link.as_str().to_owned().into(),
            output::paint(finding.state.as_str(), finding.state.colour()),
            namespace.into(),
            finding.what.clone().into(),
        ]
    });
    let mut text = output::table(&["LINK", "STATE", "NAMESPACE", "WHAT"], rows);
    text.push_str(&ca::table(findings.iter().find(|one| !one.cas.is_empty()).map_or(&[], |one| &one.cas)));
    // Writing to a String cannot fail.
    let _ = match broken {
        Some(Finding { link, what, command, .. }) => {
            let command =
                if command.is_empty() { String::new() } else { format!("\n  {}\n", output::clean(command)) };
            write!(text, "\nThe first broken link is {}: {}.\n{command}", link.as_str(), output::clean(what))
        }
        None if !is_verified(findings) => Ok(()),
        None => match unknown_links(findings) {
            links if links.is_empty() => Ok(()),
            links => {
                write!(text, "\nNothing is broken as far as could be looked at; not known: {links}.\n")
            }
        },
    };
    text
}

/// Whether pods are known to get a value, if nothing is broken: all was looked at, or a pod got one by dry run. That
/// takes every link of its own namespace, and those that all namespaces share.
fn is_verified(findings: &[Finding]) -> bool {
    let is_proven = |unknown: &Finding| {
        let is_shared = unknown.namespace.is_none() || unknown.link == Link::DryRun;
        findings.iter().any(|one| {
            (one.link, one.state) == (Link::DryRun, State::Ok)
                && (is_shared || one.namespace == unknown.namespace)
        })
    };
    findings.iter().filter(|one| one.state == State::Unknown).all(is_proven)
}

/// The links that could not be looked at.
fn unknown_links(findings: &[Finding]) -> String {
    let unknown = findings.iter().filter(|one| one.state == State::Unknown);
    let links: BTreeSet<_> = unknown.map(|one| one.link).collect();
    links.into_iter().map(Link::as_str).collect::<Vec<_>>().join(", ")
}

fn report(findings: &[Finding], broken: Option<&Finding>) -> Value {
    json!({
        "version": SCHEMA_VERSION,
        "broken": broken.map(Finding::json),
        "verified": broken.is_none() && is_verified(findings),
        "links": findings.iter().map(Finding::json).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_proves_what_it_has_passed() {
        let service = || Finding::unknown(Link::Service, "forbidden");
        let label = || Finding::unknown(Link::NamespaceLabel, "it is not known what opts in").of("shop");
        let dry_run = |state| Finding::new(Link::DryRun, state, "");
        let fine = || Finding::ok(Link::Configuration, "");
        for (findings, is_known) in [
            (vec![fine()], true),
            (vec![fine(), service()], false),
            (vec![service(), dry_run(State::Ok).of("shop")], true),
            (vec![service(), dry_run(State::Unknown).of("shop")], false),
            (vec![dry_run(State::Unknown).of("going"), dry_run(State::Ok).of("shop")], true),
            (vec![label(), dry_run(State::Ok).of("shop")], true),
            (vec![label(), dry_run(State::Ok).of("other")], false),
        ] {
            assert_eq!(is_verified(&findings), is_known, "{findings:?}");
        }
    }
}
