//! Looks in, tables out.

use gomemlimit_core::pod::Termination;
use gomemlimit_pprof::{Gomemlimit, Limit};

use super::*;

const MIB: u64 = 1 << 20;

/// A container of 256 MiB after this number of restarts.
fn sample(pod: &str, restarts: u32, resident_mib: u64) -> Sample {
    Sample {
        pod: pod.to_owned(),
        container: "app".to_owned(),
        limit: Limit::Bytes(256 * MIB),
        gomemlimit: Gomemlimit::Unset,
        restarts,
        readings: Readings { resident: Some(resident_mib * MIB), ..Readings::default() },
        ..Sample::default()
    }
}

fn end(reason: &str, exit_code: i32, finished_at: &str) -> Termination {
    Termination { reason: reason.to_owned(), exit_code, finished_at: finished_at.to_owned() }
}

fn observed(samples: impl IntoIterator<Item = Vec<Sample>>) -> Observation {
    let mut recorder = Recorder::default();
    for (count, sample) in (0_u32..).zip(samples) {
        recorder.add(f64::from(count) * 60.0, sample);
    }
    let observation = recorder.observation(Ended::Time);
    Observation { target: "deployment/api".to_owned(), namespace: "shop".to_owned(), ..observation }
}

#[test]
fn what_happened_before_is_not_counted_and_every_end_is_counted_once() {
    let killed = |at| Some((end("OOMKilled", 137, at), false));
    let samples = [
        Sample { end: killed("t0"), ..sample("a", 7, 100) },
        Sample { end: killed("t0"), ..sample("a", 7, 200) },
        // It has ended, and is not restarted yet.
        Sample { end: killed("t1"), ..sample("a", 7, 0) },
        Sample { end: killed("t1"), ..sample("a", 8, 90) },
        // Three restarts, and the ends of two of them were between the samples.
        Sample { end: Some((end("Error", 1, "t2"), false)), ..sample("a", 11, 90) },
    ];
    let observation = observed(samples.map(|sample| vec![sample]));
    let [figures] = &figures(&observation)[..] else { panic!("{observation:?}") };
    assert_eq!((figures.restarts, figures.oom_kills, figures.failed, figures.unseen), (4, 1, 1, 2));
    assert_eq!((figures.peak, figures.peak_share), (Some(200 * MIB), Some(200.0 / 256.0)));
    let times: Vec<_> = observation.containers[0].ends.iter().map(|end| (end.at, end.kind)).collect();
    assert_eq!(times, [(120.0, EndKind::OomKilled), (240.0, EndKind::Failed)]);
}

#[test]
fn a_sigkill_has_its_own_word_and_its_own_count() {
    let killed = |reason, at| Sample { end: Some((end(reason, 137, at), false)), ..sample("a", 1, 90) };
    let samples = [
        sample("a", 0, 90),
        killed("Error", "t1"),
        killed("ContainerStatusUnknown", "t2"),
        killed("OOMKilled", "t3"),
    ];
    let observation = observed(samples.map(|sample| vec![sample]));
    let kinds: Vec<_> = observation.containers[0].ends.iter().map(|end| end.kind).collect();
    assert_eq!(kinds, [EndKind::Sigkilled, EndKind::Failed, EndKind::OomKilled]);
    assert!(
        report(&observation).contains("1 (1 OOMKilled, 1 SIGKILL, 1 failed)"),
        "{}",
        report(&observation)
    );
    let table = comparison(&observation, &observation);
    assert!(table.contains("OOMKilled       1") && table.contains("  by SIGKILL    1"), "{table}");
}

#[test]
fn pods_that_come_later_count_from_their_beginning_and_their_deletion_is_no_end() {
    let later = Sample { end: Some((end("OOMKilled", 137, "t1"), false)), ..sample("b", 1, 250) };
    let deleted =
        Sample { end: Some((end("Error", 137, "t2"), false)), is_ending: true, ..sample("a", 0, 10) };
    let observation = observed([vec![sample("a", 0, 100)], vec![deleted, later], vec![sample("b", 1, 90)]]);
    let [figures] = &figures(&observation)[..] else { panic!("{observation:?}") };
    assert_eq!((figures.pods, figures.restarts, figures.oom_kills, figures.failed), (2, 1, 1, 0));
    assert_eq!((observation.containers[0].to, observation.containers[1].from), (60.0, 60.0));
}

#[test]
fn cpu_time_is_added_up_over_processes() {
    let with = |started, gc, all| {
        let cpu = Some(Cpu { started, gc, all, of: CpuBase::Used });
        vec![Sample { readings: Readings { cpu, ..Readings::default() }, ..sample("a", 0, 0) }]
    };
    let known =
        [(Some(1.0), 1.0, 10.0), (Some(1.0), 2.0, 14.0), (Some(2.0), 0.5, 1.0), (Some(2.0), 0.75, 2.0)];
    // Rounded otherwise, and fallen a little: the same process.
    let samples = [(1.0, 1.0, 1000.0), (2.0, 2.0, 1004.0), (2.0, 2.0, 1003.9)]
        .map(|(at, gc, all)| with(Some(at), gc, all));
    let cpu = observed(samples).containers[0].cpu.unwrap();
    assert_eq!((cpu.gc_seconds, cpu.all_seconds), (1.0, 4.0));
    // Where the start is not known, a counter that falls shows another process.
    for hides_start in [false, true] {
        let samples = known.map(|(started, gc, all)| with(started.filter(|_| !hides_start), gc, all));
        let cpu = observed(samples).containers[0].cpu.unwrap();
        assert_eq!((cpu.gc_seconds, cpu.all_seconds), (1.75, 6.0));
    }
}

#[test]
fn the_peak_of_a_process_counts_unless_it_is_from_before() {
    let with = |peak: u64| {
        let readings = Readings { resident_peak: Some(peak * MIB), ..Readings::default() };
        vec![Sample { readings, ..sample("a", 0, 0) }]
    };
    let peak = |samples: &[u64]| observed(samples.iter().map(|peak| with(*peak))).containers[0].peak;
    assert_eq!(peak(&[200, 200]), None);
    assert_eq!(peak(&[200, 200, 210]), Some(210 * MIB));
    // Another process.
    assert_eq!(peak(&[200, 90]), Some(90 * MIB));
    // Pages of files that are not charged to the container.
    assert_eq!(peak(&[200, 260]), Some(256 * MIB));
}

/// A run as without the label: killed twice, no value.
fn before() -> Observation {
    let cpu = |gc, all| Some(Cpu { started: Some(1.0), gc, all, of: CpuBase::Used });
    let with = |sample: Sample, live: u64, cpu| Sample {
        readings: Readings {
            live_heap: Some(live * MIB),
            gomemlimit: Some(Gomemlimit::Unset),
            cpu,
            ..sample.readings
        },
        ..sample
    };
    observed([
        vec![with(sample("api-1", 0, 180), 150, cpu(0.0, 0.0))],
        vec![with(
            Sample { end: Some((end("OOMKilled", 137, "t1"), false)), ..sample("api-1", 1, 255) },
            151,
            cpu(1.9, 10.0),
        )],
        vec![with(
            Sample { end: Some((end("OOMKilled", 137, "t2"), false)), ..sample("api-1", 2, 120) },
            80,
            cpu(1.9, 10.0),
        )],
    ])
}

/// A run as with it.
fn after() -> Observation {
    let cpu = |gc, all| Some(Cpu { started: Some(1.0), gc, all, of: CpuBase::Used });
    let with = |resident, live: u64, cpu| {
        let sample = sample("api-2", 0, resident);
        let readings = Readings {
            live_heap: Some(live * MIB),
            gomemlimit: Some(Gomemlimit::Bytes(241_591_910)),
            cpu,
            ..sample.readings
        };
        vec![Sample { readings, gomemlimit: Gomemlimit::Bytes(241_591_910), ..sample }]
    };
    observed([with(180, 150, cpu(0.0, 0.0)), with(222, 152, cpu(1.0, 5.0)), with(221, 151, cpu(2.0, 10.0))])
}

#[test]
fn one_observation_as_a_table() {
    let mut observation = before();
    observation.notes.push("something is missing: nobody may read it".to_owned());
    let wanted = "\
deployment/api in namespace shop, 1 pod for 2 min
POD    CONTAINER  LIMIT  GOMEMLIMIT  RESTARTS         MOST MEMORY    LIVE HEAP  GC, OF CPU USED
api-1  app        256Mi  none        2 (2 OOMKilled)  255Mi (100 %)  150Mi      19 %

To know: something is missing: nobody may read it
";
    assert_eq!(report(&observation), wanted);
}

#[test]
fn before_and_after_as_a_table() {
    let wanted = "\
before: deployment/api in namespace shop, 1 pod for 2 min
after:  deployment/api in namespace shop, 1 pod for 2 min

                                     BEFORE  AFTER    CHANGE
GOMEMLIMIT                           none    230.4Mi
memory limit                         256Mi   256Mi
OOMKilled                            2       0        -100 %
restarts                             2       0        -100 %
most memory                          255Mi   222Mi    -13 %
  of the limit                       100 %   87 %     -13 points
live heap, median                    150Mi   151Mi    +1 %
garbage collection, of the CPU used  19 %    20 %     +1 points
";
    assert_eq!(comparison(&before(), &after()), wanted);
}

#[test]
fn what_differs_in_kind_is_not_compared() {
    let mut after = after();
    after.seconds = 600.0;
    after.containers[0].cpu = Some(CpuTime { gc_seconds: 1.0, all_seconds: 10.0, of: CpuBase::Available });
    let mut sidecar = after.containers[0].clone();
    sidecar.container = "proxy".to_owned();
    sidecar.restarts = 3;
    sidecar.ends = vec![End { kind: EndKind::MalformedGomemlimit, exit_code: 2, ..End::default() }];
    after.containers.push(sidecar);
    let text = comparison(&before(), &after);
    for line in [
        "container app",
        "container proxy",
        "garbage collection, of the CPU used  19 %    -",
        "garbage collection, of all CPU       -       10 %",
        "restarts                        -       3",
        "  malformed GOMEMLIMIT          -       1",
        "  for a reason not seen         -       2",
        "To know: the two were observed for different times: restarts and OOM kills do not compare",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    // One container on each side is the same, whatever it is called.
    after.containers.remove(0);
    assert_eq!(compare(&before(), &after).len(), 1);
}

#[test]
fn what_is_saved_can_be_read_again_and_nothing_else() {
    let observation = before();
    let text = serde_json::to_string(&observation).unwrap();
    assert_eq!(Observation::parse(&text).unwrap(), observation);
    // A later release may add fields.
    let more = text.replacen('{', "{\"new\":[1],", 1);
    assert_eq!(Observation::parse(&more).unwrap(), observation);
    let next = text.replace("\"version\":1", "\"version\":2");
    let said = |text: &str| Observation::parse(text).unwrap_err().to_string();
    assert!(said(&next).starts_with("is of version 2, and this program knows version 1"), "{}", said(&next));
    assert_eq!(said("{}"), "is not what observe --save writes");
    assert!(said("[").starts_with("is not what observe --save writes: EOF"), "{}", said("["));
}

#[test]
fn the_picture_has_what_the_legend_says() {
    let svg = svg(Some(&before()), &after());
    for text in [
        "Memory of deployment/api<",
        ">before<",
        ">GOMEMLIMIT none<",
        ">2 × OOMKilled<",
        ">after<",
        ">GOMEMLIMIT 230.4Mi<",
        ">memory limit 256Mi<",
        ">seconds<",
    ] {
        assert!(svg.contains(text), "{text} is not in {svg}");
    }
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    // Nothing at all is a picture, too.
    assert!(super::svg(None, &Observation::default()).ends_with("</svg>\n"));
}
