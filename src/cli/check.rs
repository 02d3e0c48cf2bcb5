//! `gomemlimit check`: from a namespace's label to a pod with a value, link by link; the first broken one is named.

mod installation;
mod link;
mod opted_in;
mod release;

use std::{collections::BTreeMap, fmt::Write, process::ExitCode};

use anyhow::bail;
use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use gomemlimit_core::{names::INJECT_LABEL, selection::Selected};
use serde_json::{Value, json};

use self::{
    installation::{DRY_RUN_TELLS, Installation},
    link::{Finding, Link, State, first_broken},
    opted_in::{NO_VALUE, OptedIn},
    release::Release,
};
use super::{
    cluster_args::{ClusterArgs, parse_name, runtime},
    complete,
    judge::read_serve_args,
    output,
};
use crate::cluster::{
    api::{ApiError, Cluster},
    installation::{Configuration, admission_policy},
    surroundings::{NamespaceFacts, Surroundings},
    webhook_policy::policy_text,
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

Exit codes: 0 nothing is broken, 1 a link is broken, 2 usage or environment.")]
pub(super) struct CheckArgs {
    /// Only this namespace; default: all that have opted in
    #[arg(short, long, value_parser = parse_name, add = ArgValueCompleter::new(complete::namespaces))]
    namespace: Option<String>,
    /// The webhook configuration; default: found by its labels and entries
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    webhook_config: Option<String>,
    /// Namespace of the release, where there are several or the configuration is gone; default: found
    #[arg(long, value_name = "NAMESPACE", value_parser = parse_name)]
    release_namespace: Option<String>,
    /// Create no pods, not even by dry run
    #[arg(long)]
    no_dry_run: bool,
    /// Format of the output
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

impl CheckArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        runtime()?.block_on(async {
            let cluster = self.cluster.open().await?;
            let (mut findings, release) = self.walk(&cluster).await?;
            eliminate(&mut findings, &release);
            findings.sort_by(|a, b| (a.link, &a.namespace).cmp(&(b.link, &b.namespace)));
            let broken = first_broken(&findings);
            let text = match self.output {
                Format::Table => table(&findings, broken),
                Format::Json => format!("{:#}\n", report(&findings, broken)),
            };
            let printed = output::stdout(text.as_bytes());
            Ok(if broken.is_some() && printed == ExitCode::SUCCESS { ExitCode::FAILURE } else { printed })
        })
    }

    async fn walk(&self, cluster: &Cluster) -> anyhow::Result<(Vec<Finding>, Release)> {
        let mut findings = Vec::new();
        let found = Configuration::find(cluster, self.webhook_config.as_deref()).await;
        let may_read = !matches!(found, Err(ApiError::Forbidden(_)));
        let mut found = installation::note(found, Link::Configuration, &mut findings)?.unwrap_or_default();
        if let Some(namespace) = &self.release_namespace {
            found.retain(|one| one.service().is_none_or(|service| service.namespace == *namespace));
        }
        if found.len() > 1 {
            let names: Vec<_> = found.iter().map(|one| one.metadata.name.as_str()).collect();
            bail!(
                "there are several webhook configurations of gomemlimit ({}): choose one with --webhook-config",
                names.join(", ")
            );
        }
        let configuration = found.pop();
        let release =
            Release::find(cluster, configuration.as_ref(), self.release_namespace.as_deref()).await?;
        let mut decides_by = None;
        if let Some(configuration) = &configuration {
            let (configuration, release) = (configuration.clone(), release.clone());
            let mut installation = Installation { cluster, release, configuration, pods: Vec::new() };
            findings.extend(installation.walk().await?);
            if let Some((pod, args)) = installation.pods.iter().find_map(|pod| Some((pod, pod.serve_args()?)))
            {
                let namespace = installation
                    .configuration
                    .service()
                    .map(|service| &*service.namespace)
                    .unwrap_or_default();
                // Without the right to read it, what the file says is not known: the built-in rules are.
                let policy = policy_text(cluster, namespace, pod).await.unwrap_or_default();
                decides_by = read_serve_args(args, policy.as_ref()).ok();
            }
        } else if let Some(name) = admission_policy(cluster).await.unwrap_or_default() {
            let what = format!("the MutatingAdmissionPolicy {name} decides; there is no webhook to walk to");
            findings.push(Finding::ok(Link::Configuration, what));
        } else if may_read {
            let what = if release.exists {
                "there is no MutatingWebhookConfiguration of gomemlimit; maybe somebody deleted it to stop it"
            } else {
                "gomemlimit is not installed in this cluster"
            };
            findings.push(Finding::broken(Link::Configuration, what, release.upgrade("")));
        }
        let opted_in = OptedIn {
            cluster,
            release: &release,
            configuration: configuration.as_ref(),
            decides_by,
            dry_run: !self.no_dry_run,
        };
        for (name, facts) in self.namespaces(cluster, configuration.as_ref(), &mut findings).await? {
            findings.extend(opted_in.walk(&name, &facts).await?);
        }
        Ok((findings, release))
    }

    /// The namespaces to look at.
    async fn namespaces(
        &self,
        cluster: &Cluster,
        configuration: Option<&Configuration>,
        findings: &mut Vec<Finding>,
    ) -> anyhow::Result<BTreeMap<String, NamespaceFacts>> {
        let mut known = Surroundings::default();
        let read = known.read_namespaces(cluster, self.namespace.as_deref()).await;
        if installation::note(read, Link::NamespaceLabel, findings)?.is_none() {
            return Ok(BTreeMap::new());
        }
        let mut namespaces: BTreeMap<_, _> = known.namespaces.into_iter().collect();
        if self.namespace.is_none() {
            let selection = configuration.map(Configuration::selection).unwrap_or_default();
            namespaces.retain(|_, facts| {
                let is_labelled = facts.labels.get(INJECT_LABEL).is_some_and(|value| value == "enabled");
                is_labelled || selection.selects(Some(&facts.labels), Default::default) == Selected::Yes
            });
            if namespaces.is_empty() {
                let (key, value) = selection
                    .missing_label(&BTreeMap::new())
                    .unwrap_or_else(|| (INJECT_LABEL.to_owned(), "enabled".to_owned()));
                findings.push(Finding::broken(
                    Link::NamespaceLabel,
                    "no namespace has opted in",
                    format!("kubectl label namespace NAMESPACE {key}={value}"),
                ));
            }
        }
        Ok(namespaces)
    }
}

/// Where a pod got no value and nothing else is broken, conditions that are not the chart's are to blame, or
/// else the way from the API server to the webhook, which only the API server sees.
fn eliminate(findings: &mut [Finding], release: &Release) {
    let is_without_value =
        |one: &Finding| one.state == State::Broken && one.link == Link::DryRun && one.what == NO_VALUE;
    let has_other = findings.iter().any(|one| one.state == State::Broken && !is_without_value(one));
    if has_other || !findings.iter().any(is_without_value) {
        return;
    }
    let is_unknown = |one: &&mut Finding| one.link == Link::MatchConditions && one.state == State::Unknown;
    if let Some(conditions) = findings.iter_mut().find(is_unknown) {
        conditions.state = State::Broken;
        conditions.what =
            conditions.what.replace(DRY_RUN_TELLS, ", and a pod got no value although all else is fine");
        return;
    }
    for finding in findings.iter_mut().filter(|one| is_without_value(one)) {
        finding.what += " although all else is fine: the API server did not reach the webhook (a NetworkPolicy, firewall \
                         or proxy between them), or the webhook was too slow; its log, and that of the API server, say \
                         more";
        finding.command =
            format!("kubectl logs -n {} -l app.kubernetes.io/component=webhook --tail=50", release.namespace);
    }
}

fn table(findings: &[Finding], broken: Option<&Finding>) -> String {
    let rows = findings.iter().map(|finding| {
        let namespace = finding.namespace.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            finding.link.as_str().to_owned(),
            finding.state.as_str().to_owned(),
            namespace,
            finding.what.replace(char::is_control, " "),
        ]
    });
    let mut text = output::table(&["LINK", "STATE", "NAMESPACE", "WHAT"], rows);
    if let Some(broken) = broken {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\nThe first broken link is {}: {}.", broken.link.as_str(), broken.what);
        if !broken.command.is_empty() {
            let _ = writeln!(text, "\n  {}", broken.command);
        }
    }
    text
}

fn report(findings: &[Finding], broken: Option<&Finding>) -> Value {
    json!({
        "version": SCHEMA_VERSION,
        "broken": broken.map(Finding::json),
        "links": findings.iter().map(Finding::json).collect::<Vec<_>>(),
    })
}
