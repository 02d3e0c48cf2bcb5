//! `gomemlimit audit`: the effect of GOMEMLIMIT in every container of a cluster.

mod audit_report;
mod fail_on;
mod publish;
mod render;

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::{bail, ensure};
use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use gomemlimit_core::{audit::AuditFinding, pod::LivePod};

#[cfg(feature = "cli")]
pub(super) use self::render::{painted_status, value, why};

use self::{
    audit_report::{AuditReport, RowFilter},
    fail_on::FailOn,
    render::{Style, notes},
};
use super::{
    cluster_args::{ClusterArgs, ScopeArgs},
    complete,
    duration::parse_audit_interval,
    format::{FOR_PEOPLE, FOR_PROGRAMS, Format},
    listen::parse_listen,
    output::{self, Line},
    policy_resolver::PolicyResolver,
    progress,
    runtime::runtime,
    settings_args::SettingsArgs,
};
use crate::cluster::{
    api::{ApiError, Cluster, path_of},
    cluster_state::ClusterState,
    pages::{ListEvent, Listing},
};

/// Show what GOMEMLIMIT means in every container of a cluster, against the memory limit that really applies
///
/// Needs the right to list pods. With the right to read namespaces it knows
/// which have opted in; with the right to read the installation, the webhook's selectors and flags.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gomemlimit audit -A
  # What is wrong, and nothing else
  gomemlimit audit -A \\
    --only stale,at-limit,above-limit,malformed,too-low,oom-killed
  # A gate for CI or a CronJob: exit 1 if a container has no value
  gomemlimit audit -n shop -l app=api --fail-on uncovered,malformed
  gomemlimit audit -A -o json | jq '.summary.total'
  # What each finding means, and its bytes
  gomemlimit audit -n shop -o wide
  # The pods that were OOM-killed, for another command
  gomemlimit audit -n shop --only oom-killed -o name
  # Metrics for Prometheus at http://127.0.0.1:9090/metrics, counted every
  # minute; in the cluster the chart's coverage.enabled does that
  gomemlimit audit -A --listen 127.0.0.1:9090

Words for --only and --fail-on: the statuses covered, stale, at-limit, above-limit, malformed, too-low, opaque, off, \
uncovered; the reasons for being uncovered, such as no-memory-limit or not-labelled; and how the container ended \
last: oom-killed, sigkilled, malformed-crash.

Exit codes: 0 fine, 1 a word of --fail-on holds, 2 usage or environment, or there is nothing that \
--fail-on could judge.")]
#[allow(clippy::struct_excessive_bools, reason = "flags")]
pub(super) struct AuditArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Only pods with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Print only containers for which one of these words holds; the summary counts all
    #[arg(long, value_name = "WORD", value_delimiter = ',', add = ArgValueCandidates::new(complete::audit_findings))]
    only: Vec<AuditFinding>,
    /// Print only the summary
    #[arg(long)]
    summary: bool,
    /// Also pods that have ended well
    #[arg(long)]
    finished: bool,
    /// Exit with 1 if one of these words holds for a container, and with 2 if there is none to judge
    #[arg(long, value_name = "WORD", value_delimiter = ',', add = ArgValueCandidates::new(complete::audit_findings))]
    fail_on: Vec<AuditFinding>,
    /// Let --fail-on pass if there are no pods
    #[arg(long, requires = "fail_on")]
    allow_empty: bool,
    /// Go on until interrupted, and publish the counts at this address as metrics for Prometheus (/metrics)
    #[arg(
        long,
        value_name = "ADDRESS",
        value_parser = parse_listen,
        conflicts_with_all = ["output", "only", "summary", "fail_on"]
    )]
    listen: Option<SocketAddr>,
    /// Time from one audit to the next
    #[arg(long, value_name = "DURATION", default_value = "1m", requires = "listen", value_parser = parse_audit_interval)]
    interval: Duration,
    /// Format of the output
    #[arg(
        short,
        long,
        default_value = "table",
        value_parser = Format::one_of([
            (Format::Table, FOR_PEOPLE),
            (Format::Wide, "For people, with exact bytes, and what to do in each row"),
            (Format::Name, "The pods, as pod/NAME"),
            (Format::Json, FOR_PROGRAMS),
            (Format::Prometheus, "Counts as metrics in the text format of Prometheus"),
        ])
    )]
    output: Format,
    /// Print the rows of a table and nothing else
    #[arg(long)]
    no_headers: bool,
    /// Pods a page of the list: fewer take less memory, more take fewer requests
    #[arg(long, value_name = "N", default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..=5000))]
    chunk_size: u32,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    policy: SettingsArgs,
}

impl AuditArgs {
    pub(super) fn run(self, policy_is_given: bool) -> anyhow::Result<ExitCode> {
        ensure!(self.output != Format::Name || !self.summary, "--summary has no pods for -o name to print");
        runtime()?.block_on(async {
            let Some(address) = self.listen else {
                let cluster = self.cluster.open().await?;
                return self.run_once(&cluster, policy_is_given).await;
            };
            let cluster = self.cluster.open_to_poll().await?;
            let audit = async || self.audit(&cluster, policy_is_given).await;
            Box::pin(publish::run(address, self.interval, audit)).await
        })
    }

    async fn run_once(&self, cluster: &Cluster, policy_is_given: bool) -> anyhow::Result<ExitCode> {
        let (report, resolver) = self.audit(cluster, policy_is_given).await?;
        let namespace = self.scope.namespace(cluster);
        let printed = self.print(&report, &resolver, namespace.as_deref());
        let fail_on = FailOn {
            findings: &self.fail_on,
            allow_empty: self.allow_empty,
            are_settings_known: resolver.are_settings_known(),
        };
        let has_failed = fail_on.has_failed(&report, &self.no_pods(namespace.as_deref()))?;
        Ok(if has_failed && printed == ExitCode::SUCCESS { ExitCode::FAILURE } else { printed })
    }

    /// One audit, with the policies that it was made with.
    async fn audit(
        &self,
        cluster: &Cluster,
        policy_is_given: bool,
    ) -> anyhow::Result<(AuditReport, PolicyResolver)> {
        let namespace = self.scope.namespace(cluster);
        let cluster_state = self
            .with_progress(
                &progress::spinner("Reading the cluster"),
                ClusterState::read(cluster, namespace.as_deref()),
            )
            .await?;
        let resolver = PolicyResolver::new(cluster_state, &self.policy, policy_is_given)?;
        let listing = Listing {
            path: path_of("/api/v1", namespace.as_deref(), "pods"),
            selector: self.selector.clone(),
            chunk: self.chunk_size,
        };
        let report = self.list(cluster, &listing, &resolver).await?;
        Ok((report, resolver))
    }

    /// Does the work, with a progress bar unless the program is a server.
    async fn with_progress<T>(&self, bar: &progress::Bar, work: impl Future<Output = T>) -> T {
        if self.listen.is_some() { work.await } else { progress::shown(bar, work).await }
    }

    /// Reads every pod, page by page.
    async fn list(
        &self,
        cluster: &Cluster,
        listing: &Listing,
        resolver: &PolicyResolver,
    ) -> anyhow::Result<AuditReport> {
        let is_counted_only = self.summary || self.listen.is_some() || self.output == Format::Prometheus;
        let filter = if is_counted_only { RowFilter::None } else { RowFilter::Only(self.only.clone()) };
        let mut report = AuditReport::new(filter);
        let bar = progress::bar("Reading pods");
        let read = listing.read(cluster, |event| match event {
            ListEvent::Begin => report.clear(),
            ListEvent::Item(json) => match LivePod::parse(json) {
                Ok(pod) if pod.has_succeeded() && !self.finished => report.finished += 1,
                Ok(pod) => report.add(&pod, resolver.assess(&pod)),
                Err(error) => report.add_unreadable(&error),
            },
            ListEvent::Page { seen, left } => {
                if let Some(left) = left {
                    bar.set_length(seen + left);
                }
                bar.set_position(seen);
            }
        });
        match self.with_progress(&bar, read).await {
            Ok(()) => Ok(report),
            Err(ApiError::Forbidden(problem)) => {
                bail!("{problem}; grant get and list on pods, or name a namespace with -n")
            }
            Err(error) => Err(error.into()),
        }
    }

    fn print(&self, report: &AuditReport, resolver: &PolicyResolver, namespace: Option<&str>) -> ExitCode {
        if self.output != Format::Json {
            notes(report, resolver).iter().for_each(Line::print);
            if report.is_empty() {
                print_empty(report, namespace);
            }
        }
        let text = match self.output {
            Format::Name => render::names(report),
            Format::Json => output::json_text(&render::json(report, resolver, self.summary)),
            Format::Prometheus => render::prometheus(report),
            _ if self.summary => render::summary(report, &self.style(namespace)),
            _ => render::tables(report, &self.style(namespace)),
        };
        if matches!(self.output, Format::Table | Format::Wide) {
            output::text(&text)
        } else {
            output::stdout(text.as_bytes())
        }
    }

    fn style(&self, namespace: Option<&str>) -> Style {
        Style {
            is_wide: self.output == Format::Wide,
            has_headers: !self.no_headers,
            has_namespaces: namespace.is_none(),
        }
    }

    /// The sentence for a report without pods.
    fn no_pods(&self, namespace: Option<&str>) -> String {
        let selector =
            self.selector.as_ref().map(|labels| format!(" with labels {labels}")).unwrap_or_default();
        let place = namespace.map_or("any namespace".to_owned(), |name| format!("namespace {name}"));
        format!("there are no pods{selector} in {place}")
    }
}

/// Prints that there are no pods, as kubectl does.
fn print_empty(report: &AuditReport, namespace: Option<&str>) {
    let place = namespace.map(|name| format!(" in {name} namespace")).unwrap_or_default();
    let finished = match report.finished {
        0 => String::new(),
        count => format!(" Pods that have ended well: {count}; --finished shows them."),
    };
    output::message(&format!("No resources found{place}.{finished}"));
}
