//! `gomemlimit diagnose`: leak or tuning, from heap profiles of a pod, a URL or files.

mod files;
mod flame;
mod pod;
mod report;
mod series;
mod store;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{anyhow, bail, ensure};
use clap::{ArgGroup, Args};
use gomemlimit_core::value::GoLimit;
use gomemlimit_pprof::{Diagnosis, Gomemlimit, Verdict, diagnose};
use hyper::Uri;

use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};

pub(super) use self::series::uptime;
use self::{
    pod::PodRequest,
    series::{NoProcessInfo, Overrides, Schedule},
    store::{Captured, Store},
};
use super::{
    cluster_args::{ClusterArgs, parse_name},
    complete,
    duration::parse_duration,
    endpoint::Endpoint,
    format::{FOR_PEOPLE, FOR_PROGRAMS, Format},
    interrupt,
    object_ref::{ObjectRef, ObjectRefError, is_other_type},
    out_file::OutFile,
    output,
    runtime::runtime,
    same_file::{is_same_file, refuse_kubeconfig},
    settings_args::parse_quantity,
};

/// Leak or tuning? Look at the heap of a running Go program, and show what is wrong and what to do
///
/// Captures heap profiles from net/http/pprof, each right after a garbage collection, and compares them.
/// In a pod through the API server, also if pprof listens on 127.0.0.1 only: nothing is opened here,
/// nothing is installed there. Load the program while it is looked at: a leak shows under load.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("input").args(["targets", "url", "filenames"]).required(true))]
#[command(after_help = "Examples:
  # Four captures, 15 s apart, of a pod; pprof on the port called `pprof`,
  # else 6060
  gomemlimit diagnose api-7d9c5b6f4-x2x9k -n shop
  # A pod of a workload, a container of several, another port, over five
  # minutes, keeping what was captured
  gomemlimit diagnose deployment/api -c api --port 8080 \\
    --captures 6 --interval 1m --save captures/
  # Anything that serves pprof, with the limit that it runs under
  gomemlimit diagnose --url http://127.0.0.1:6060 --limit 512Mi
  # Again from what was kept, with a picture of what grew
  gomemlimit diagnose -f captures/ --svg growth.svg
  # From profiles that were captured otherwise, the oldest first
  gomemlimit diagnose -f before.pb.gz middle.pb.gz after.pb.gz \\
    --limit 512Mi -o json
  # A gate after a stress test
  gomemlimit diagnose --url http://127.0.0.1:6060 \\
    --fail-on heap-leak,goroutine-leak

Verdicts: misconfigured, goroutine-leak, heap-leak, off-heap, gc-thrash, undersized, fragmented, tuning, \
burst, healthy, inconclusive.
Exit codes: 0 a verdict, 1 one of those that --fail-on names, 2 no verdict.")]
pub(super) struct DiagnoseArgs {
    /// A pod, or a workload for a pod of it, as `kubectl get -o name` prints it; a name alone is of a pod
    #[arg(value_name = "TYPE/NAME", add = ArgValueCandidates::new(complete::kinds))]
    targets: Vec<String>,
    /// A program that serves net/http/pprof, such as `http://127.0.0.1:6060`
    #[arg(long)]
    url: Option<Uri>,
    /// Heap profiles and texts of ?debug=1, the oldest first, or a folder written by --save
    #[arg(short, long = "filename", value_name = "FILE|DIR", num_args = 1..)]
    filenames: Vec<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Namespace; default: that of the context
    #[arg(short, long, value_parser = parse_name, add = ArgValueCompleter::new(complete::namespaces))]
    namespace: Option<String>,
    /// Container of the pod; default: as for kubectl logs, the one with a port called `pprof` before the first
    #[arg(short, long, value_name = "NAME", value_parser = parse_name)]
    container: Option<String>,
    /// Port of pprof in the pod; default: the one called `pprof`, else 6060
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Number of captures; growth takes three
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    captures: u16,
    /// Time between two captures
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = parse_duration)]
    interval: Duration,
    /// The memory limit; default: that of the container
    #[arg(long, value_name = "QUANTITY", value_parser = parse_limit)]
    limit: Option<u64>,
    /// GOMEMLIMIT of the program, as in its environment; default: that of the container
    #[arg(long, value_name = "VALUE")]
    gomemlimit: Option<String>,
    /// Keep everything that was captured in this folder
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// Write a flame graph of what grew (red) and shrank (blue) between the first and the last capture
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Format of the output
    #[arg(
        short,
        long,
        default_value = "text",
        value_parser = Format::one_of([
            (Format::Text, FOR_PEOPLE),
            (Format::Json, FOR_PROGRAMS),
        ])
    )]
    output: Format,
    /// Exit with 1 if one of these verdicts holds
    #[arg(long, value_name = "VERDICT", value_delimiter = ',')]
    fail_on: Vec<Verdict>,
}

fn parse_limit(text: &str) -> Result<u64, String> {
    match parse_quantity(text)? {
        0 => Err("must be more than 0".to_owned()),
        bytes => Ok(bytes),
    }
}

impl DiagnoseArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        // A file that cannot be written is an error before a minute is spent.
        let written = [("--save", self.save.as_deref()), ("--svg", self.svg.as_deref())];
        refuse_kubeconfig(&self.cluster.target(), written)?;
        if let Some(svg) = &self.svg {
            let input = self.filenames.iter().find(|input| is_same_file(input, svg));
            ensure!(input.is_none(), "--svg would overwrite {}; name another file", svg.display());
        }
        let picture = self.svg.as_deref().map(OutFile::open).transpose()?;
        let runtime = runtime()?;
        let captured = runtime.block_on(self.read());
        // A name that is still looked up is not waited for.
        runtime.shutdown_background();
        let mut captured = captured?;
        self.overrides().apply(&mut captured.evidence);
        let diagnosis = diagnose(&captured.evidence);
        let printed = match self.output {
            Format::Json => output::json(&report::json(&captured, &diagnosis)?),
            _ => output::text(&report::text(&captured, &diagnosis)),
        };
        if let Some(picture) = picture {
            match flame::graph(&captured.evidence, &captured.target) {
                Ok(svg) => picture.write(&svg)?,
                Err(error) => output::note(&format!("{error:#}, so there is no picture")),
            }
        }
        let found = self.fail_on.iter().any(|verdict| is_named(&diagnosis, *verdict));
        Ok(if found && printed == ExitCode::SUCCESS { ExitCode::FAILURE } else { printed })
    }

    async fn read(&self) -> anyhow::Result<Captured> {
        if !self.filenames.is_empty() {
            ensure!(self.save.is_none(), "--save keeps what is captured; files are there already");
            let names: Vec<_> = self.filenames.iter().map(|path| path.display().to_string()).collect();
            let evidence = files::read(&self.filenames)?;
            return Ok(Captured { target: names.join(", "), evidence, saved: None });
        }
        let mut store = Store::default();
        let taken = tokio::select! {
            biased;
            () = interrupt::stop() => None,
            taken = self.capture(&mut store) => Some(taken),
        };
        match taken {
            Some(taken) => store.close(taken),
            None => store.interrupted(),
        }
    }

    /// Captures, and leaves in `store` what is captured so far.
    async fn capture(&self, store: &mut Store) -> anyhow::Result<()> {
        if let Some(url) = &self.url {
            return self.capture_url(url, store).await;
        }
        match &*self.targets {
            [target] => {
                let request = PodRequest {
                    cluster: &self.cluster,
                    namespace: self.namespace.as_deref(),
                    container: self.container.as_deref(),
                    port: self.port,
                    save: self.save.as_deref(),
                    schedule: self.schedule(),
                    overrides: self.overrides(),
                };
                request.capture(&object_ref(target)?, store).await
            }
            _ => bail!("diagnose looks at one pod; name files with -f"),
        }
    }

    async fn capture_url(&self, url: &Uri, store: &mut Store) -> anyhow::Result<()> {
        store.target = url.to_string();
        self.overrides().apply(&mut store.evidence);
        if matches!(store.evidence.gomemlimit, Gomemlimit::Malformed(_)) {
            // The program does not run with it.
            return Ok(());
        }
        let endpoint = Endpoint::url(url)?;
        store.open(self.save.as_deref())?;
        series::take(&mut NoProcessInfo, &endpoint, &self.schedule(), store).await
    }

    fn schedule(&self) -> Schedule {
        Schedule { captures: usize::from(self.captures), interval: self.interval }
    }

    fn overrides(&self) -> Overrides {
        let gomemlimit = self.gomemlimit.as_ref().map(|text| match text.parse() {
            Ok(GoLimit::Unlimited) => Gomemlimit::Unset,
            Ok(GoLimit::Bytes(bytes)) => Gomemlimit::Bytes(bytes),
            Err(_) => Gomemlimit::Malformed(text.clone()),
        });
        Overrides { limit: self.limit, gomemlimit }
    }
}

/// The object; a slash is not what separates a container.
fn object_ref(text: &str) -> anyhow::Result<ObjectRef> {
    ObjectRef::parse_beside_files(text).map_err(|error| match (&error, text.split_once('/')) {
        (ObjectRefError::Type(word), Some((pod, container))) if !is_other_type(word) => {
            anyhow!("{error}; a container is named with -c: {pod} -c {container}")
        }
        _ => error.into(),
    })
}

fn is_named(diagnosis: &Diagnosis, verdict: Verdict) -> bool {
    diagnosis.verdict == verdict || diagnosis.also.contains(&verdict)
}
