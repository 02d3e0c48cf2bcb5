//! Real profiles are read exactly; whatever else comes is one clear sentence, and never more memory than
//! its size allows.
#![allow(clippy::cast_possible_truncation, reason = "bytes of numbers")]

use std::{
    io::{Read, Write},
    sync::Arc,
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use gomemlimit_pprof::{
    Capture, Decoder, Evidence, FlatCum, Goroutines, Kind, MemStats, Profile, ProfileError, TextError, decode,
};
use proptest::prelude::*;
use rstest::rstest;

/// Captured from tests/cli/diagnose/programs, built with Go 1.27.3 and -trimpath; the second five seconds later.
const FIRST: &[u8] = include_bytes!("data/heap-1.pb.gz");
const SECOND: &[u8] = include_bytes!("data/heap-2.pb.gz");
const GOROUTINE_PROFILE: &[u8] = include_bytes!("data/goroutine.pb.gz");
const CPU_PROFILE: &[u8] = include_bytes!("data/cpu.pb.gz");
const STATISTICS: &str = include_str!("data/heap-1.txt");
const GOROUTINES: &str = include_str!("data/goroutine-1.txt");

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

fn flat(profile: &Profile, function: &str) -> FlatCum {
    profile.stacks(Kind::InuseSpace).functions()[function]
}

/// The figures that `go tool pprof -top -unit=B` prints of the same files.
#[test]
fn a_real_profile_is_read_exactly() {
    let profile = decode(FIRST).unwrap();
    assert_eq!((profile.rate, profile.total(Kind::InuseSpace)), (524_288, 41_981_167));
    assert_eq!(flat(&profile, "main.appendEvent"), FlatCum { flat: 2_641_973, cum: 2_641_973 });
    assert_eq!(flat(&profile, "runtime.main"), FlatCum { flat: 0, cum: 38_814_850 });
    let later = decode(SECOND).unwrap();
    let grown = later.stacks(Kind::InuseSpace).since(&profile.stacks(Kind::InuseSpace));
    assert_eq!(grown.functions()["main.appendEvent"].flat, 12_153_077 - 2_641_973);
    assert_eq!(grown.total(), 51_492_271 - 41_981_167);
    assert!(!grown.functions().contains_key("main.fill"), "what did not change is not in a difference");
}

#[test]
fn plain_protobuf_and_several_gzip_members_are_read_as_well() {
    let plain = gunzip(FIRST);
    let (one, two) = plain.split_at(100);
    for bytes in [plain.clone(), gzip(&plain), [gzip(one), gzip(two)].concat()] {
        assert_eq!(decode(&bytes).unwrap().total(Kind::InuseSpace), 41_981_167);
    }
}

#[rstest]
#[case::nothing(b"", "is empty, not a heap profile")]
#[case::nothing_compressed(&gzip(b""), "is empty, not a heap profile")]
#[case::statistics(STATISTICS.as_bytes(), "is the text of ?debug=1, not a heap profile")]
#[case::goroutines(GOROUTINES.as_bytes(), "is the text of a goroutine profile, not a heap profile")]
#[case::page(b"<!DOCTYPE html><html>", "is a web page, not a heap profile")]
#[case::json(b"{\"error\":1}", "is JSON, not a heap profile")]
#[case::not_found(b"404 page not found\n", "is the answer to a request that failed")]
#[case::text(b"hello, world\n", "is text, not a heap profile")]
#[case::goroutine_profile(GOROUTINE_PROFILE, "is a profile of goroutine/count, not of the heap")]
#[case::cpu_profile(CPU_PROFILE, "is a profile of samples/count, cpu/nanoseconds, not of the heap")]
#[case::cut_off(&FIRST[..FIRST.len() / 2], "is cut off: the gzip data ends early")]
#[case::cut_off_trailer(&FIRST[..FIRST.len() - 3], "is cut off: the gzip data ends early")]
#[case::damaged(&[0x1f, 0x8b, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9], "is damaged: not valid gzip data")]
#[case::binary(&[0xff; 64], "is not a pprof profile: a number has more than ten bytes")]
#[case::cut_off_plain(&gunzip(FIRST)[..1000], "is not a pprof profile: ")]
#[case::no_types(&gzip(&[0x32, 0]), "is not a pprof profile: it names no sample type")]
fn what_is_no_heap_profile_is_one_sentence(#[case] bytes: &[u8], #[case] wanted: &str) {
    let said = decode(bytes).unwrap_err().to_string();
    assert!(said.starts_with(wanted), "{said}");
    assert!(!said.contains('\n') && said.len() < 200, "{said}");
}

/// A message within a message: tag, length, bytes. Lengths below 128.
fn nested(tag: u8, bytes: &[u8]) -> Vec<u8> {
    [&[tag << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

fn number(tag: u8, number: u8) -> Vec<u8> {
    vec![tag << 3, number]
}

/// A heap profile with the one type that must be there, and these parts.
fn profile(parts: &[Vec<u8>]) -> Vec<u8> {
    let names = ["", "inuse_space", "bytes"].map(|name| nested(6, name.as_bytes()));
    let kind = nested(1, &[number(1, 1), number(2, 2)].concat());
    [vec![kind], names.to_vec(), parts.to_vec()].concat().concat()
}

fn sample(location: u8) -> Vec<u8> {
    nested(2, &[number(1, location), number(2, 100)].concat())
}

fn location(id: u8, function: u8) -> Vec<u8> {
    nested(4, &[number(1, id), nested(4, &number(1, function))].concat())
}

#[rstest]
#[case::no_samples(profile(&[]), "is empty: the program sets runtime.MemProfileRate to 0")]
#[case::no_location(profile(&[sample(1)]), "is not a pprof profile: a sample refers to a location that is missing")]
#[case::no_function(profile(&[sample(1), location(1, 9)]), "is not a pprof profile: a location refers to a function that is missing")]
#[case::twice(profile(&[sample(1), location(1, 0), location(1, 0)]), "is not a pprof profile: the id of a location is zero or occurs twice")]
#[case::values(profile(&[nested(2, &number(1, 1)), location(1, 0)]), "is not a pprof profile: a sample has fewer or more values")]
#[case::string(profile(&[nested(1, &[number(1, 99), number(2, 2)].concat()), sample(1)]), "is not a pprof profile: it refers to a string that is missing")]
#[case::not_text(profile(&[nested(6, &[0xff, 0xfe])]), "is not a pprof profile: a string is not UTF-8")]
fn references_that_lead_nowhere_are_one_sentence(#[case] bytes: Vec<u8>, #[case] wanted: &str) {
    let said = decode(&gzip(&bytes)).unwrap_err().to_string();
    assert!(said.starts_with(wanted), "{said}");
}

#[test]
fn code_without_symbols_is_called_as_go_tool_pprof_calls_it() {
    let bytes = profile(&[sample(1), nested(4, &number(1, 1))]);
    let profile = decode(&gzip(&bytes)).unwrap();
    assert_eq!(flat(&profile, "<unknown>").flat, 100);
}

#[test]
fn names_are_without_what_a_terminal_obeys() {
    let function = nested(5, &[number(1, 1), number(2, 3), number(4, 4)].concat());
    let names = ["main.\u{1b}[2Jleak", "/a/\u{202e}og.niam"].map(|name| nested(6, name.as_bytes()));
    let bytes = profile(&[&[sample(1), location(1, 1), function][..], &names].concat());
    let stacks = decode(&gzip(&bytes)).unwrap().stacks(Kind::InuseSpace);
    let (stack, _) = stacks.iter().next().unwrap();
    assert_eq!((&*stack[0].function, &*stack[0].file), ("main.[2Jleak", "/a/og.niam"));
    let text = "goroutine profile: total 1\n1 @ 0x1\n#\t0x1\tmain.\u{1b}[2Jwait+0x1\t\t/a/\u{7}b.go:7\n";
    let group = Goroutines::parse(text).unwrap().groups.remove(0);
    assert_eq!((group.function(), &*group.place), ("main.[2Jwait", "/a/b.go:7"));
}

#[test]
fn a_young_program_may_have_no_sample_yet() {
    let profile = decode(&gzip(&profile(&[number(12, 100)]))).unwrap();
    assert_eq!((profile.total(Kind::InuseSpace), profile.rate), (0, 100));
}

#[test]
fn bombs_are_refused() {
    let large = gzip(&vec![0; 130 << 20]);
    assert!(large.len() < 1 << 20);
    assert!(matches!(decode(&large).unwrap_err(), ProfileError::TooLarge { what: "bytes", .. }));
    // Two bytes each in the file, much more in memory.
    let samples = gzip(&profile(&[nested(2, &[]).repeat(2 << 20)]));
    assert!(matches!(decode(&samples).unwrap_err(), ProfileError::TooLarge { what: "samples", .. }));
    // One location of many lines, named by many samples.
    let lines: Vec<u8> = [number(1, 1), nested(4, &[]).repeat(40)].concat();
    let many = profile(&[nested(4, &lines), sample(1).repeat(100_000)]);
    assert!(matches!(decode(&gzip(&many)).unwrap_err(), ProfileError::TooLarge { what: "frames", .. }));
}

/// Adds a base-128 number.
fn add(bytes: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        bytes.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn varint(number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    add(&mut bytes, number);
    bytes
}

/// A message of any length.
fn long(tag: u8, bytes: &[u8]) -> Vec<u8> {
    [&[tag << 3 | 2][..], &varint(bytes.len()), bytes].concat()
}

/// Different stacks with the given number of frames each, of `locations` locations of one line each.
fn stacks(count: usize, depth: usize, locations: usize) -> Vec<u8> {
    let location = |id: usize| {
        let line = [number(1, 1), vec![2 << 3], varint(id)].concat();
        nested(4, &[vec![1 << 3], varint(id), nested(4, &line)].concat())
    };
    let sample = |mut at: usize| {
        let mut ids = Vec::new();
        for level in 0..depth {
            add(&mut ids, (level * 8 + at % 8) % locations + 1);
            at /= 8;
        }
        long(2, &[long(1, &ids), number(2, 100)].concat())
    };
    let function = nested(5, &[number(1, 1), number(2, 3), number(4, 3)].concat());
    let parts = [
        vec![nested(6, b"main.f"), function],
        (1..=locations).map(location).collect(),
        (0..count).map(sample).collect(),
    ];
    profile(&parts.concat())
}

/// The largest profiles of real programs have some ten thousand stacks, of 20 to 30 frames on average and 128 at most.
#[rstest]
#[case::large_program(16_000, 64, 50_000)]
#[case::deepest_of_all(1_000, 1024, 8_000)]
#[case::many_stacks(100_000, 6, 50_000)]
fn profiles_of_large_programs_are_read(#[case] count: usize, #[case] depth: usize, #[case] locations: usize) {
    let profile = decode(&stacks(count, depth, locations)).unwrap();
    assert_eq!(profile.total(Kind::InuseSpace), 100 * i64::try_from(count).unwrap());
}

#[rstest]
#[case::too_deep(stacks(1, 1025, 8_000), "frames in one stack")]
#[case::too_many_frames(stacks(17_000, 64, 50_000), "frames")]
#[case::too_many_lines(stacks(1, 1, (1 << 18) + 1), "locations")]
#[case::too_deep_by_inlining(
    profile(&[sample(1), long(4, &[number(1, 1), nested(4, &[]).repeat(1025)].concat())]),
    "frames in one stack"
)]
#[case::too_many_lines_by_inlining(
    profile(&(0..9).map(|_| long(4, &[number(1, 1), nested(4, &[]).repeat(30_000)].concat())).collect::<Vec<_>>()),
    "source lines"
)]
fn what_no_program_writes_is_refused(#[case] bytes: Vec<u8>, #[case] wanted: &str) {
    assert!(matches!(decode(&bytes), Err(ProfileError::TooLarge { what, .. }) if what == wanted));
}

#[test]
fn the_profiles_of_a_run_share_their_stacks() {
    let mut decoder = Decoder::default();
    let [first, last] = [FIRST, FIRST].map(|bytes| decoder.decode(bytes).unwrap().stacks(Kind::InuseSpace));
    assert_eq!(first, last);
    assert!(first.iter().all(|(stack, _)| last.iter().any(|(other, _)| Arc::ptr_eq(stack, other))));
}

#[test]
fn of_goroutines_between_the_ends_only_the_number_is_kept() {
    let mut evidence = Evidence::default();
    for _ in 0..4 {
        let goroutines = Goroutines::parse(GOROUTINES).ok();
        evidence.add(Capture { leaked: goroutines.clone(), goroutines, ..Capture::default() });
    }
    // A capture without any is no end.
    evidence.add(Capture::default());
    let groups = |pick: fn(&Capture) -> &Option<Goroutines>| {
        evidence
            .captures
            .iter()
            .filter_map(pick_some(pick))
            .map(|one| (one.total, one.groups.len()))
            .collect::<Vec<_>>()
    };
    let wanted = [(4, 4), (4, 0), (4, 0), (4, 4)];
    assert_eq!(groups(|one| &one.goroutines), wanted);
    assert_eq!(groups(|one| &one.leaked), wanted);
}

fn pick_some(pick: fn(&Capture) -> &Option<Goroutines>) -> impl Fn(&Capture) -> Option<&Goroutines> {
    move |capture| pick(capture).as_ref()
}

/// Each frame is a text of its own.
#[test]
fn frames_of_goroutines_are_bounded() {
    let group = format!("1 @ 0x1\n{}", "#\t0x1\ta\n".repeat(200));
    let text = format!("goroutine profile: total 7\n{}", group.repeat(5_000));
    let goroutines = Goroutines::parse(&text).unwrap();
    let frames: usize = goroutines.groups.iter().map(|group| group.functions.len()).sum();
    assert!(goroutines.total == 7 && (100_000..=1 << 18).contains(&frames), "{frames}");
    assert!(goroutines.groups.iter().all(|group| group.functions.len() <= 128));
}

proptest! {
    #[test]
    fn anything_is_an_error_or_a_profile(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
        let _ = decode(&gzip(&bytes));
        let text = String::from_utf8_lossy(&bytes);
        let _ = (MemStats::parse(&text), Goroutines::parse(&text));
    }

    #[test]
    fn a_damaged_profile_is_an_error_or_a_profile(at in 0_usize..2000, byte in any::<u8>()) {
        let mut plain = gunzip(SECOND);
        let len = plain.len();
        plain[at % len] = byte;
        if let Ok(profile) = decode(&plain) {
            // Saturates, and never overflows.
            let _ = profile.stacks(Kind::InuseSpace).since(&profile.stacks(Kind::AllocSpace)).functions().len();
        }
    }
}

#[test]
fn statistics_are_read() {
    let stats = MemStats::parse(STATISTICS).unwrap();
    assert_eq!((stats.sys, stats.heap_alloc, stats.heap_released), (77_441_304, 59_163_992, 7_512_064));
    assert_eq!((stats.num_gc, stats.paced_gc(), stats.max_rss), (7, 4, 63_713_280));
    assert_eq!(stats.first_gc, Some(1_795_564_885_983_030_747));
    assert_eq!(stats.retained(), 77_441_304 - 7_512_064);
    assert_eq!(MemStats::parse("404 page not found"), Err(TextError::NotHeap));
    let cut_off = &STATISTICS[..STATISTICS.len() - 120];
    assert_eq!(MemStats::parse(cut_off), Err(TextError::NoMemStats));
}

#[test]
fn goroutines_are_read() {
    let goroutines = Goroutines::parse(GOROUTINES).unwrap();
    assert_eq!((goroutines.total, goroutines.groups.len()), (4, 4));
    let waiting =
        goroutines.groups.iter().find(|group| group.functions.first().is_some_and(|f| f == "main.loop"));
    assert_eq!(waiting.unwrap().place, "conditions/main.go:65");
    let accepting = goroutines.groups.iter().find(|group| group.functions.len() == 11).unwrap();
    assert_eq!(
        (accepting.function(), &*accepting.place),
        ("net/http.(*Server).Serve", "net/http/server.go:3574")
    );
    assert_eq!(Goroutines::parse("heap profile: 1"), Err(TextError::NotGoroutines));
}
