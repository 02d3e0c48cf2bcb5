//! Notes on how far a verdict can be relied on.

use gomemlimit_core::units::human as size;

use crate::{
    evidence::{Gomemlimit, RssSource},
    growth::GrowingStack,
    standard_library::is_standard,
    thresholds::{GOMEMLIMIT_USELESS_PERCENT, GROWTH_PERCENT, MIN_CAPTURES, MIN_GROWTH},
    trend::TrendKind,
    units::{percent, real, whole},
    verdict::{Conclusion, InconclusiveReason, Verdict},
};

/// Notes that limit the verdict, a sentence each.
pub(crate) fn notes(of: &Conclusion<'_>) -> Vec<String> {
    let figures = &of.figures;
    let mut notes = Vec::new();
    if figures.rss.is_none() && of.verdict != Verdict::Misconfigured {
        notes.push(
            "The resident memory is not known: neither /metrics nor the kubelet's statistics could be read, so memory \
             off the heap may be missing here."
                .to_owned(),
        );
    }
    if figures.rss_source == Some(RssSource::MetricsServer) {
        notes.push("RSS is the working set of metrics.k8s.io, which has page cache in use in it.".to_owned());
    }
    if figures.gomemlimit == Gomemlimit::Unknown {
        notes.push("GOMEMLIMIT of the process is not known; name it with --gomemlimit.".to_owned());
    }
    if let (Gomemlimit::Bytes(bytes), Some(limit)) = (&figures.gomemlimit, figures.limit.bytes())
        && *bytes > percent(limit, GOMEMLIMIT_USELESS_PERCENT)
    {
        notes.push(format!(
            "GOMEMLIMIT={bytes} is above 98 % of the limit of {}, which is as good as none.",
            size(limit)
        ));
    }
    if let Some(trend) = figures.live_trend
        && figures.live_trend_kind == TrendKind::Steady
        && trend.points >= MIN_CAPTURES
    {
        let least = (trend.mean * real(GROWTH_PERCENT) / 100.0).max(real(MIN_GROWTH));
        notes.push(format!(
            "A leak of less than {} a minute would not be seen within {:.0} s; --interval looks longer.",
            size(whole(least / trend.seconds * 60.0)),
            trend.seconds
        ));
    }
    let uncertain = |top: &GrowingStack| !top.is_certain();
    if of.verdict == Verdict::HeapLeak && figures.growing_stacks.first().is_none_or(uncertain) {
        notes.push(
            "The heap grows for certain, but by so little that the stacks are within the noise of sampling: a longer \
             --interval names them better."
                .to_owned(),
        );
    }
    if of.verdict == Verdict::HeapLeak
        && figures.growing_stacks.first().is_some_and(|top| is_standard(&top.function))
    {
        notes
            .push("The growing stack has only functions of the standard library: it was cut off.".to_owned());
    }
    if of.verdict != Verdict::Inconclusive
        && of.reason == InconclusiveReason::TooFew
        && of.verdict != Verdict::Misconfigured
    {
        notes.push(format!("Nothing is said about leaks of the heap: that takes {MIN_CAPTURES} captures."));
    }
    notes
}
