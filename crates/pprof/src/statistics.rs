//! The statistics that a verdict is based on, from the evidence.

use serde::Serialize;

use crate::{
    evidence::{Capture, Evidence, Gomemlimit, History, Limit, RssSource},
    growth::{
        AddedGoroutines, AllocationSite, GrowingStack, Growth, TopFunction, added, huge_site, sampling_noise,
        top_functions,
    },
    memstats::MemStats,
    stacks::Kind,
    thresholds::{
        GOROUTINE_GROWTH_PERCENT, GROWTH_PERCENT, HUGE_OBJECT, MIN_GOROUTINE_GROWTH, MIN_GROWTH,
        SLIGHT_GROWTH_PERCENT,
    },
    trend::{Floor, Trend, TrendKind},
    units::real,
};

/// The statistics. Sizes are bytes.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// The memory limit.
    pub limit: Limit,
    /// GOMEMLIMIT of the process.
    pub gomemlimit: Gomemlimit,
    /// Number of captures.
    pub captures: usize,
    /// Live heap after garbage collection, in the last capture.
    pub live: Option<u64>,
    /// The same, mean of all.
    pub live_mean: Option<u64>,
    /// The live heap over time.
    pub live_trend: Option<Trend>,
    /// What that means.
    pub live_trend_kind: TrendKind,
    /// Memory in use by the profile, over time.
    pub sampled_trend: Option<Trend>,
    /// Bytes within which the growth of the profile is known.
    pub sampling_noise: f64,
    /// Goroutines over time.
    pub goroutine_trend: Option<Trend>,
    /// What that means.
    pub goroutine_trend_kind: TrendKind,
    /// Goroutines in the last capture.
    pub goroutines: Option<u64>,
    /// Of them, those that the runtime calls leaked.
    pub leaked_goroutines: Option<u64>,
    /// `Sys − HeapReleased` in the last capture: what GOMEMLIMIT bounds.
    pub retained: Option<u64>,
    /// Of it, what is not heap.
    pub not_heap: Option<u64>,
    /// Heap size at which the next collection starts.
    pub next_gc: Option<u64>,
    /// The most that was ever obtained from the system.
    pub peak: Option<u64>,
    /// Resident memory in the last capture.
    pub rss: Option<u64>,
    /// Whose figure that is.
    pub rss_source: Option<RssSource>,
    /// Resident memory that the runtime does not count.
    pub off_heap: Option<u64>,
    /// Heap retained that is neither live nor room for the next cycle, in every capture.
    pub unreturned: Option<u64>,
    /// Of the last capture: free places within spans that hold live objects.
    pub pinned: Option<u64>,
    /// Share of all CPU time that garbage collection takes, 0 to 1.
    pub gc_cpu: Option<f64>,
    /// Whether `gc_cpu` is of the time of the captures, or since the program started.
    pub gc_cpu_is_recent: bool,
    /// Collections a second between the captures, without those that were asked for.
    pub gc_per_second: Option<f64>,
    /// Stacks that grow.
    pub growing_stacks: Vec<GrowingStack>,
    /// Functions that hold the most.
    pub top_functions: Vec<TopFunction>,
    /// Goroutines that were added.
    pub added_goroutines: Vec<AddedGoroutines>,
    /// The site that allocates the most bytes in objects of a mebibyte and more.
    pub huge_site: Option<AllocationSite>,
    /// State before the first capture.
    pub history: History,
}

impl Statistics {
    pub(crate) fn of(evidence: &Evidence) -> Self {
        let captures = &evidence.captures;
        let last = captures.last();
        let stats = last.and_then(|capture| capture.memstats.as_ref());
        // Exact if all captures have statistics, else by the profile; never a mix of both.
        let live = if captures.iter().all(|capture| capture.memstats.is_some()) { exact } else { sampled };
        let live_trend = Trend::fit(&series(captures, live));
        let sampled_trend = Trend::fit(&series(captures, sampled));
        let goroutine_trend = Trend::fit(&series(captures, |capture| {
            capture.goroutines.as_ref().map(|goroutines| goroutines.total)
        }));
        let rate = last.and_then(|capture| capture.profile.as_ref()).map_or(1, |profile| profile.rate);
        let growth = Growth::of(captures);
        let (gc_cpu, gc_cpu_is_recent) = gc_cpu(evidence);
        let per_capture =
            |of: fn(&MemStats) -> u64| captures.iter().filter_map(move |c| c.memstats.as_ref().map(of));
        Self {
            limit: evidence.limit,
            gomemlimit: evidence.gomemlimit.clone(),
            captures: captures.len(),
            live: last.and_then(live),
            live_mean: mean(captures.iter().filter_map(live)),
            live_trend_kind: kind(live_trend, GROWTH_PERCENT, MIN_GROWTH, growth.floating()),
            live_trend,
            sampling_noise: sampled_trend.map_or(0.0, |trend| sampling_noise(trend.growth, rate)),
            sampled_trend,
            goroutine_trend_kind: kind(goroutine_trend, GOROUTINE_GROWTH_PERCENT, MIN_GOROUTINE_GROWTH, 0.0),
            goroutine_trend,
            goroutines: last.and_then(|capture| Some(capture.goroutines.as_ref()?.total)),
            leaked_goroutines: last.and_then(|capture| Some(capture.leaked.as_ref()?.total)),
            retained: stats.map(MemStats::retained),
            not_heap: stats.map(MemStats::not_heap),
            next_gc: stats.map(|stats| stats.next_gc),
            peak: per_capture(|stats| stats.sys).max(),
            rss: last.and_then(|capture| capture.rss),
            rss_source: evidence.rss_source,
            off_heap: off_heap(captures),
            unreturned: per_capture(|stats| stats.heap_retained().saturating_sub(stats.expected_heap()))
                .min(),
            pinned: stats.map(MemStats::pinned),
            gc_cpu,
            gc_cpu_is_recent,
            gc_per_second: Trend::fit(&series(captures, |capture| {
                Some(capture.memstats.as_ref()?.paced_gc())
            }))
            .map(|trend| trend.per_second),
            growing_stacks: growth.top(),
            top_functions: top_functions(last),
            added_goroutines: added(captures),
            huge_site: huge_site(last, HUGE_OBJECT),
            history: evidence.history,
        }
    }
}

fn exact(capture: &Capture) -> Option<u64> {
    Some(capture.memstats.as_ref()?.heap_alloc)
}

fn sampled(capture: &Capture) -> Option<u64> {
    let total = capture.profile.as_ref()?.total(Kind::InuseSpace);
    Some(u64::try_from(total).unwrap_or(0))
}

fn series(captures: &[Capture], of: impl Fn(&Capture) -> Option<u64>) -> Vec<(f64, f64)> {
    captures.iter().filter_map(|capture| Some((capture.at, real(of(capture)?)))).collect()
}

fn mean(values: impl Iterator<Item = u64>) -> Option<u64> {
    let (mut sum, mut count) = (0_u128, 0_u128);
    for value in values {
        sum += u128::from(value);
        count += 1;
    }
    u64::try_from(sum.checked_div(count)?).ok()
}

/// `noise` units of growth have an explanation.
fn kind(trend: Option<Trend>, percent: u64, least: u64, noise: f64) -> TrendKind {
    let Some(trend) = trend else { return TrendKind::Unknown };
    let share = |percent| trend.mean * real(percent) / 100.0;
    trend.kind(Floor {
        clear: share(percent).max(real(least)) + noise,
        slight: share(SLIGHT_GROWTH_PERCENT).max(real(least) / 4.0) + noise,
    })
}

/// The largest difference between resident memory and what the runtime retained at that moment; or, of
/// the process's peak, what cannot have been the runtime's at any moment.
fn off_heap(captures: &[Capture]) -> Option<u64> {
    let now = captures
        .iter()
        .filter_map(|capture| Some(capture.rss?.saturating_sub(capture.memstats.as_ref()?.retained())));
    let peak = captures.iter().filter_map(|capture| {
        let stats = capture.memstats.as_ref().filter(|stats| stats.max_rss > 0)?;
        Some(stats.max_rss.saturating_sub(stats.sys))
    });
    // The peak alone is a lower bound; 0 shows nothing.
    now.max().or_else(|| peak.max().filter(|least| *least > 0))
}

/// The collector's share of all CPU time, and whether it is of the time of the captures.
fn gc_cpu(evidence: &Evidence) -> (Option<f64>, bool) {
    let stats: Vec<(f64, &MemStats)> = evidence
        .captures
        .iter()
        .filter_map(|capture| Some((capture.at, capture.memstats.as_ref()?)))
        .collect();
    let (Some((from, first)), Some((to, last))) = (stats.first(), stats.last()) else { return (None, false) };
    let uptime = evidence.uptime.or_else(|| {
        // Programs collect soon after they start.
        let since = first.last_gc.checked_sub(first.first_gc?)?;
        Some(real(since) / 1e9)
    });
    match uptime {
        Some(uptime) if to > from => {
            // Both are shares since the start, so their products with time are CPU time.
            let spent = last.gc_cpu_fraction * (uptime + to - from) - first.gc_cpu_fraction * uptime;
            (Some((spent / (to - from)).clamp(0.0, 1.0)), true)
        }
        _ => (Some(last.gc_cpu_fraction.clamp(0.0, 1.0)), false),
    }
}

/// `part` of `whole` in percent; 0 of nothing.
pub(crate) fn percent_of(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { real(part) / real(whole) * 100.0 }
}

/// A signed number of bytes, from a trend.
pub(crate) fn growth_of(trend: Option<Trend>) -> f64 {
    trend.map_or(0.0, |trend| trend.growth)
}
