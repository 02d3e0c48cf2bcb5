//! A series of captures of one process, with a progress bar.

use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use axum::body::Bytes;
use gomemlimit_pprof::{Capture, Decoder, Evidence, Gomemlimit, Goroutines, Limit, MemStats, RssSource};
use tokio::time::Instant;

use super::{
    super::{endpoint::Endpoint, own_metrics::OwnMetrics, progress},
    store::{Store, Texts},
};

/// Number of captures, and the time between two of them.
pub(super) struct Schedule {
    pub(super) captures: usize,
    pub(super) interval: Duration,
}

/// Values of flags, which go before what was found.
pub(super) struct Overrides {
    /// Memory limit in bytes.
    pub(super) limit: Option<u64>,
    pub(super) gomemlimit: Option<Gomemlimit>,
}

impl Overrides {
    pub(super) fn apply(&self, evidence: &mut Evidence) {
        if let Some(limit) = self.limit {
            evidence.limit = Limit::Bytes(limit);
        }
        if let Some(gomemlimit) = &self.gomemlimit {
            evidence.gomemlimit.clone_from(gomemlimit);
        }
    }
}

/// Facts about a process that its pprof does not have.
pub(super) trait ProcessInfo {
    /// Fails if the process is not the one that the series began with.
    async fn check(&mut self) -> anyhow::Result<()>;
    /// The cause of a failed request, if it is known.
    async fn explain(&mut self, error: anyhow::Error) -> anyhow::Error;
    /// Resident memory in bytes, by the kubelet or metrics.k8s.io; by `source` alone if one is given.
    async fn resident(&mut self, source: Option<RssSource>) -> Option<(u64, RssSource)>;
    /// When the process started, seconds since 1970.
    fn started(&self) -> Option<i64>;
}

/// For a URL: nothing else is known of the process.
pub(super) struct NoProcessInfo;

impl ProcessInfo for NoProcessInfo {
    async fn check(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    async fn explain(&mut self, error: anyhow::Error) -> anyhow::Error {
        error
    }

    async fn resident(&mut self, _source: Option<RssSource>) -> Option<(u64, RssSource)> {
        None
    }

    fn started(&self) -> Option<i64> {
        None
    }
}

/// Captures what `endpoint` serves, into `store`, which has already what is known of the process.
pub(super) async fn take(
    process: &mut impl ProcessInfo,
    endpoint: &Endpoint,
    schedule: &Schedule,
    store: &mut Store,
) -> anyhow::Result<()> {
    let steps = u32::try_from(schedule.captures.saturating_sub(1)).unwrap_or(u32::MAX);
    let bar = progress::countdown(schedule.interval.saturating_mul(steps));
    let begin = Instant::now();
    let mut first = None;
    for number in 0..schedule.captures {
        let due = begin + schedule.interval.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
        progress::wait_until(&bar, begin, due).await;
        bar.set_message(format!("capture {} of {}", number + 1, schedule.captures));
        let captured = capture(process, endpoint, &mut store.evidence, &mut store.decoder).await;
        let kept = captured.and_then(|(mut capture, texts)| {
            capture.at = first.get_or_insert_with(Instant::now).elapsed().as_secs_f64();
            if number == 0 {
                capture.at = 0.0;
            }
            store.add(capture, &texts)
        });
        if let Err(error) = kept {
            bar.finish_and_clear();
            return Err(process.explain(error).await);
        }
    }
    Ok(())
}

/// One capture. The collection comes first; everything after it shows the same live heap.
async fn capture(
    process: &mut impl ProcessInfo,
    endpoint: &Endpoint,
    evidence: &mut Evidence,
    decoder: &mut Decoder,
) -> anyhow::Result<(Capture, Texts)> {
    process.check().await?;
    let name = endpoint.name();
    let statistics = endpoint.profile("heap?gc=1&debug=1").await?.with_context(|| {
        format!(
            "{name} answered with HTTP 404 to /debug/pprof/heap: there is no pprof; import net/http/pprof, or say \
             --port or the path in --url"
        )
    })?;
    let memstats = MemStats::parse(&String::from_utf8_lossy(&statistics))
        .map_err(|error| anyhow!("what {name} answered {error}"))?;
    same_process(evidence, &memstats)?;
    let rss = resident(process, endpoint, evidence, &memstats).await;
    if let (None, true, Some(started)) = (evidence.uptime, evidence.captures.is_empty(), process.started()) {
        #[allow(clippy::cast_precision_loss)]
        let started = started as f64;
        evidence.uptime = uptime(&memstats, started);
    }
    let heap =
        endpoint.profile("heap").await?.with_context(|| format!("{name} has no heap profile any more"))?;
    let profile = decoder.decode(&heap).map_err(|error| anyhow!("the heap profile of {name} {error}"))?;
    let goroutines = endpoint.profile("goroutine?debug=1").await?;
    let leaked = endpoint.profile("goroutineleak?debug=1").await?;
    let parse = |text: &Option<Bytes>| Goroutines::parse(&String::from_utf8_lossy(text.as_ref()?)).ok();
    let capture = Capture {
        at: 0.0,
        profile: Some(profile),
        memstats: Some(memstats),
        goroutines: parse(&goroutines),
        leaked: parse(&leaked),
        rss,
    };
    Ok((capture, Texts { heap, statistics: Some(statistics), goroutines, leaked }))
}

/// Counters of a process never fall.
fn same_process(evidence: &Evidence, now: &MemStats) -> anyhow::Result<()> {
    let before = evidence.captures.last().and_then(|capture| capture.memstats.as_ref());
    let restarted = before.is_some_and(|before| now.mallocs < before.mallocs || now.num_gc < before.num_gc);
    ensure!(
        !restarted,
        "the process was restarted between two captures; captures of two processes cannot be compared"
    );
    Ok(())
}

/// Resident memory, and the other figures of the program's metrics. The source that answered first is asked for all captures: a trend of
/// figures of two kinds is none.
async fn resident(
    process: &mut impl ProcessInfo,
    endpoint: &Endpoint,
    evidence: &mut Evidence,
    memstats: &MemStats,
) -> Option<u64> {
    let is_first = evidence.captures.is_empty();
    let source = evidence.rss_source;
    if is_first || source == Some(RssSource::Metrics) {
        let metrics = OwnMetrics::parse(&endpoint.metrics().await.unwrap_or_default());
        if let (Gomemlimit::Unknown, Some(gomemlimit)) = (&evidence.gomemlimit, metrics.gomemlimit) {
            evidence.gomemlimit = gomemlimit;
        }
        if let (None, Some(started)) = (evidence.uptime, metrics.started) {
            evidence.uptime = uptime(memstats, started);
        }
        if metrics.rss.is_some() {
            evidence.rss_source = Some(RssSource::Metrics);
            return metrics.rss;
        }
    }
    if source == Some(RssSource::Metrics) {
        return None;
    }
    let (rss, source) = process.resident(source).await?;
    evidence.rss_source = Some(source);
    Some(rss)
}

/// Seconds from `started`, since 1970, to the collection that has just been; by one clock.
#[allow(clippy::cast_precision_loss)]
pub(in crate::cli) fn uptime(memstats: &MemStats, started: f64) -> Option<f64> {
    let uptime = memstats.last_gc as f64 / 1e9 - started;
    (memstats.last_gc > 0 && uptime > 0.0).then_some(uptime)
}
