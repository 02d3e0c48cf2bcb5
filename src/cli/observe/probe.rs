//! Figures that a program serves on any of its ports: /metrics, else the statistics of pprof.

use std::{collections::HashSet, time::Duration};

use gomemlimit_pprof::MemStats;
use kube::Client;
use tokio::time::{Instant, timeout};

use super::super::{endpoint::Endpoint, own_metrics::OwnMetrics};
use crate::{
    cluster::{
        pods::{ContainerFacts, DEFAULT_PORT},
        portforward::ForwardError,
    },
    observation::{Cpu, CpuBase, Readings},
};

/// A program that does nothing but collect garbage may not answer in time; the next poll is soon.
const MAX_ANSWER_TIME: Duration = Duration::from_secs(3);
/// Maximum number of polls at which a container instance is searched for figures: it may not listen yet.
const MAX_SEARCHES: u32 = 10;
/// Maximum number of declared ports that are asked.
const MAX_PORTS: usize = 6;
/// The statistics as of now, without a collection: the load is not to be disturbed.
const STATISTICS: &str = "/debug/pprof/heap?debug=1";

/// The search for the figures of one container.
#[derive(Clone, Debug, Default)]
pub(super) struct Probe {
    found: Option<FigureSource>,
    /// Container instance that was searched.
    searched: Option<String>,
    /// Number of searches of this instance.
    searches: u32,
    /// Index of the next source to try.
    next: usize,
}

#[derive(Clone, Debug)]
enum FigureSource {
    Metrics { port: u16, path: String },
    Pprof { port: u16 },
}

/// The pod of a container.
pub(super) struct Pod<'a> {
    pub(super) client: &'a Client,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    /// The argument of `--port`.
    pub(super) port: Option<u16>,
    /// `prometheus.io/port` and `prometheus.io/path`, if this is the container that they are for.
    pub(super) scraped: (Option<u16>, Option<String>),
    /// Whether it is the container that an undeclared port is attributed to.
    pub(super) is_main: bool,
}

/// Answer to a request for the figures of a program.
pub(super) enum ProbeResult {
    Readings(Readings),
    Nothing,
    /// The right to forward ports is missing.
    Forbidden(String),
}

impl Probe {
    /// The figures now.
    pub(super) async fn read(&mut self, pod: &Pod<'_>, facts: &ContainerFacts) -> ProbeResult {
        if let Some(source) = &self.found {
            return match ask(pod, source, facts).await {
                Ok(Some(readings)) => ProbeResult::Readings(readings),
                Ok(None) => ProbeResult::Nothing,
                Err(problem) => ProbeResult::Forbidden(problem),
            };
        }
        if self.searched != facts.id {
            self.searched.clone_from(&facts.id);
            self.searches = 0;
        }
        self.searches += 1;
        if self.searches > MAX_SEARCHES {
            return ProbeResult::Nothing;
        }
        // A source that does not answer must not hold up the poll: the next poll begins after it.
        let begin = Instant::now();
        let sources = sources(pod, facts);
        let count = sources.len();
        for (number, source) in sources.into_iter().enumerate().skip(self.next) {
            self.next = (number + 1) % count;
            match ask(pod, &source, facts).await {
                Ok(None) if begin.elapsed() > MAX_ANSWER_TIME => break,
                Ok(None) => {}
                Ok(Some(readings)) => {
                    self.found = Some(source);
                    return ProbeResult::Readings(readings);
                }
                Err(problem) => return ProbeResult::Forbidden(problem),
            }
        }
        ProbeResult::Nothing
    }
}

/// The sources in the order in which they are tried: /metrics has more figures than pprof.
fn sources(pod: &Pod<'_>, facts: &ContainerFacts) -> Vec<FigureSource> {
    let path = pod.scraped.1.clone().unwrap_or_else(|| "/metrics".to_owned());
    if let Some(port) = pod.port {
        return vec![FigureSource::Metrics { port, path }, FigureSource::Pprof { port }];
    }
    let mut ports: Vec<u16> = pod.scraped.0.into_iter().collect();
    ports.extend(facts.ports.iter().take(MAX_PORTS));
    let pprof = facts.pprof_port.or(pod.is_main.then_some(DEFAULT_PORT));
    ports.extend(pprof);
    let mut unique = HashSet::new();
    ports.retain(|port| unique.insert(*port));
    let metrics = ports.into_iter().map(|port| FigureSource::Metrics { port, path: path.clone() });
    metrics.chain(pprof.map(|port| FigureSource::Pprof { port })).collect()
}

/// The figures of a source; `None` if it does not answer with any.
///
/// # Errors
///
/// If a right is missing: the message of the API server.
async fn ask(
    pod: &Pod<'_>,
    source: &FigureSource,
    facts: &ContainerFacts,
) -> Result<Option<Readings>, String> {
    let (port, path) = match source {
        FigureSource::Metrics { port, path } => (*port, path.as_str()),
        FigureSource::Pprof { port } => (*port, STATISTICS),
    };
    let endpoint = Endpoint::pod(pod.client.clone(), pod.namespace.to_owned(), pod.name.to_owned(), port);
    let body = match timeout(MAX_ANSWER_TIME, endpoint.page(path)).await {
        Ok(Ok(Some(body))) => body,
        Ok(Err(error)) => {
            return match error.downcast_ref::<ForwardError>() {
                Some(ForwardError::Forbidden { problem, .. }) => Err(problem.clone()),
                _ => Ok(None),
            };
        }
        _ => return Ok(None),
    };
    let text = String::from_utf8_lossy(&body);
    Ok(match source {
        FigureSource::Metrics { .. } => of_metrics(&OwnMetrics::parse(&text), facts.started),
        FigureSource::Pprof { .. } => {
            MemStats::parse(&text).ok().map(|stats| of_statistics(&stats, facts.started))
        }
    })
}

fn of_metrics(metrics: &OwnMetrics, started: Option<i64>) -> Option<Readings> {
    if metrics.is_empty() {
        return None;
    }
    let started_at = metrics.started.or(started.map(real));
    let used = metrics.gc_cpu.zip(metrics.used_cpu);
    let cpu = used.map(|(gc, all)| Cpu { started: started_at, gc, all, of: CpuBase::Used });
    Some(Readings {
        resident: metrics.rss,
        live_heap: metrics.live_heap,
        heap: metrics.heap,
        gomemlimit: metrics.gomemlimit.clone(),
        cpu,
        ..Readings::default()
    })
}

/// The figures of pprof. The collector's share is that of the time until the last collection.
fn of_statistics(stats: &MemStats, started: Option<i64>) -> Readings {
    let started = started.map(real);
    let uptime = started.and_then(|started| super::super::diagnose::uptime(stats, started));
    let cpu = uptime.map(|uptime| Cpu {
        started,
        gc: stats.gc_cpu_fraction * uptime,
        all: uptime,
        of: CpuBase::Available,
    });
    Readings {
        resident_peak: (stats.max_rss > 0).then_some(stats.max_rss),
        heap: Some(stats.heap_alloc),
        cpu,
        ..Readings::default()
    }
}

/// Seconds since 1970.
#[allow(clippy::cast_precision_loss)]
fn real(seconds: i64) -> f64 {
    seconds as f64
}
