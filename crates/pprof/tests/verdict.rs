//! Every verdict from the least evidence that makes it, what goes before what, and what is not concluded.

use std::fmt::Write as _;

use gomemlimit_pprof::{
    Capture, Diagnosis, Evidence, Gomemlimit, Goroutines, History, Limit, MemStats, Trend, Verdict, diagnose,
};
use rstest::rstest;

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 256 * MIB;
const INJECTED: u64 = LIMIT / 10 * 9;

/// A process with this live heap at each capture, which paces by GOGC=100 and has nothing unusual.
fn steady(live: [u64; 4]) -> Evidence {
    let captures = (0_u32..).zip(live).map(|(number, live)| {
        let live = live * MIB;
        let heap = live * 2;
        Capture {
            at: f64::from(number) * 15.0,
            memstats: Some(MemStats {
                sys: heap + 12 * MIB,
                heap_alloc: live,
                heap_sys: heap + 4 * MIB,
                heap_inuse: live + MIB,
                heap_idle: live + 3 * MIB,
                heap_released: 2 * MIB,
                next_gc: heap,
                last_gc: 1,
                num_gc: 300 + u64::from(number),
                ..MemStats::default()
            }),
            goroutines: Some(goroutines(20)),
            rss: Some(heap + 12 * MIB),
            ..Capture::default()
        }
    });
    Evidence {
        captures: captures.collect(),
        limit: Limit::Bytes(LIMIT),
        gomemlimit: Gomemlimit::Unset,
        uptime: Some(1000.0),
        ..Evidence::default()
    }
}

fn goroutines(waiting: u64) -> Goroutines {
    let text = format!(
        "goroutine profile: total {}\n{waiting} @ 0x1\n#\t0x1\tmain.wait+0x1\tmain.go:9\n\n3 @ 0x2\n#\t0x2\tmain.main+0x1\tmain.go:1\n",
        waiting + 3
    );
    Goroutines::parse(&text).unwrap()
}

/// The same evidence with something changed in every capture.
fn with(mut evidence: Evidence, change: impl Fn(usize, &mut Capture)) -> Evidence {
    for (number, capture) in evidence.captures.iter_mut().enumerate() {
        change(number, capture);
    }
    evidence
}

fn stats(capture: &mut Capture) -> &mut MemStats {
    capture.memstats.as_mut().unwrap()
}

fn limited(gomemlimit: u64, evidence: Evidence) -> Evidence {
    Evidence { gomemlimit: Gomemlimit::Bytes(gomemlimit), ..evidence }
}

fn verdict(evidence: &Evidence) -> Verdict {
    diagnose(evidence).verdict
}

#[rstest]
#[case::low([40, 41, 39, 40], Verdict::Healthy)]
#[case::just_below_the_window([112, 113, 112, 112], Verdict::Healthy)]
#[case::window([140, 141, 139, 140], Verdict::Tuning)]
#[case::top_of_the_window([178, 178, 179, 178], Verdict::Tuning)]
#[case::too_large([185, 186, 184, 185], Verdict::Undersized)]
#[case::rising([60, 72, 85, 96], Verdict::HeapLeak)]
#[case::rising_in_the_window([120, 135, 151, 166], Verdict::HeapLeak)]
#[case::falling([100, 90, 70, 60], Verdict::Healthy)]
#[case::noise([100, 103, 99, 102], Verdict::Healthy)]
#[case::slowing([50, 80, 92, 96], Verdict::Inconclusive)]
#[case::one_step([50, 80, 80, 80], Verdict::Inconclusive)]
#[case::slight_but_even([1000, 1010, 1020, 1030], Verdict::Inconclusive)]
fn the_live_heap_decides(#[case] live: [u64; 4], #[case] wanted: Verdict) {
    assert_eq!(verdict(&steady(live)), wanted);
}

#[rstest]
#[case::fits(INJECTED, [140; 4], Verdict::Healthy)]
#[case::above_the_limit(LIMIT * 99 / 100, [140; 4], Verdict::Tuning)]
#[case::above_the_limit_of_a_small_heap(LIMIT * 2, [40; 4], Verdict::Healthy)]
#[case::leak(INJECTED, [60, 72, 85, 96], Verdict::HeapLeak)]
fn gomemlimit_counts(#[case] value: u64, #[case] live: [u64; 4], #[case] wanted: Verdict) {
    assert_eq!(verdict(&limited(value, steady(live))), wanted);
}

#[test]
fn a_collector_that_takes_a_quarter_of_the_cpu_thrashes() {
    let thrashing = with(steady([100; 4]), |_, capture| stats(capture).gc_cpu_fraction = 0.3);
    assert_eq!(verdict(&thrashing), Verdict::GcThrash);
    let said = diagnose(&thrashing);
    assert!(said.sentence.contains("takes 30 % of all CPU time"), "{}", said.sentence);
}

#[test]
fn a_tight_gomemlimit_thrashes_unless_nothing_is_collected() {
    let busy = with(steady([100; 4]), |number, capture| stats(capture).num_gc = 300 + 60 * number as u64);
    let tight = limited(115 * MIB, busy);
    assert_eq!(verdict(&tight), Verdict::GcThrash);
    let advice = &diagnose(&tight).advice[0];
    assert!(
        advice.contains(&format!("Raise GOMEMLIMIT to {}", LIMIT / 10 * 9)) || advice.contains("241591910"),
        "{advice}"
    );
    assert_eq!(verdict(&limited(115 * MIB, steady([100; 4]))), Verdict::Healthy, "idle");
}

#[test]
fn the_share_of_the_collector_is_that_of_the_time_that_was_looked_at() {
    // 1000 s without, then 45 s with half of the CPU.
    let recent = with(steady([100; 4]), |_, capture| {
        let since = capture.at;
        stats(capture).gc_cpu_fraction = 0.5 * since / (1000.0 + since);
    });
    let share = diagnose(&recent).figures.gc_cpu.unwrap();
    assert!((share - 0.5).abs() < 1e-9, "{share}");
    assert_eq!(verdict(&recent), Verdict::GcThrash);
}

#[test]
fn goroutines_that_are_added_are_a_leak() {
    let leaking = with(steady([40; 4]), |number, capture| {
        capture.goroutines = Some(goroutines(20 + 50 * number as u64));
    });
    let said = diagnose(&leaking);
    assert_eq!(said.verdict, Verdict::GoroutineLeak);
    assert!(said.sentence.contains("main.wait (main.go:9)"), "{}", said.sentence);
    let few = with(steady([40; 4]), |number, capture| {
        capture.goroutines = Some(goroutines(20 + number as u64 % 2));
    });
    assert_eq!(verdict(&few), Verdict::Healthy, "requests in flight");
}

#[test]
fn the_runtimes_own_word_on_leaked_goroutines_counts_from_ten() {
    let leaked =
        |count: u64| with(steady([40; 4]), move |_, capture| capture.leaked = Some(goroutines(count - 3)));
    assert_eq!(verdict(&leaked(10)), Verdict::GoroutineLeak);
    assert_eq!(verdict(&leaked(9)), Verdict::Healthy);
}

#[test]
fn memory_that_the_runtime_does_not_count_is_off_the_heap() {
    let mapped = |mib: u64| with(steady([40; 4]), move |_, capture| capture.rss = Some((92 + mib) * MIB));
    assert_eq!(verdict(&mapped(30)), Verdict::Healthy);
    assert_eq!(verdict(&mapped(60)), Verdict::OffHeap);
    let said = diagnose(&mapped(60));
    assert_eq!(said.recommended_gomemlimit, Some(LIMIT - said.figures.off_heap.unwrap()));
    assert_eq!(verdict(&limited(LIMIT - 80 * MIB, mapped(60))), Verdict::Healthy, "there is room for it");
    // Without rights the peak of the process is used, if it is known.
    let peak = with(steady([40; 4]), |_, capture| {
        capture.rss = None;
        stats(capture).max_rss = 160 * MIB;
    });
    assert_eq!(verdict(&peak), Verdict::OffHeap);
}

#[test]
fn heap_that_is_neither_live_nor_room_is_fragmented() {
    let holes = with(steady([20; 4]), |_, capture| {
        let stats = stats(capture);
        stats.heap_sys = 150 * MIB;
        stats.sys = 160 * MIB;
        stats.heap_inuse = 130 * MIB;
    });
    assert_eq!(verdict(&holes), Verdict::Fragmented);
    assert!(diagnose(&holes).advice[0].contains("spans that a few live objects hold"));
    let once = with(holes, |number, capture| {
        if number == 3 {
            let stats = stats(capture);
            stats.heap_released = 110 * MIB;
            stats.heap_inuse = 21 * MIB;
        }
    });
    assert_eq!(verdict(&once), Verdict::Healthy, "it was given back meanwhile");
}

#[test]
fn a_peak_that_the_live_heap_does_not_explain_is_a_burst() {
    let peak = with(steady([10; 4]), |_, capture| {
        let stats = stats(capture);
        stats.sys = 230 * MIB;
        stats.heap_sys = 220 * MIB;
        stats.heap_released = 190 * MIB;
    });
    assert_eq!(verdict(&peak), Verdict::Burst);
}

#[test]
fn an_oom_kill_of_which_nothing_is_to_be_seen_is_no_health() {
    let history = History { oom_killed: true, malformed: false, restarts: 3 };
    let said = diagnose(&Evidence { history, ..steady([40; 4]) });
    assert_eq!(said.verdict, Verdict::Inconclusive);
    assert!(said.advice[0].contains("--interval"), "{:?}", said.advice);
    assert_eq!(verdict(&Evidence { history, ..steady([140; 4]) }), Verdict::Tuning);
}

#[test]
fn a_malformed_value_goes_before_everything() {
    let text = "512Mi".to_owned();
    let without = Evidence { gomemlimit: Gomemlimit::Malformed(text.clone()), ..Evidence::default() };
    assert_eq!(verdict(&without), Verdict::Misconfigured);
    let leaking = Evidence { gomemlimit: Gomemlimit::Malformed(text), ..steady([60, 72, 85, 96]) };
    let said = diagnose(&leaking);
    assert_eq!((said.verdict, &said.also[..]), (Verdict::Misconfigured, &[Verdict::HeapLeak][..]));
    let history = History { malformed: true, ..History::default() };
    assert_eq!(verdict(&Evidence { history, ..Evidence::default() }), Verdict::Misconfigured);
}

#[test]
fn what_goes_before_what() {
    let all = with(steady([60, 75, 90, 105]), |number, capture| {
        capture.goroutines = Some(goroutines(20 + 50 * number as u64));
        capture.rss = Some(400 * MIB);
        stats(capture).gc_cpu_fraction = 0.3;
    });
    let said = diagnose(&all);
    let also = [Verdict::HeapLeak, Verdict::OffHeap, Verdict::GcThrash];
    assert_eq!((said.verdict, &said.also[..]), (Verdict::GoroutineLeak, &also[..]));
}

#[test]
fn two_captures_are_no_trend() {
    let mut evidence = steady([60, 90, 120, 150]);
    evidence.captures.truncate(2);
    let said = diagnose(&evidence);
    assert_eq!(said.verdict, Verdict::Inconclusive);
    assert!(said.advice[0].starts_with("Capture 3 or more times"), "{:?}", said.advice);
}

#[test]
fn without_a_limit_nothing_is_called_healthy_until_it_is_known_that_there_is_none() {
    let limit = |limit| verdict(&Evidence { limit, ..steady([140; 4]) });
    assert_eq!(limit(Limit::Unknown), Verdict::Inconclusive);
    assert_eq!(limit(Limit::Unlimited), Verdict::Healthy);
    assert_eq!(verdict(&Evidence { limit: Limit::Unknown, ..steady([60, 72, 85, 96]) }), Verdict::HeapLeak);
}

/// 12 MiB in 15 s. Without GOMEMLIMIT the process holds two bytes for each live one: killed at half of the
/// limit. With it, when live memory fills what the rest of the runtime leaves. (Measured: 124 and 234 MiB.)
#[test]
fn the_time_to_the_oom_kill_is_estimated() {
    let leak = steady([60, 72, 84, 96]);
    let eta = diagnose(&leak).eta.unwrap();
    assert_eq!(eta.thrash_seconds, None);
    assert!((110..=125).contains(&(eta.live_at_oom / MIB)), "{eta:?}");
    assert!((15.0..40.0).contains(&eta.oom_seconds), "{eta:?}");
    let eta = diagnose(&limited(INJECTED, leak)).eta.unwrap();
    assert!((230..=250).contains(&(eta.live_at_oom / MIB)), "{eta:?}");
    assert!(
        (160.0..200.0).contains(&eta.oom_seconds) && eta.thrash_seconds.unwrap() < eta.oom_seconds,
        "{eta:?}"
    );
    assert_eq!(diagnose(&steady([40; 4])).eta, None);
}

#[test]
fn recommended_values_are_those_of_the_webhook_and_of_the_table() {
    let said = diagnose(&with(steady([200; 4]), |_, capture| capture.rss = None));
    assert_eq!(said.recommended_gomemlimit, Some(241_591_910));
    assert_eq!(said.recommended_limit, Some(334 * MIB), "200 MiB are 60 % of it, in whole MiB");
}

#[test]
fn every_verdict_says_something() {
    for verdict in Verdict::ALL {
        assert_eq!(verdict.as_str().parse(), Ok(*verdict));
    }
    assert!("leak".parse::<Verdict>().unwrap_err().to_string().contains("heap-leak"));
    let mut said = String::new();
    for live in [[40; 4], [140; 4], [200; 4], [60, 72, 85, 96], [50, 80, 92, 96]] {
        let Diagnosis { verdict, sentence, advice, notes, .. } = diagnose(&steady(live));
        assert!(!sentence.is_empty() && !sentence.contains('\n') && !advice.is_empty(), "{verdict}");
        writeln!(said, "{sentence} {advice:?} {notes:?}").unwrap();
    }
    assert!(!said.contains("NaN") && !said.contains("inf"), "{said}");
}

#[test]
fn a_line_is_fitted() {
    let trend = Trend::fit(&[(0.0, 10.0), (1.0, 12.0), (2.0, 14.0)]).unwrap();
    assert!(
        (trend.per_second - 2.0).abs() < 1e-12 && (trend.growth - 4.0).abs() < 1e-12 && trend.error < 1e-9
    );
    assert!(trend.always_rises && (trend.late_share - 1.0).abs() < 1e-12);
    assert_eq!(Trend::fit(&[(0.0, 1.0)]), None);
    assert_eq!(Trend::fit(&[(1.0, 1.0), (1.0, 2.0)]), None, "no time passes");
}
