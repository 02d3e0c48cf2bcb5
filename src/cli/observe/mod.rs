//! `gomemlimit observe`: restarts, OOM kills and memory of a workload under load, and before → after.

mod memory;
mod missing;
mod poll;
mod probe;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::Args;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};
use gomemlimit_files::Kinds;
use serde_json::{Value, json};

use self::poll::Poller;
use super::{
    cluster_args::{ClusterArgs, parse_name},
    complete,
    duration::{parse_duration, parse_poll},
    format::{FOR_PEOPLE, FOR_PROGRAMS, Format},
    object_ref::{ObjectRef, pods_of},
    out_file::OutFile,
    output,
    runtime::runtime,
    same_file::{is_same_file, refuse_kubeconfig},
};
use crate::{
    cluster::{api::Cluster, workload::Pods},
    observation::{self, Observation},
};

/// Watch a workload under load: restarts, OOM kills, memory, garbage collection; before and after
///
/// Run your own stress test meanwhile. The pods are followed by the workload's selector, also through a rollout.
/// Memory is that of the kubelet or of metrics.k8s.io, if they may be read, and the program's own by its
/// /metrics, through the API server; missing figures are named. Ctrl-C ends early, and loses nothing.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  # Without a value, while the load generator runs
  gomemlimit observe deployment/api -n shop --for 10m --save before.json
  # Label the namespace, restart, and see the difference
  kubectl label namespace shop gomemlimit.dev/inject=enabled
  kubectl rollout restart deployment/api -n shop
  gomemlimit observe deployment/api -n shop --for 10m \\
    --baseline before.json --svg memory.svg
  # One pod, one container of it, metrics on another port
  gomemlimit observe api-7d9c5b6f4-x2x9k -c api --port 9090
  # Everything with a label, for programs
  gomemlimit observe -l app=api --for 2m -o json

Rights: get and list on pods, and get on the workload; for memory get on nodes/proxy, or get and list on pods of \
metrics.k8s.io; for the program's own figures get and create on pods/portforward.
Exit codes: 0 observed, 2 not.")]
pub(super) struct ObserveArgs {
    /// A workload or a pod, as `kubectl get -o name` prints it; a name alone is of a pod
    #[arg(value_name = "TYPE/NAME", required_unless_present = "selector", add = ArgValueCandidates::new(complete::kinds))]
    workload: Option<String>,
    /// Pods with these labels
    #[arg(short = 'l', long, conflicts_with = "workload")]
    selector: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Namespace; default: that of the context
    #[arg(short, long, value_parser = parse_name, add = ArgValueCompleter::new(complete::namespaces))]
    namespace: Option<String>,
    /// Only the container of this name
    #[arg(short, long, value_name = "NAME", value_parser = parse_name)]
    container: Option<String>,
    /// How long
    #[arg(long = "for", value_name = "DURATION", default_value = "10m", value_parser = parse_duration)]
    duration: Duration,
    /// Time between two polls
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_poll)]
    interval: Duration,
    /// Port of /metrics or pprof in the pod; default: those that it declares, and 6060
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Keep what was observed in this file, for --baseline
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Compare with what --save kept
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Draw memory over time against the limit, with that of the baseline
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
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
}

impl ObserveArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        // A file that cannot be read or written is an error before ten minutes are spent.
        let baseline = self.baseline.as_deref().map(read).transpose()?;
        self.refuse_overwriting()?;
        let open = |path: &Option<PathBuf>| path.as_deref().map(OutFile::open).transpose();
        let (save, svg) = (open(&self.save)?, open(&self.svg)?);
        let observation = runtime()?.block_on(self.observe())?;
        // Said first: a full disk does not take it away.
        let printed = match (self.output, &baseline) {
            (Format::Json, baseline) => output::json(&report(baseline.as_ref(), &observation)?),
            (_, None) => output::text(&observation::report(&observation)),
            (_, Some(before)) => output::text(&observation::comparison(before, &observation)),
        };
        if let Some(file) = save {
            let text = format!("{}\n", serde_json::to_string(&observation)?);
            file.write(text.as_bytes())?;
            if text.len() as u64 > MAX_BASELINE {
                output::warning("--baseline does not read what --save kept: it is larger than 256 MiB");
            }
        }
        if let Some(file) = svg {
            file.write(observation::svg(baseline.as_ref(), &observation).as_bytes())?;
        }
        Ok(printed)
    }

    /// No file is written over another one that this command reads or writes.
    fn refuse_overwriting(&self) -> anyhow::Result<()> {
        let written = [("--save", self.save.as_deref()), ("--svg", self.svg.as_deref())];
        refuse_kubeconfig(&self.cluster.target(), written)?;
        let is_same =
            |one: &Option<PathBuf>, other: &Option<PathBuf>| match (one.as_deref(), other.as_deref()) {
                (Some(one), Some(other)) => is_same_file(one, other),
                _ => false,
            };
        for (name, path) in [("--save", &self.save), ("--svg", &self.svg)] {
            ensure!(!is_same(path, &self.baseline), "{name} would overwrite the baseline; name another file");
        }
        ensure!(
            !is_same(&self.svg, &self.save),
            "--svg would overwrite what --save keeps; name another file"
        );
        Ok(())
    }

    async fn observe(&self) -> anyhow::Result<Observation> {
        let workload = self.workload.as_deref().map(ObjectRef::parse).transpose()?;
        let cluster = self.cluster.open_to_poll().await?;
        let namespace =
            self.namespace.clone().unwrap_or_else(|| cluster.client.default_namespace().to_owned());
        let (target, pods) = self.pods(&cluster, &namespace, workload).await?;
        let mut poller = Poller::new(cluster, namespace, target, pods);
        poller.container.clone_from(&self.container);
        poller.port = self.port;
        poller.run(self.duration, self.interval).await
    }

    /// Description of the target, and its pods.
    async fn pods(
        &self,
        cluster: &Cluster,
        namespace: &str,
        workload: Option<ObjectRef>,
    ) -> anyhow::Result<(String, Pods)> {
        let Some(target) = workload else {
            let selector = self.selector.clone().unwrap_or_default();
            // The API server would take it for all pods.
            ensure!(!selector.trim().is_empty(), "--selector selects nothing: write KEY=VALUE");
            return Ok((format!("pods {selector}"), Pods::Selected(selector)));
        };
        if target.kind.is_pod() {
            return Ok((target.to_string(), Pods::Named(target.name)));
        }
        let pods = pods_of(cluster, namespace, &target).await?;
        Ok((target.to_string(), pods))
    }
}

/// Maximum size of a baseline, in bytes: 256 MiB, which a hundred pods fill in a day of polls every two seconds.
const MAX_BASELINE: u64 = 256 << 20;

fn read(path: &Path) -> anyhow::Result<Observation> {
    let content = gomemlimit_files::read(path, Kinds::Any, MAX_BASELINE);
    let content = content.with_context(|| format!("cannot read {}", path.display()))?;
    let text = String::from_utf8(content).with_context(|| format!("{} is not UTF-8 text", path.display()))?;
    Observation::parse(&text).with_context(|| path.display().to_string())
}

/// The observation, its figures, and with a baseline the figures of both.
fn report(baseline: Option<&Observation>, observation: &Observation) -> anyhow::Result<Value> {
    let mut report = serde_json::to_value(observation)?;
    if let Value::Object(report) = &mut report {
        report.insert("figures".to_owned(), serde_json::to_value(observation::figures(observation))?);
        if let Some(baseline) = baseline {
            report.insert("compared".to_owned(), json!(observation::compare(baseline, observation)));
        }
    }
    Ok(report)
}
