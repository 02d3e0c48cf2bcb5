//! `gomemlimit audit`: what GOMEMLIMIT means in every container of a cluster.

mod fleet;
mod gate;
mod publish;
mod report;
mod watch;

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::bail;
use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use gomemlimit_core::{audit::AuditFinding, pod::LivePod};

pub(super) use self::report::{painted_status, value, why};

use self::{
    fleet::{Fleet, Keep},
    gate::Gate,
    report::Style,
};
use super::{
    cluster_args::{ClusterArgs, ScopeArgs, runtime},
    complete,
    duration::parse_audit_interval,
    format::{FOR_PEOPLE, Format},
    listen::parse_listen,
    output::{self, Line},
    policy_resolver::PolicyResolver,
    progress,
    settings_args::SettingsArgs,
};
use crate::cluster::{
    api::{ApiError, Cluster, path_of},
    cluster_state::ClusterState,
    pages::{ListEvent, Listing},
};

/// Show what GOMEMLIMIT means in every container of a cluster, against the memory limit that really applies
///
/// Needs the right to list pods (and to watch them, with --watch). With the right to read namespaces it knows
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
  # Go on, and print what changes
  gomemlimit audit -n shop --watch
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
    #[arg(long, value_name = "WORD", value_delimiter = ',', add = ArgValueCandidates::new(complete::words))]
    only: Vec<AuditFinding>,
    /// Print only the summary
    #[arg(long)]
    summary: bool,
    /// Also pods that have ended well
    #[arg(long)]
    finished: bool,
    /// Exit with 1 if one of these words holds for a container, and with 2 if there is none to judge
    #[arg(long, value_name = "WORD", value_delimiter = ',', add = ArgValueCandidates::new(complete::words))]
    fail_on: Vec<AuditFinding>,
    /// Let --fail-on pass if there are no pods
    #[arg(long, requires = "fail_on")]
    allow_empty: bool,
    /// Go on until interrupted, and print what changes
    #[arg(short, long, conflicts_with = "summary")]
    watch: bool,
    /// Go on until interrupted, and publish the counts at this address as metrics for Prometheus (/metrics)
    #[arg(
        long,
        value_name = "ADDRESS",
        value_parser = parse_listen,
        conflicts_with_all = ["watch", "output", "only", "summary", "fail_on"]
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
            (Format::Json, "For programs; with --watch one object a line"),
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
        match self.output {
            Format::Prometheus | Format::Name if self.watch => {
                bail!("--watch prints changes, which -o prometheus and -o name have no form for; use -o json")
            }
            Format::Name if self.summary => bail!("--summary has no pods for -o name to print"),
            _ => {}
        }
        let runtime = runtime()?;
        runtime.block_on(async {
            let polls = self.watch || self.listen.is_some();
            let cluster =
                if polls { self.cluster.open_to_poll().await? } else { self.cluster.open().await? };
            let namespace = self.scope.namespace(&cluster);
            let listing = Listing {
                path: path_of("/api/v1", namespace.as_deref(), "pods"),
                selector: self.selector.clone(),
                chunk: self.chunk_size,
            };
            if let Some(address) = self.listen {
                let audit = async || {
                    let resolver =
                        self.policy_resolver(&cluster, namespace.as_deref(), policy_is_given).await?;
                    let (fleet, _) = self.list(&cluster, &listing, &resolver).await?;
                    Ok((fleet, resolver))
                };
                return publish::run(address, self.interval, audit).await;
            }
            let resolver = self.policy_resolver(&cluster, namespace.as_deref(), policy_is_given).await?;
            if self.watch {
                let namespace = namespace.as_deref();
                let scope = watch::Scope { cluster: &cluster, listing: &listing, namespace, policy_is_given };
                return watch::run(&self, resolver, scope).await;
            }
            let (fleet, _) = self.list(&cluster, &listing, &resolver).await?;
            let printed = self.print(&fleet, &resolver, namespace.as_deref());
            let mut gate = Gate::new(&self.fail_on, self.allow_empty);
            gate.judge(&fleet, resolver.are_settings_known());
            let has_failed = gate.has_failed(&self.no_pods(namespace.as_deref()))?;
            Ok(if has_failed && printed == ExitCode::SUCCESS { ExitCode::FAILURE } else { printed })
        })
    }

    async fn policy_resolver(
        &self,
        cluster: &Cluster,
        namespace: Option<&str>,
        policy_is_given: bool,
    ) -> anyhow::Result<PolicyResolver> {
        let read = ClusterState::read(cluster, namespace);
        let bar = progress::spinner("Reading the cluster");
        let read = if self.listen.is_some() { read.await } else { progress::shown(&bar, read).await };
        let cluster_state = read?;
        Ok(PolicyResolver::new(cluster_state, &self.policy, policy_is_given)?)
    }

    /// Every pod, page by page, and the version of the list.
    async fn list(
        &self,
        cluster: &Cluster,
        listing: &Listing,
        resolver: &PolicyResolver,
    ) -> anyhow::Result<(Fleet, String)> {
        let is_counted_only = self.summary || self.listen.is_some() || self.output == Format::Prometheus;
        let keep = if is_counted_only {
            Keep::None
        } else if self.watch {
            // What is not printed now may be later.
            Keep::All
        } else {
            Keep::only(&self.only)
        };
        let mut fleet = Fleet::new(keep);
        let bar = progress::bar("Reading pods");
        let read = listing.read(cluster, |event| match event {
            ListEvent::Begin => fleet.clear(),
            ListEvent::Item(json) => match LivePod::parse(json) {
                Ok(pod) if pod.has_succeeded() && !self.finished => fleet.finished += 1,
                Ok(pod) => fleet.add(&pod, resolver.assess(&pod)),
                Err(error) => fleet.add_unreadable(&error),
            },
            ListEvent::Page { seen, left } => {
                if let Some(left) = left {
                    bar.set_length(seen + left);
                }
                bar.set_position(seen);
            }
        });
        let version = if self.listen.is_some() { read.await } else { progress::shown(&bar, read).await };
        match version {
            Ok(version) => Ok((fleet, version)),
            Err(ApiError::Forbidden(problem)) => {
                bail!(
                    "{problem}; grant get and list on pods (and watch, for --watch), or name a namespace with -n"
                )
            }
            Err(error) => Err(error.into()),
        }
    }

    fn print(&self, fleet: &Fleet, resolver: &PolicyResolver, namespace: Option<&str>) -> ExitCode {
        if self.output != Format::Json {
            Told::default().tell(fleet, resolver);
            tell_nothing(fleet, namespace);
        }
        let text = match self.output {
            Format::Name => report::names(fleet),
            Format::Json => output::json_text(&report::json(fleet, resolver, self.summary)),
            Format::Prometheus => report::prometheus(fleet),
            _ if self.summary => report::summary(fleet, &self.style(namespace)),
            _ => report::tables(fleet, &self.style(namespace)),
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

    /// What there is none of, if there is nothing to judge.
    fn no_pods(&self, namespace: Option<&str>) -> String {
        let selector =
            self.selector.as_ref().map(|labels| format!(" with labels {labels}")).unwrap_or_default();
        let place = namespace.map_or("any namespace".to_owned(), |name| format!("namespace {name}"));
        format!("there are no pods{selector} in {place}")
    }
}

/// Says that there was nothing to judge, as kubectl does.
fn tell_nothing(fleet: &Fleet, namespace: Option<&str>) {
    if !fleet.is_empty() {
        return;
    }
    let place = namespace.map(|name| format!(" in {name} namespace")).unwrap_or_default();
    let finished = match fleet.finished {
        0 => String::new(),
        count => format!(" Pods that have ended well: {count}; --finished shows them."),
    };
    output::message(&format!("No resources found{place}.{finished}"));
}

/// What was told last on stderr.
#[derive(Debug, Default)]
struct Told(Vec<Line>);

impl Told {
    /// Tells what is new on stderr.
    fn tell(&mut self, fleet: &Fleet, resolver: &PolicyResolver) {
        for line in self.news(fleet, resolver) {
            line.print();
        }
    }

    /// What the reader has to know besides the data, unless that was told last: what is not known, and what is
    /// decided by. One line each.
    fn news(&mut self, fleet: &Fleet, resolver: &PolicyResolver) -> Vec<Line> {
        let unknown = resolver.cluster_state.unknown.iter().cloned().chain(fleet.unreadable());
        let unknown = unknown.map(|unknown| Line::warning(&unknown));
        let source = Line::message(&format!("Decided by {}.", resolver.source));
        let now: Vec<_> = unknown.chain([source]).collect();
        if self.0 == now {
            return Vec::new();
        }
        self.0.clone_from(&now);
        now
    }
}
