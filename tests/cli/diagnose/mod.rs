//! `gomemlimit diagnose` as a user runs it, on files and on servers that answer what they should not.
//! The verdicts on real programs are tested in tests/cli/diagnose/programs/mod.rs.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gomemlimit_procfs::Process;
use rstest::rstest;
use serde_json::Value;

use gomemlimit_fake_api_server::CommandOutput;

mod pod;
mod programs;
mod save;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/pprof/tests/data");
const HEAP_1: &str = "crates/pprof/tests/data/heap-1.pb.gz";
const HEAP: &[u8] = include_bytes!("../../../crates/pprof/tests/data/heap-1.pb.gz");
const GOROUTINE_PROFILE: &[u8] = include_bytes!("../../../crates/pprof/tests/data/goroutine.pb.gz");
const STATISTICS: &str = include_str!("../../../crates/pprof/tests/data/heap-1.txt");
const GOROUTINES: &str = include_str!("../../../crates/pprof/tests/data/goroutine-1.txt");

fn diagnose(arguments: &[&str]) -> CommandOutput {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gomemlimit"));
    // No cluster, whatever the machine has.
    command.env("KUBECONFIG", "/nonexistent/kubeconfig").env("HOME", "/nonexistent");
    command.env_remove("KUBERNETES_SERVICE_HOST");
    let output = command.arg("diagnose").args(arguments).output().unwrap();
    output.into()
}

type Page = (u16, Vec<u8>);

/// A server that answers each GET with what `answer` makes of its path and of how many came before.
fn serve(answer: impl Fn(&str, usize) -> Option<Page> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (answer, count) = (Arc::new(answer), AtomicUsize::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let Some(head) = lines.next() else { continue };
            let _ = lines.find(String::is_empty);
            let path = head.split(' ').nth(1).unwrap_or_default();
            // `None` closes the connection without a word.
            let Some((status, body)) = answer(path, count.fetch_add(1, Ordering::Relaxed)) else { continue };
            let head =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    url
}

/// What a real program answers, but for the heap profile.
fn pprof(path: &str, heap: &[u8]) -> Page {
    let body = match path {
        "/debug/pprof/heap?gc=1&debug=1" => STATISTICS.as_bytes(),
        "/debug/pprof/heap" => heap,
        "/debug/pprof/goroutine?debug=1" => GOROUTINES.as_bytes(),
        _ => return (404, b"404 page not found\n".to_vec()),
    };
    (200, body.to_vec())
}

#[rstest]
#[case::web_page(b"<html>", "is a web page, not a heap profile")]
#[case::other_type(GOROUTINE_PROFILE, "is a profile of goroutine/count, not of the heap")]
#[case::cut_off(&HEAP[..400], "is cut off: the gzip data ends early; capture it again")]
#[case::nothing(b"", "is empty, not a heap profile")]
// Sample type inuse_space/bytes and no samples, as with MemProfileRate=0.
#[case::rate_zero(
    b"\x0a\x04\x08\x01\x10\x02\x32\x00\x32\x0binuse_space\x32\x05bytes",
    "sets runtime.MemProfileRate to 0"
)]
fn a_server_without_a_heap_profile(#[case] heap: &'static [u8], #[case] wanted: &str) {
    let url = serve(move |path, _| Some(pprof(path, heap)));
    diagnose(&["--url", &url]).is_refused(wanted);
}

#[test]
fn a_server_without_pprof() {
    let url = serve(|_, _| Some((404, b"404 page not found\n".to_vec())));
    diagnose(&["--url", &url])
        .is_refused("answered with HTTP 404 to /debug/pprof/heap: there is no pprof; import net/http/pprof");
    let url = serve(|_, _| Some((403, b"go away\nnow\n".to_vec())));
    diagnose(&["--url", &url])
        .is_refused("/debug/pprof/heap?gc=1&debug=1 answered with HTTP 403 Forbidden: go away");
    let url = serve(|_, _| Some((200, b"hello".to_vec())));
    diagnose(&["--url", &url]).is_refused("is not the text of /debug/pprof/heap?debug=1");
    let url = serve(|_, _| None);
    diagnose(&["--url", &url]).is_refused(&url);
    diagnose(&["--url", "http://127.0.0.1:1"])
        .is_refused("cannot connect to http://127.0.0.1:1: Connection refused");
    diagnose(&["--url", "https://127.0.0.1:1"])
        .is_refused("is not an http:// URL; for pprof behind TLS forward a port");
}

#[test]
fn a_process_that_ends_half_way_leaves_what_was_captured() {
    // Four requests a capture and one for metrics; the second capture fails.
    let url = serve(|path, count| (count < 5).then(|| pprof(path, HEAP)));
    let output = diagnose(&["--url", &url, "--interval", "10ms"]);
    output.is_refused("; the 1 capture before that lie in ");
    let folder = output.stderr.trim().rsplit(' ').next().unwrap();
    assert_eq!(fs::read(Path::new(folder).join("heap-1.pb.gz")).unwrap(), HEAP);
    let again = diagnose(&["-f", folder, "-o", "json"]);
    assert_eq!((again.code, again.json()["verdict"].as_str()), (0, Some("inconclusive")), "{}", again.stderr);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_process_that_was_restarted_is_another_one() {
    let url = serve(|path, count| {
        let (status, body) = pprof(path, HEAP);
        let fewer = |text: &str| text.replace("# Mallocs = 162467", "# Mallocs = 7").into_bytes();
        Some((status, if count < 5 { body } else { fewer(&String::from_utf8_lossy(&body)) }))
    });
    let output = diagnose(&["--url", &url, "--interval", "10ms"]);
    output.is_refused("the process was restarted between two captures");
    fs::remove_dir_all(output.stderr.trim().rsplit(' ').next().unwrap()).unwrap();
}

fn data(name: &str) -> String {
    format!("{DATA}/{name}")
}

#[rstest]
#[case::missing(&["-f", "./nothing.pb.gz"], "cannot read ./nothing.pb.gz")]
#[case::text(&["-f", "README.md"], "README.md is text, not a heap profile")]
#[case::folder(&["-f", "src", "docs"], "cannot read src: Is a directory")]
#[case::other_folder(&["-f", "src"], "src is not a folder that --save wrote: cannot read capture.json")]
#[case::other_type(&["-f", "crates/pprof/tests/data/cpu.pb.gz"], "is a profile of samples/count, cpu/nanoseconds, not of the heap")]
#[case::only_texts(&["-f", "crates/pprof/tests/data/heap-1.txt"], "there is no heap profile among the files")]
#[case::twice(&["-f", HEAP_1, "-f", HEAP_1], "are of the same moment; give captures of different times")]
#[case::no_name(&["Not_A_Pod"], "\"Not_A_Pod\" is not a name of Kubernetes")]
#[case::no_cluster(&["api-7d9c5b6f4-x2x9k"], "no cluster is configured: /nonexistent/kubeconfig does not exist")]
#[case::svg(&["-f", "src", "--svg", "/nonexistent/growth.svg"], "cannot write /nonexistent/growth.svg")]
fn what_cannot_be_looked_at(#[case] arguments: &[&str], #[case] wanted: &str) {
    diagnose(arguments).is_refused(wanted);
}

#[rstest]
#[case(&["--limit", "900M1", "x"], "is not a Kubernetes quantity")]
#[case(&["--limit", "0", "x"], "must be more than 0")]
#[case(&["--fail-on", "leak", "x"], "is none of misconfigured, goroutine-leak, heap-leak")]
#[case(&["--captures", "0", "x"], "0 is not in 1..=1000")]
#[case(&["--interval", "0s", "x"], "must be more than 0s")]
#[case(&[], "required arguments were not provided")]
fn arguments_that_make_no_sense(#[case] arguments: &[&str], #[case] wanted: &str) {
    let output = diagnose(arguments);
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains(wanted), "{}", output.stderr);
}

#[test]
fn two_files_show_a_difference_and_no_trend() {
    let files = ["heap-2.pb.gz", "heap-1.pb.gz", "heap-1.txt", "goroutine-1.txt"].map(data);
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    let report = diagnose(&[&["-f"], &files[..], &["--limit", "256Mi", "-o", "json"]].concat()).json();
    assert_eq!(report["verdict"], "inconclusive");
    let grown = &report["figures"]["growingStacks"][0];
    assert_eq!(
        (grown["function"].as_str(), grown["growth"].as_u64()),
        (Some("main.appendEvent"), Some(12_153_077 - 2_641_973))
    );
    assert_eq!(grown["place"], "leaks.go:42");
    assert_eq!(report["figures"]["goroutines"], Value::Null, "the text belongs to the first");
}

#[test]
fn a_malformed_value_needs_no_capture() {
    let arguments = ["--url", "http://127.0.0.1:1", "--gomemlimit", "900Mi"];
    let output = diagnose(&arguments);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stdout.starts_with("misconfigured: GOMEMLIMIT=900Mi is malformed: "), "{}", output.stdout);
    let failing = diagnose(&[&arguments[..], &["--fail-on", "heap-leak,misconfigured"]].concat());
    assert_eq!(failing.code, 1);
    assert_eq!(diagnose(&[&arguments[..], &["--fail-on", "heap-leak"]].concat()).code, 0);
}

/// A heap profile of this number of stacks of 1024 frames, all of them different, from 40 KB.
fn deep(stacks: u32, time: u8) -> Vec<u8> {
    let nested = |tag: u8, bytes: &[u8]| {
        let len = bytes.len();
        let len = [u8::try_from(len & 0x7f).unwrap() | 0x80, u8::try_from(len >> 7).unwrap()];
        [&[tag << 3 | 2][..], &len, bytes].concat()
    };
    let names = ["", "inuse_space", "bytes", "main.f"].map(|name| nested(6, name.as_bytes()));
    let lines = |line| nested(4, &[8, 1, 16, line]).repeat(128);
    let locations = (1..=8).map(|id| nested(4, &[&[8, id][..], &lines(id)].concat()));
    let samples = (0..stacks).map(|at| {
        let ids = (0..8).flat_map(|digit| [8, u8::try_from(at >> (3 * digit) & 7).unwrap() + 1]);
        nested(2, &ids.chain([16, 100]).collect::<Vec<_>>())
    });
    let head = [nested(1, &[8, 1, 16, 2]), nested(5, &[8, 1, 16, 3, 32, 3]), vec![9 << 3, time, 12 << 3, 1]];
    let parts: Vec<_> = head.into_iter().chain(names).chain(locations).chain(samples).flatten().collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&parts).unwrap();
    encoder.finish().unwrap()
}

/// A tenant's program may answer anything to whoever looks at it.
#[test]
fn a_hostile_profile_takes_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let file = |stacks: u32, time: u8| {
        let (path, bytes) = (folder.path().join(format!("{stacks}-{time}.pb.gz")), deep(stacks, time));
        assert!(bytes.len() < 50_000, "{}", bytes.len());
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    diagnose(&["-f", &file(8192, 1)]).is_refused("is too large: more than 1048576 frames");
    let mut command = Command::new(env!("CARGO_BIN_EXE_gomemlimit"));
    command.args(["diagnose", "-o", "json", "-f", &file(1024, 1), &file(1023, 2), &file(1022, 3)]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let (process, mut peak) = (Process(child.id()), 0);
    while child.try_wait().unwrap().is_none() {
        peak = process.status("VmHWM").unwrap_or_default().max(peak);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(child.wait().unwrap().success() && peak > 0);
    assert!(peak < 150 << 10, "{peak} KiB");
}

#[test]
fn the_verdict_is_printed_whether_or_not_there_is_something_to_draw() {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("growth.svg");
    let files = || fs::read_dir(folder.path()).unwrap().count();
    let arguments = ["--url", "http://127.0.0.1:1", "--gomemlimit", "12x", "--svg", svg.to_str().unwrap()];
    let output = diagnose(&arguments);
    assert_eq!(
        (output.code, &*output.stderr),
        (0, "note: there is no profile to draw, so there is no picture\n")
    );
    assert!(output.stdout.starts_with("misconfigured: GOMEMLIMIT=12x is malformed"), "{}", output.stdout);
    assert_eq!(files(), 0);
    // What an earlier run has drawn stays, whatever the outcome of this one.
    fs::write(&svg, "earlier").unwrap();
    assert_eq!(diagnose(&arguments).code, 0);
    assert_eq!(diagnose(&["--url", "http://127.0.0.1:1", "--svg", svg.to_str().unwrap()]).code, 2);
    assert_eq!((fs::read_to_string(&svg).unwrap().as_str(), files()), ("earlier", 1));
    let output = diagnose(&["-f", &*data("heap-1.pb.gz"), "--svg", svg.to_str().unwrap()]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(fs::read_to_string(&svg).unwrap().contains("<svg"));
    assert_eq!(files(), 1);
}

#[test]
fn nothing_that_a_terminal_obeys_is_printed() {
    let output = diagnose(&["--url", "http://127.0.0.1:1", "--gomemlimit", "\x1b[2J9Mi"]);
    assert!(
        output.stdout.starts_with("misconfigured: GOMEMLIMIT=\\u{1b}[2J9Mi is malformed"),
        "{}",
        output.stdout
    );
    assert!(!output.stdout.contains('\x1b'));
    // Names from the texts of the program.
    let url = serve(|path, count| {
        let (status, body) = pprof(path, HEAP);
        let text =
            "goroutine profile: total COUNT\nCOUNT @ 0x1\n#\t0x1\tmain.\x1b[2Jleak+0x1\t\t/a/\u{9b}2J.go:7\n";
        let text = text.replace("COUNT", &(1000 * (count + 1)).to_string());
        Some((status, if path.starts_with("/debug/pprof/goroutine?") { text.into_bytes() } else { body }))
    });
    let output = diagnose(&["--url", &url, "--interval", "10ms"]);
    assert!(output.stdout.contains("main.[2Jleak (2J.go:7)"), "{}", output.stdout);
    assert!(!output.stdout.contains(['\x1b', '\u{9b}']), "{}", output.stdout);
}

#[test]
fn a_picture_is_not_drawn_over_a_profile() {
    let folder = tempfile::tempdir().unwrap();
    let heap = folder.path().join("heap.pb.gz");
    fs::write(&heap, HEAP).unwrap();
    fs::hard_link(&heap, folder.path().join("link.svg")).unwrap();
    let detour = folder.path().join("./heap.pb.gz");
    for svg in [detour, folder.path().join("link.svg")] {
        let output = diagnose(&["-f", heap.to_str().unwrap(), "--svg", svg.to_str().unwrap()]);
        output.is_refused("--svg would overwrite ");
        assert_eq!(fs::read(&heap).unwrap(), HEAP);
    }
}
