//! The verdict in one sentence.

use gomemlimit_core::units::human as size;

use super::phrases::{at, file_name, is_client_connection, live, of_limit};
use crate::{
    evidence::Gomemlimit,
    growth::GrowingStack,
    statistics::{growth_of, percent_of},
    trend::TrendKind,
    units::{real, signed, whole},
    verdict::{Conclusion, InconclusiveReason, Verdict},
};

/// The verdict in one sentence.
pub(crate) fn sentence(of: &Conclusion<'_>) -> String {
    match of.verdict {
        Verdict::Misconfigured => match &of.figures.gomemlimit {
            Gomemlimit::Malformed(text) => {
                format!("GOMEMLIMIT={text} is malformed: a Go program with it exits with code 2 before main")
            }
            _ => "the container exited with code 2 and said \"malformed GOMEMLIMIT\"".to_owned(),
        },
        Verdict::GoroutineLeak => goroutine_leak(of),
        Verdict::HeapLeak => heap_leak(of),
        Verdict::OffHeap => format!(
            "{} of memory {} not the Go runtime's{}",
            size(of.figures.off_heap.unwrap_or(0)),
            if of.figures.rss.is_some() { "is" } else { "or more was" },
            of_limit(of.figures.off_heap, of.figures.limit),
        ),
        Verdict::GcThrash => gc_thrash(of),
        Verdict::Undersized => {
            format!("the live heap is stable at {}: too much for any GOMEMLIMIT", live(of))
        }
        Verdict::Fragmented => format!(
            "the runtime holds {}{} that is neither live nor room for the next collection, at a live heap of {}",
            size(of.figures.unreturned.unwrap_or(0)),
            of_limit(of.figures.unreturned, of.figures.limit),
            size(of.figures.live_mean.unwrap_or(0)),
        ),
        Verdict::Tuning => format!(
            "the live heap is stable at {}, but grows to {} before each collection{}",
            live(of),
            size(of.figures.next_gc.unwrap_or(0)),
            match &of.figures.gomemlimit {
                Gomemlimit::Bytes(bytes) => format!(", and GOMEMLIMIT={bytes} is too high to prevent it"),
                Gomemlimit::Unknown => String::new(),
                _ => ", and no GOMEMLIMIT prevents it".to_owned(),
            }
        ),
        Verdict::Burst => burst(of),
        Verdict::Healthy => format!(
            "the live heap is stable at {}{}, and nothing is wrong",
            live(of),
            match &of.figures.gomemlimit {
                Gomemlimit::Bytes(bytes) => format!(" under GOMEMLIMIT={bytes}"),
                _ => String::new(),
            }
        ),
        Verdict::Inconclusive => inconclusive(of),
    }
}

fn goroutine_leak(of: &Conclusion<'_>) -> String {
    let figures = &of.figures;
    let total = figures.goroutines.unwrap_or(0);
    let leaked = match figures.leaked_goroutines {
        Some(leaked) if leaked > 0 => format!("; the runtime itself calls {leaked} of them leaked"),
        _ => String::new(),
    };
    let trend = figures.goroutine_trend.filter(|_| figures.goroutine_trend_kind == TrendKind::Rising);
    let growth = trend.map_or_else(
        || format!("there are {total} goroutines"),
        |trend| {
            format!(
                "goroutines grow by {:.0} a minute (to {total} in {:.0} s)",
                trend.per_second * 60.0,
                trend.seconds
            )
        },
    );
    let client = figures.added_goroutines.iter().find(|one| is_client_connection(one));
    let place = client.or(figures.added_goroutines.first()).map_or_else(String::new, |top| {
        format!(", most of them in {}{}", top.group.function(), at(file_name(&top.group.place)))
    });
    format!("{growth}{place}{leaked}")
}

fn heap_leak(of: &Conclusion<'_>) -> String {
    let Some(trend) = of.figures.live_trend else { return "the live heap grows".to_owned() };
    let place = of.figures.growing_stacks.first().map_or_else(String::new, |top: &GrowingStack| {
        let share = (real(top.growth) / growth_of(of.figures.sampled_trend).max(1.0) * 100.0).min(100.0);
        format!(", {share:.0} % of it allocated in {}{}", top.function, at(&top.place))
    });
    format!(
        "the live heap grows by {} a minute ({} ± {} in {:.0} s, to {}){place}",
        size(whole(trend.per_second * 60.0)),
        signed(trend.growth),
        size(whole(trend.error)),
        trend.seconds,
        size(of.figures.live.unwrap_or(0)),
    )
}

fn gc_thrash(of: &Conclusion<'_>) -> String {
    let often = of
        .figures
        .gc_per_second
        .map_or_else(String::new, |cycles| format!("runs {cycles:.1} times a second and "));
    let share = of.figures.gc_cpu.map_or_else(String::new, |share| {
        let since = if of.figures.gc_cpu_is_recent { "" } else { " since the program started" };
        format!("garbage collection {often}takes {:.0} % of all CPU time{since}", share * 100.0)
    });
    let room = match &of.figures.gomemlimit {
        Gomemlimit::Bytes(bytes) => format!(
            "GOMEMLIMIT={bytes} ({}) is {:.0} % of the live heap of {}",
            size(*bytes),
            percent_of(*bytes, of.figures.live_mean.unwrap_or(0)),
            size(of.figures.live_mean.unwrap_or(0))
        ),
        _ => format!("at a live heap of {}", live(of)),
    };
    if share.is_empty() { room } else { format!("{share}: {room}") }
}

fn burst(of: &Conclusion<'_>) -> String {
    let peak = of.figures.peak;
    let site = of.figures.huge_site.as_ref().map_or_else(String::new, |site| {
        format!("; {}{} allocates objects of {} each", site.function, at(&site.place), size(site.object))
    });
    let peak = if of.figures.history.oom_killed {
        "the container was OOM killed".to_owned()
    } else {
        format!("memory once rose to {}{}", size(peak.unwrap_or(0)), of_limit(peak, of.figures.limit))
    };
    format!("the live heap is stable at {}, but {peak}{site}", live(of))
}

fn inconclusive(of: &Conclusion<'_>) -> String {
    let captures = of.figures.captures;
    let grew = || {
        let trend = of.figures.live_trend.unwrap_or_default();
        format!(
            "{} in {:.0} s, to {}",
            signed(trend.growth),
            trend.seconds,
            size(of.figures.live.unwrap_or(0))
        )
    };
    match of.reason {
        InconclusiveReason::TooFew if captures == 1 => "one capture shows a state, not a trend".to_owned(),
        InconclusiveReason::TooFew => format!("{captures} captures show a difference, not a trend"),
        InconclusiveReason::Slowing => {
            format!("the live heap grew ({}), but less and less: a cache that fills, or a warm-up", grew())
        }
        InconclusiveReason::Slight => {
            format!("the live heap grew a little ({}): too little to tell from noise", grew())
        }
        InconclusiveReason::Contradiction => {
            format!("the live heap grew ({}), but no stack of the profile explains it", grew())
        }
        InconclusiveReason::GoroutinesUnsettled => format!(
            "the number of goroutines moves ({:+.0}, to {}), but not clearly up",
            growth_of(of.figures.goroutine_trend),
            of.figures.goroutines.unwrap_or(0)
        ),
        InconclusiveReason::LimitUnknown => {
            format!("the live heap is stable at {}, but no limit is known", live(of))
        }
        InconclusiveReason::KilledBefore => format!(
            "the container was OOM killed before, but at the moment the live heap is stable at {}",
            live(of)
        ),
    }
}
