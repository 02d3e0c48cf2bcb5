//! What a verdict says: its sentence with the figures, what to do, and what else should be known.

use crate::{
    Diagnosis, Gomemlimit, Limit, Movement, RssSource, Verdict, bytes_text as size,
    figures::{growth_of, percent_of},
    growth::{Added, Growing, is_standard},
    thresholds::{GROWTH_PERCENT, LEAST_CAPTURES, LEAST_GROWTH},
    units::{real, signed, whole},
    verdict::{Doubt, Eta},
};

/// The verdict in one sentence.
pub(crate) fn sentence(of: &Diagnosis, doubt: Doubt) -> String {
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
        Verdict::Inconclusive => inconclusive(of, doubt),
    }
}

fn live(of: &Diagnosis) -> String {
    let live = of.figures.live_mean;
    format!("{}{}", size(live.unwrap_or(0)), of_limit(live, of.figures.limit))
}

/// ` (62 % of the limit of 256MiB)`, where there is one.
fn of_limit(bytes: Option<u64>, limit: Limit) -> String {
    match (bytes, limit.bytes()) {
        (Some(bytes), Some(limit)) => {
            format!(" ({:.0} % of the limit of {})", percent_of(bytes, limit), size(limit))
        }
        _ => String::new(),
    }
}

fn goroutine_leak(of: &Diagnosis) -> String {
    let figures = &of.figures;
    let total = figures.goroutines.unwrap_or(0);
    let leaked = match figures.leaked_goroutines {
        Some(leaked) if leaked > 0 => format!("; the runtime itself calls {leaked} of them leaked"),
        _ => String::new(),
    };
    let trend = figures.goroutine_trend.filter(|_| figures.goroutine_movement == Movement::Rising);
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

/// ` (main.go:42)`, where the place is known.
fn at(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(" ({place})") }
}

fn file_name(place: &str) -> &str {
    place.rsplit('/').next().unwrap_or(place)
}

fn heap_leak(of: &Diagnosis) -> String {
    let Some(trend) = of.figures.live_trend else { return "the live heap grows".to_owned() };
    let place = of.figures.growing.first().map_or_else(String::new, |top: &Growing| {
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

fn gc_thrash(of: &Diagnosis) -> String {
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

fn burst(of: &Diagnosis) -> String {
    let peak = of.figures.peak;
    let site = of.figures.huge_site.as_ref().map_or_else(String::new, |site| {
        format!("; {}{} allocates objects of {} each", site.function, at(&site.place), size(site.object))
    });
    let peak = if of.figures.past.oom_killed {
        "the container was OOM killed".to_owned()
    } else {
        format!("memory once rose to {}{}", size(peak.unwrap_or(0)), of_limit(peak, of.figures.limit))
    };
    format!("the live heap is stable at {}, but {peak}{site}", live(of))
}

fn inconclusive(of: &Diagnosis, doubt: Doubt) -> String {
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
    match doubt {
        Doubt::TooFew if captures == 1 => "one capture shows a state, not a trend".to_owned(),
        Doubt::TooFew => format!("{captures} captures show a difference, not a trend"),
        Doubt::Slowing => {
            format!("the live heap grew ({}), but less and less: a cache that fills, or a warm-up", grew())
        }
        Doubt::Slight => format!("the live heap grew a little ({}): too little to tell from noise", grew()),
        Doubt::Contradiction => {
            format!("the live heap grew ({}), but no stack of the profile explains it", grew())
        }
        Doubt::GoroutinesUnsettled => format!(
            "the number of goroutines moves ({:+.0}, to {}), but not clearly up",
            growth_of(of.figures.goroutine_trend),
            of.figures.goroutines.unwrap_or(0)
        ),
        Doubt::LimitUnknown => format!("the live heap is stable at {}, but no limit is known", live(of)),
        Doubt::KilledBefore => format!(
            "the container was OOM killed before, but at the moment the live heap is stable at {}",
            live(of)
        ),
    }
}

/// What to do, the first thing first.
pub(crate) fn advice(of: &Diagnosis, doubt: Doubt) -> Vec<String> {
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
        Verdict::Inconclusive => vec![what_to_capture(of, doubt)],
    }
}

/// One of the two goroutines of a connection of an HTTP client (`net/http/transport.go`).
fn is_client_connection(added: &Added) -> bool {
    added.group.functions.iter().any(|name| name.starts_with("net/http.(*persistConn)."))
}

fn goroutine_advice(of: &Diagnosis) -> Vec<String> {
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

fn leak_advice(of: &Diagnosis) -> Vec<String> {
    let place = of.figures.growing.first().map_or_else(
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

fn off_heap_advice(of: &Diagnosis) -> Vec<String> {
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

fn thrash_advice(of: &Diagnosis) -> Vec<String> {
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

fn fragmented_advice(of: &Diagnosis) -> Vec<String> {
    let (pinned, unreturned) = (of.figures.pinned.unwrap_or(0), of.figures.unreturned.unwrap_or(0));
    if pinned > unreturned / 2 {
        return vec![
            format!(
                "{} lies in spans that a few live objects hold: keep long-lived objects apart from short-lived ones of the \
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

fn what_to_capture(of: &Diagnosis, doubt: Doubt) -> String {
    match doubt {
        Doubt::TooFew => format!("Capture {LEAST_CAPTURES} or more times, under load, 15 s or more apart."),
        Doubt::Slowing | Doubt::Slight => {
            let seconds = of.figures.live_trend.map_or(60.0, |trend| trend.seconds);
            format!(
                "Capture again over a longer time, for example --captures 6 --interval {:.0}s, under steady load.",
                (seconds / 2.0).max(30.0)
            )
        }
        Doubt::Contradiction => {
            "Capture over a longer time; if no stack shows then either, see whether the program changes \
             runtime.MemProfileRate."
                .to_owned()
        }
        Doubt::GoroutinesUnsettled => {
            "Capture over a longer time under steady load: requests in flight come and go, a leak only adds.".to_owned()
        }
        Doubt::LimitUnknown => "Say what the memory limit is: --limit 512Mi.".to_owned(),
        Doubt::KilledBefore => {
            "Capture while it grows: under the load that kills it, with --follow, which goes on with the restarted \
             container."
                .to_owned()
        }
    }
}

/// What else should be known, before one relies on the verdict.
pub(crate) fn notes(of: &Diagnosis, doubt: Doubt) -> Vec<String> {
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
        notes.push("GOMEMLIMIT of the process is not known; --gomemlimit says it.".to_owned());
    }
    if let (Gomemlimit::Bytes(bytes), Some(limit)) = (&figures.gomemlimit, figures.limit.bytes())
        && *bytes > crate::units::percent(limit, crate::thresholds::GOMEMLIMIT_USELESS_PERCENT)
    {
        notes.push(format!(
            "GOMEMLIMIT={bytes} is above 98 % of the limit of {}, which is as good as none.",
            size(limit)
        ));
    }
    if let Some(trend) = figures.live_trend
        && figures.live_movement == Movement::Steady
        && trend.points >= LEAST_CAPTURES
    {
        let least = (trend.mean * real(GROWTH_PERCENT) / 100.0).max(real(LEAST_GROWTH));
        notes.push(format!(
            "A leak of less than {} a minute would not be seen within {:.0} s; --interval looks longer.",
            size(whole(least / trend.seconds * 60.0)),
            trend.seconds
        ));
    }
    let uncertain = |top: &Growing| !top.is_certain();
    if of.verdict == Verdict::HeapLeak && figures.growing.first().is_none_or(uncertain) {
        notes.push(
            "The heap grows for certain, but by so little that the stacks are within the noise of sampling: a longer \
             --interval names them better."
                .to_owned(),
        );
    }
    if of.verdict == Verdict::HeapLeak
        && figures.growing.first().is_some_and(|top| is_standard(&top.function))
    {
        notes
            .push("The growing stack has only functions of the standard library: it was cut off.".to_owned());
    }
    if of.verdict != Verdict::Inconclusive && doubt == Doubt::TooFew && of.verdict != Verdict::Misconfigured {
        notes.push(format!("Nothing is said about leaks of the heap: that takes {LEAST_CAPTURES} captures."));
    }
    notes
}

/// Seconds in words: `40 s`, `12 min`, `3.5 h`, `4 days`.
#[must_use]
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 5_400.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}
