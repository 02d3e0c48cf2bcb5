//! From figures to a verdict: what holds, and which of it comes first.

use gomemlimit_core::value::Recipe;
use serde::Serialize;
use strum::VariantArray as _;
use thiserror::Error;

use crate::{
    evidence::{Gomemlimit, Limit},
    growth::dominance,
    statistics::{Statistics, growth_of},
    thresholds::{
        BURST_NEED_PERCENT, BURST_PEAK_PERCENT, FRAGMENTED_OF_RETAINED_PERCENT, FRAGMENTED_PERCENT,
        GOMEMLIMIT_USELESS_PERCENT, GOROUTINE_DOMINANCE_PERCENT, MIN_FRAGMENTED, MIN_LEAKED_GOROUTINES,
        MIN_OFF_HEAP, NO_THRASH_GC_CPU, NO_THRASH_GC_PER_SECOND, OFF_HEAP_OF_RSS_PERCENT, OFF_HEAP_PERCENT,
        TARGET_PERCENT, THRASH_GC_CPU, THRASH_ROOM_PERCENT, WINDOW_FROM_PERCENT, WINDOW_TO_PERCENT,
    },
    trend::TrendKind,
    units::{percent, real, whole},
};

/// Leak or tuning: the closed list, in the order in which one goes before another.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownVerdict, parse_err_fn = unknown)]
pub enum Verdict {
    /// GOMEMLIMIT is a text that Go dies of at start.
    Misconfigured,
    /// Goroutines are added and stay.
    GoroutineLeak,
    /// The live heap grows.
    HeapLeak,
    /// Memory that the runtime does not count.
    OffHeap,
    /// The collector takes too much CPU, since GOMEMLIMIT leaves it no room.
    GcThrash,
    /// The live heap is stable and too large for the limit.
    Undersized,
    /// Heap that is neither live nor room, and is not given back.
    Fragmented,
    /// The live heap is stable and fits, but its garbage does not: what GOMEMLIMIT is for.
    Tuning,
    /// A short peak far above what the live heap needs.
    Burst,
    /// Nothing is wrong.
    Healthy,
    /// Not enough was seen.
    Inconclusive,
}

impl Verdict {
    /// All verdicts, in the order of precedence.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Name in output, in `--fail-on` and in the documentation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A text that names no verdict.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("is none of {}", Verdict::ALL.iter().map(|verdict| verdict.as_str()).collect::<Vec<_>>().join(", "))]
pub struct UnknownVerdict;

fn unknown(_text: &str) -> UnknownVerdict {
    UnknownVerdict
}

/// Why nothing can be concluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InconclusiveReason {
    TooFew,
    Slowing,
    Slight,
    /// The statistics grow, the profile does not.
    Contradiction,
    GoroutinesUnsettled,
    LimitUnknown,
    /// OOM killed before, and nothing of it is to be seen now.
    KilledBefore,
}

/// When a leak meets the limit, in seconds after the last capture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Eta {
    /// Until the kernel kills.
    pub oom_seconds: f64,
    /// Live heap at that moment, bytes.
    pub live_at_oom: u64,
    /// Until GOMEMLIMIT leaves the collector no room: from then on it takes most of the CPU.
    pub thrash_seconds: Option<f64>,
}

/// The verdict, and what follows from the statistics beside it.
pub(crate) struct Conclusion<'a> {
    pub(crate) figures: &'a Statistics,
    pub(crate) verdict: Verdict,
    /// The other verdicts that hold, in the order of precedence.
    pub(crate) also: Vec<Verdict>,
    /// Why the verdict would be inconclusive, if no other one holds.
    pub(crate) reason: InconclusiveReason,
    pub(crate) eta: Option<Eta>,
    pub(crate) recommended_gomemlimit: Option<u64>,
    pub(crate) recommended_limit: Option<u64>,
}

impl<'a> Conclusion<'a> {
    /// Decides by the statistics.
    pub(crate) fn of(figures: &'a Statistics) -> Self {
        let rules = Rules { figures };
        let mut holds = Verdict::ALL.iter().copied().filter(|verdict| rules.holds(*verdict));
        let verdict = holds.next().unwrap_or(Verdict::Inconclusive);
        Self {
            figures,
            verdict,
            also: holds.filter(|also| *also != Verdict::Healthy).collect(),
            reason: rules.inconclusive_reason(),
            eta: rules.eta().filter(|_| rules.is_heap_leak()),
            recommended_gomemlimit: rules.recommended_gomemlimit(),
            recommended_limit: rules.recommended_limit(),
        }
    }
}

/// When each verdict holds.
struct Rules<'a> {
    figures: &'a Statistics,
}

impl Rules<'_> {
    fn holds(&self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Misconfigured => {
                self.figures.history.malformed || matches!(self.figures.gomemlimit, Gomemlimit::Malformed(_))
            }
            Verdict::GoroutineLeak => self.is_goroutine_leak(),
            Verdict::HeapLeak => self.is_heap_leak(),
            Verdict::OffHeap => self.is_off_heap(),
            Verdict::GcThrash => self.is_gc_thrash(),
            Verdict::Undersized => self.is_stable() && self.live_is_over(WINDOW_TO_PERCENT),
            Verdict::Fragmented => self.is_fragmented(),
            Verdict::Tuning => self.is_tuning(),
            Verdict::Burst => self.is_burst(),
            Verdict::Healthy => {
                self.is_stable() && self.figures.limit != Limit::Unknown && !self.figures.history.oom_killed
            }
            Verdict::Inconclusive => false,
        }
    }

    fn limit(&self) -> Option<u64> {
        self.figures.limit.bytes()
    }

    /// Neither the heap nor the goroutines grow, as far as can be seen.
    fn is_stable(&self) -> bool {
        self.figures.live_trend_kind == TrendKind::Steady
            && matches!(self.figures.goroutine_trend_kind, TrendKind::Steady | TrendKind::Unknown)
    }

    fn live_is_over(&self, of_limit: u64) -> bool {
        let live = self.figures.live_mean.zip(self.limit());
        live.is_some_and(|(live, limit)| live > percent(limit, of_limit))
    }

    fn is_goroutine_leak(&self) -> bool {
        let growth = growth_of(self.figures.goroutine_trend);
        let few_dominate =
            dominance(&self.figures.added_goroutines, growth) * 100.0 >= real(GOROUTINE_DOMINANCE_PERCENT);
        self.figures.leaked_goroutines.is_some_and(|leaked| leaked >= MIN_LEAKED_GOROUTINES)
            || (self.figures.goroutine_trend_kind == TrendKind::Rising && few_dominate)
    }

    fn is_heap_leak(&self) -> bool {
        self.figures.live_trend_kind == TrendKind::Rising && !self.contradicts()
    }

    /// The profile saw far less growth than the statistics, by more than sampling explains.
    fn contradicts(&self) -> bool {
        let Some(sampled) = self.figures.sampled_trend else { return false };
        sampled.growth + self.figures.sampling_noise < growth_of(self.figures.live_trend) / 2.0
    }

    /// More than the part of the limit that GOMEMLIMIT leaves for it.
    fn is_off_heap(&self) -> bool {
        let Some(off_heap) = self.figures.off_heap.filter(|off| *off > MIN_OFF_HEAP) else { return false };
        match (self.limit(), &self.figures.gomemlimit) {
            (Some(limit), Gomemlimit::Bytes(bytes)) if bytes.saturating_add(off_heap) <= limit => false,
            (Some(limit), _) => off_heap > percent(limit, OFF_HEAP_PERCENT),
            (None, _) => self.figures.rss.is_some_and(|rss| off_heap > percent(rss, OFF_HEAP_OF_RSS_PERCENT)),
        }
    }

    fn is_gc_thrash(&self) -> bool {
        let gc_cpu = self.figures.gc_cpu;
        let is_idle = self.figures.gc_cpu_is_recent
            && gc_cpu.is_some_and(|share| share < NO_THRASH_GC_CPU)
            && self.figures.gc_per_second.is_some_and(|cycles| cycles < NO_THRASH_GC_PER_SECOND);
        gc_cpu.is_some_and(|share| share > THRASH_GC_CPU) || (self.has_no_room() && !is_idle)
    }

    /// GOMEMLIMIT is below 1.25 times the live heap.
    fn has_no_room(&self) -> bool {
        match (&self.figures.gomemlimit, self.figures.live_mean) {
            (Gomemlimit::Bytes(bytes), Some(live)) => *bytes < percent(live, THRASH_ROOM_PERCENT),
            _ => false,
        }
    }

    fn is_fragmented(&self) -> bool {
        let Some(unreturned) = self.figures.unreturned.filter(|bytes| *bytes > MIN_FRAGMENTED) else {
            return false;
        };
        let floor = match (self.limit(), self.figures.retained) {
            (Some(limit), _) => percent(limit, FRAGMENTED_PERCENT),
            (None, Some(retained)) => percent(retained, FRAGMENTED_OF_RETAINED_PERCENT),
            (None, None) => return false,
        };
        let is_pinned = self.figures.pinned.is_some_and(|pinned| pinned > unreturned / 2);
        // Idle memory after a burst goes back within minutes; what matters then is the burst.
        self.is_stable() && unreturned > floor && (is_pinned || !self.is_burst())
    }

    /// The live heap is stable and fits, its garbage does not, and no GOMEMLIMIT prevents that.
    fn is_tuning(&self) -> bool {
        let Some(limit) = self.limit() else { return false };
        let is_unset = match &self.figures.gomemlimit {
            Gomemlimit::Unset | Gomemlimit::Unknown => true,
            Gomemlimit::Bytes(bytes) => *bytes > percent(limit, GOMEMLIMIT_USELESS_PERCENT),
            Gomemlimit::Malformed(_) => false,
        };
        let peak = self.figures.next_gc.zip(self.figures.not_heap);
        let outgrows = peak.is_some_and(|(heap, rest)| heap.saturating_add(rest) > limit);
        self.is_stable()
            && is_unset
            && !self.live_is_over(WINDOW_TO_PERCENT)
            && (self.live_is_over(WINDOW_FROM_PERCENT) || outgrows)
    }

    fn is_burst(&self) -> bool {
        let (Some(limit), Some(live), Some(peak)) = (self.limit(), self.figures.live_mean, self.figures.peak)
        else {
            return false;
        };
        let is_low = self.is_stable() && !self.live_is_over(WINDOW_FROM_PERCENT) && !self.is_tuning();
        let rest = self.figures.not_heap.unwrap_or(0);
        let need = live.saturating_mul(2).max(self.figures.next_gc.unwrap_or(0)).saturating_add(rest);
        let exceeds_need = peak > percent(need, BURST_NEED_PERCENT);
        let seen = peak > percent(limit, BURST_PEAK_PERCENT) && exceeds_need;
        // After a kill the peak is gone with the process; the site that allocates the most is not.
        let killed = self.figures.history.oom_killed && self.figures.huge_site.is_some();
        is_low && (seen || killed)
    }

    fn inconclusive_reason(&self) -> InconclusiveReason {
        match (self.figures.live_trend_kind, self.figures.goroutine_trend_kind) {
            (TrendKind::Unknown, _) => InconclusiveReason::TooFew,
            (TrendKind::Rising, _) => InconclusiveReason::Contradiction,
            (TrendKind::Slowing, _) => InconclusiveReason::Slowing,
            (TrendKind::Slight, _) => InconclusiveReason::Slight,
            (TrendKind::Steady, TrendKind::Slight | TrendKind::Slowing | TrendKind::Rising) => {
                InconclusiveReason::GoroutinesUnsettled
            }
            (TrendKind::Steady, _) if self.figures.history.oom_killed => InconclusiveReason::KilledBefore,
            (TrendKind::Steady, _) => InconclusiveReason::LimitUnknown,
        }
    }

    /// When the kernel kills, if the live heap goes on growing like this.
    fn eta(&self) -> Option<Eta> {
        let (trend, limit) = (self.figures.live_trend?, self.limit()?);
        let (live, retained) = (self.figures.live?, self.figures.retained?);
        if trend.per_second <= 0.0 {
            return None;
        }
        let available = limit.saturating_sub(self.figures.off_heap.unwrap_or(0));
        let after = |target: f64| ((target - real(live)) / trend.per_second).max(0.0);
        let bound = match self.figures.gomemlimit {
            Gomemlimit::Bytes(bytes) if bytes <= percent(limit, GOMEMLIMIT_USELESS_PERCENT) => Some(bytes),
            _ => None,
        };
        // With GOMEMLIMIT the collector keeps the garbage away until only live memory is left. Without, the
        // process retains as much for each live byte as it does now: at GOGC=100 twice as much.
        let live_at_oom = match bound {
            Some(_) => real(available.saturating_sub(self.figures.not_heap.unwrap_or(0))),
            None => real(available) * (real(live) / real(retained.max(1))).min(1.0),
        };
        Some(Eta {
            oom_seconds: after(live_at_oom),
            live_at_oom: whole(live_at_oom),
            thrash_seconds: bound.map(|bytes| after(real(bytes) * 100.0 / real(THRASH_ROOM_PERCENT))),
        })
    }

    fn recommended_gomemlimit(&self) -> Option<u64> {
        let limit = self.limit()?;
        Recipe { headroom: self.figures.off_heap.unwrap_or(0), ..Recipe::default() }.bytes(limit)
    }

    /// The limit at which the live heap takes 60 %, with what is off the heap; whole mebibytes.
    fn recommended_limit(&self) -> Option<u64> {
        let live = self.figures.live_mean?;
        let bytes = u128::from(live) * 100 / u128::from(TARGET_PERCENT);
        let bytes = u64::try_from(bytes).ok()?.saturating_add(self.figures.off_heap.unwrap_or(0));
        Some(bytes.div_ceil(1 << 20).saturating_mul(1 << 20))
    }
}
