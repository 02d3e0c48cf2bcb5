//! Advice for each verdict.

use gomemlimit_core::units::human as size;

use super::phrases::is_client_connection;
use crate::{
    evidence::Gomemlimit,
    thresholds::MIN_CAPTURES,
    verdict::{Conclusion, Eta, InconclusiveReason, Verdict},
};

/// Advice, a sentence each, the first thing first.
pub(crate) fn advice(of: &Conclusion<'_>) -> Vec<String> {
    match of.verdict {
        Verdict::Misconfigured => vec![
            "Write bytes without a suffix, or with MiB or GiB: GOMEMLIMIT=966367641 or 900MiB. Kubernetes quantities \
             such as 900Mi or 1G are malformed."
                .to_owned(),
            "Or remove it, and let gomemlimit inject the value that fits the limit.".to_owned(),
        ],
        Verdict::GoroutineLeak => goroutine_advice(of),
        Verdict::HeapLeak => leak_advice(of),
        Verdict::OffHeap => off_heap_advice(of),
        Verdict::GcThrash => thrash_advice(of),
        Verdict::Undersized => vec![format!(
            "Raise the memory limit to {} or more, of which the live heap is 60 %; GOMEMLIMIT would only make the \
             collector run without a pause.",
            size(of.recommended_limit.unwrap_or(0))
        )],
        Verdict::Fragmented => fragmented_advice(of),
        Verdict::Tuning => vec![format!(
            "Set GOMEMLIMIT={}, 90 % of the limit: the collector then runs before the kernel kills. Labelling the \
             namespace gomemlimit.dev/inject=enabled does that for every container.",
            of.recommended_gomemlimit.unwrap_or(0)
        )],
        Verdict::Burst => vec![
            "Bound what one request may take: the size of bodies (http.MaxBytesReader), and how many are worked on at \
             once; read in pieces instead of io.ReadAll."
                .to_owned(),
            "GOMEMLIMIT helps only with the garbage of a burst, not with what is live within it.".to_owned(),
        ],
        Verdict::Healthy => match (&of.figures.gomemlimit, of.recommended_gomemlimit) {
            (Gomemlimit::Unset, Some(value)) => {
                vec![format!("Nothing. GOMEMLIMIT={value} would cost nothing and guard against growth.")]
            }
            _ => vec!["Nothing.".to_owned()],
        },
        Verdict::Inconclusive => vec![what_to_capture(of)],
    }
}

fn goroutine_advice(of: &Conclusion<'_>) -> Vec<String> {
    let mut advice = Vec::new();
    if of.figures.added_goroutines.iter().any(is_client_connection) {
        advice.push(
            "readLoop and writeLoop are connections of an HTTP client whose response bodies are never closed: \
             `defer response.Body.Close()` after every request that succeeds, also where the body is not read."
                .to_owned(),
        );
    } else {
        let top = of.figures.added_goroutines.first();
        let function = top.map_or("the stacks below", |top| top.group.function());
        advice.push(format!(
            "Find what {function} waits for and never gets: a send or receive without a partner, a lock, a context \
             that is never cancelled."
        ));
    }
    advice.push("GOMEMLIMIT delays the OOM kill of a leak, it does not fix it.".to_owned());
    advice
}

fn leak_advice(of: &Conclusion<'_>) -> Vec<String> {
    let place = of.figures.growing_stacks.first().map_or_else(
        || "what keeps the growing memory reachable".to_owned(),
        |top| {
            format!(
                "what keeps the memory of {} reachable: a map, slice, cache or list that only grows",
                top.function
            )
        },
    );
    let mut advice = vec![format!("Find {place}.")];
    advice.push(match of.eta {
        Some(Eta { oom_seconds, thrash_seconds: Some(thrash), .. }) => format!(
            "GOMEMLIMIT delays the OOM kill, it does not fix a leak: at this pace in about {} the kernel kills, and from \
             about {} on the collector takes most of the CPU.",
            duration(oom_seconds),
            duration(thrash)
        ),
        Some(Eta { oom_seconds, .. }) => format!(
            "At this pace the kernel kills in about {}. GOMEMLIMIT would delay that, it does not fix a leak.",
            duration(oom_seconds)
        ),
        None => "GOMEMLIMIT delays the OOM kill, it does not fix a leak.".to_owned(),
    });
    advice
}

fn off_heap_advice(of: &Conclusion<'_>) -> Vec<String> {
    let mut advice = vec![
        "Look outside of the heap profile: cgo, syscall.Mmap, files in an emptyDir of medium Memory, child processes, \
         other processes of the container. GOMEMLIMIT does not see any of it."
            .to_owned(),
    ];
    if let (Some(value), Some(off_heap)) = (of.recommended_gomemlimit, of.figures.off_heap) {
        let mebibytes = off_heap.div_ceil(1 << 20);
        advice.push(format!(
            "If it is wanted, leave room for it: GOMEMLIMIT={value}, or the annotation gomemlimit.dev/headroom: \
             {mebibytes}Mi; or raise the limit."
        ));
    }
    advice
}

fn thrash_advice(of: &Conclusion<'_>) -> Vec<String> {
    let limit = of.recommended_limit.unwrap_or(0);
    let fits = of.figures.limit.bytes().is_some_and(|now| now >= limit);
    match (&of.figures.gomemlimit, of.recommended_gomemlimit) {
        (Gomemlimit::Bytes(bytes), Some(value)) if fits && value > *bytes => vec![format!(
            "Raise GOMEMLIMIT to {value}, 90 % of the limit; the value may be from before the limit was raised."
        )],
        _ if fits => vec!["Raise GOGC, or remove it: the limit has room for more garbage.".to_owned()],
        _ => vec![format!(
            "Raise the memory limit to {} or more, of which the live heap is 60 %, and GOMEMLIMIT with it.",
            size(limit)
        )],
    }
}

fn fragmented_advice(of: &Conclusion<'_>) -> Vec<String> {
    let (pinned, unreturned) = (of.figures.pinned.unwrap_or(0), of.figures.unreturned.unwrap_or(0));
    if pinned > unreturned / 2 {
        return vec![
            format!(
                "{} is in spans that a few live objects hold: keep long-lived objects apart from short-lived ones of the \
                 same size, or copy the few that survive. GOMEMLIMIT cannot give such spans back.",
                size(pinned)
            ),
            "Memory that grew once and is full of holes is free again only after a restart.".to_owned(),
        ];
    }
    vec![
        of.recommended_gomemlimit.map_or_else(
            || "Set GOMEMLIMIT: near it the runtime gives idle memory back at once.".to_owned(),
            |value| format!("Set GOMEMLIMIT={value}: near it the runtime gives idle memory back at once."),
        ),
        "If it stays for many minutes, look at transparent huge pages: GODEBUG=disablethp=1 shows whether it is them."
            .to_owned(),
    ]
}

fn what_to_capture(of: &Conclusion<'_>) -> String {
    match of.reason {
        InconclusiveReason::TooFew => format!("Capture {MIN_CAPTURES} or more times, under load, 15 s or more apart."),
        InconclusiveReason::Slowing | InconclusiveReason::Slight => {
            let seconds = of.figures.live_trend.map_or(60.0, |trend| trend.seconds);
            format!(
                "Capture again over a longer time, for example --captures 6 --interval {:.0}s, under steady load.",
                (seconds / 2.0).max(30.0)
            )
        }
        InconclusiveReason::Contradiction => {
            "Capture over a longer time; if no stack shows then either, see whether the program changes \
             runtime.MemProfileRate."
                .to_owned()
        }
        InconclusiveReason::GoroutinesUnsettled => {
            "Capture over a longer time under steady load: requests in flight come and go, a leak only adds.".to_owned()
        }
        InconclusiveReason::LimitUnknown => "Say what the memory limit is: --limit 512Mi.".to_owned(),
        InconclusiveReason::KilledBefore => {
            "Capture while it grows: under the load that kills it, with an --interval so short that four captures fit \
             between a start and a kill."
                .to_owned()
        }
    }
}

/// Seconds in words: `40 s`, `12 min`, `3.5 h`, `4 days`.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 5_400.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}
