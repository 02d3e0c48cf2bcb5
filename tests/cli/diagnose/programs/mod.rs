//! Real Go programs that really have each condition, and the verdict on each:
//! `cargo test --test integration -- --ignored --skip diagnose::programs::matrix`; the full matrix by tests/cli/diagnose/matrix.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use gomemlimit_pprof::Verdict;
use serde_json::Value;

/// The oldest release that is supported for building, and the newest.
const VERSIONS: [&str; 2] = ["1.22.10", "1.27.3"];
/// Programs that run at a time: most of them sleep.
const AT_A_TIME: usize = 3;
/// Four captures in nine seconds instead of 45.
const INTERVAL: &str = "3s";
const LIMIT: &str = "256Mi";
/// 90 % of it.
const INJECTED: &str = "GOMEMLIMIT=241591910";

/// A program's condition, and the verdict that it deserves.
struct Case {
    name: &'static str,
    mode: &'static str,
    live_mib: &'static str,
    environment: &'static str,
    limit: &'static str,
    wanted: &'static str,
}

const fn case(name: &'static str, mode: &'static str, live_mib: &'static str, wanted: &'static str) -> Case {
    Case { name, mode, live_mib, environment: "", limit: LIMIT, wanted }
}

const CASES: &[Case] = &[
    case("stable, half of the limit, garbage", "tuning", "135", "tuning"),
    case("stable, 78 % of the limit", "undersized", "200", "undersized"),
    case("map that only grows", "heap-leak-map", "40", "heap-leak"),
    case("slice that only grows", "heap-leak-slice", "40", "heap-leak"),
    Case { environment: INJECTED, ..case("leak under GOMEMLIMIT", "heap-leak-limited", "60", "heap-leak") },
    case("response bodies never closed", "unclosed-bodies", "0", "goroutine-leak"),
    case("goroutines that wait forever", "goroutine-leak", "0", "goroutine-leak"),
    case("mmap", "off-heap", "100", "off-heap"),
    case("malloc of C", "off-heap-cgo", "100", "off-heap"),
    case("few survivors in many spans", "fragmented", "160", "fragmented"),
    Case {
        environment: "GOMEMLIMIT=115MiB",
        limit: "512Mi",
        ..case("GOMEMLIMIT just above the live heap", "gc-thrash", "100", "gc-thrash")
    },
    Case { environment: INJECTED, ..case("small heap, value injected", "healthy", "40", "healthy") },
    case("a huge body, once", "burst", "250", "burst"),
    Case { limit: "512Mi", ..case("a cache that is filling", "inconclusive", "10", "inconclusive") },
    // A Kubernetes quantity: the program dies before main.
    Case { environment: "GOMEMLIMIT=512Mi", ..case("malformed value", "healthy", "40", "misconfigured") },
];

/// Builds the program with this release of Go.
fn build(version: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(root.join("tests/go/toolchain")).arg(version).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let go = String::from_utf8(output.stdout).unwrap();
    let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("conditions-{version}"));
    let built = Command::new(go.trim())
        .args(["build", "-buildvcs=false", "-o"])
        .arg(&binary)
        .arg(".")
        .current_dir(root.join("tests/cli/diagnose/programs"))
        .envs([("GOTOOLCHAIN", "local"), ("GOPROXY", "off"), ("GOFLAGS", ""), ("GOWORK", "off")])
        // One condition is memory of C; whoever builds Rust has a compiler for it.
        .envs([("CGO_ENABLED", "1"), ("GOENV", "off"), ("GO111MODULE", "on")])
        .env_remove("GOROOT")
        .status()
        .unwrap();
    assert!(built.success());
    binary
}

/// A running program; it ends with the test.
struct Program {
    child: Child,
    url: String,
}

impl Program {
    /// `None` where it ended before it listened: with exit code 2 and the runtime's word on GOMEMLIMIT.
    fn start(binary: &Path, case: &Case) -> Option<Self> {
        let mut command = Command::new(binary);
        command.args(["-mode", case.mode, "-live", case.live_mib, "-metrics"]);
        command.env_remove("GOMEMLIMIT").env_remove("GOGC").env_remove("GODEBUG");
        command.envs(case.environment.split_once('='));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if let Some(address) = line.trim_end().strip_prefix("listening on ") {
            return Some(Self { child, url: format!("http://{address}") });
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{}: {said}", case.name);
        assert!(said.contains("malformed GOMEMLIMIT"), "{}: {said}", case.name);
        None
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The JSON of `gomemlimit diagnose` for it.
fn diagnose(binary: &Path, case: &Case) -> Value {
    let program = Program::start(binary, case);
    let nowhere = "http://127.0.0.1:1".to_owned();
    let url = program.as_ref().map_or(&nowhere, |program| &program.url);
    let mut command = Command::new(env!("CARGO_BIN_EXE_gomemlimit"));
    command.args(["diagnose", "--url", url, "--limit", case.limit, "--interval", INTERVAL, "-o", "json"]);
    // As in a pod, where the value is read from its environment.
    let value = case.environment.split_once('=').map_or("off", |(_, value)| value);
    let output = command.args(["--gomemlimit", value]).output().unwrap();
    assert!(output.status.success(), "{}: {}", case.name, String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Judges each of these, a few at a time.
fn judge_all(jobs: &[(&Path, &Case)]) -> Vec<Value> {
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(vec![Value::Null; jobs.len()]);
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((at, (binary, case))) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, jobs.get(at)?)))
                {
                    let report = diagnose(binary, case);
                    println!("{}: {}: {}", case.name, report["verdict"], report["sentence"]);
                    reports.lock().unwrap()[at] = report;
                }
            });
        }
    });
    reports.into_inner().unwrap()
}

#[test]
fn every_verdict_has_a_program_and_the_page_has_every_program() {
    for verdict in Verdict::ALL {
        assert!(CASES.iter().any(|case| case.wanted == verdict.as_str()), "no case wants {verdict}");
    }
    let programs = ["leaks", "steady", "cgo"].map(|name| {
        let path = format!("tests/cli/diagnose/programs/{name}.go");
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
    });
    let (programs, page) = (programs.concat(), include_str!("../../../../docs/diagnose.md"));
    for Case { name, mode, wanted, .. } in CASES {
        assert!(programs.contains(&format!("conditions[\"{mode}\"]")), "no program has the mode {mode}");
        let row = format!("| {name} | `{wanted}` | {wanted} ");
        assert!(
            page.contains(&row),
            "docs/diagnose.md lacks the row that tests/cli/diagnose/matrix prints: {row}"
        );
    }
}

#[test]
#[ignore = "fetches Go toolchains, takes a minute"]
fn every_condition_gets_its_verdict() {
    let binaries = VERSIONS.map(build);
    // Half of the conditions by each release, so that all of it takes little more than a minute.
    let jobs: Vec<_> =
        CASES.iter().zip(binaries.iter().cycle()).map(|(case, binary)| (&**binary, case)).collect();
    let reports = judge_all(&jobs);
    let mut wrong = Vec::new();
    for (case, report) in CASES.iter().zip(&reports) {
        if report["verdict"] != case.wanted {
            wrong.push(format!("{}: {report:#}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let of = |mode: &str| &reports[CASES.iter().position(|case| case.mode == mode).unwrap()];
    assert_eq!(of("heap-leak-map")["figures"]["growingStacks"][0]["function"], "main.remember");
    assert_eq!(of("heap-leak-slice")["figures"]["growingStacks"][0]["function"], "main.appendEvent");
    assert!(of("heap-leak-map")["eta"]["oomSeconds"].as_f64().unwrap() > 10.0);
    assert!(of("unclosed-bodies")["advice"][0].as_str().unwrap().contains("response.Body.Close()"));
    let waiting = &of("goroutine-leak")["figures"]["addedGoroutines"][0]["functions"];
    assert!(waiting.as_array().unwrap().contains(&"main.receive".into()), "{waiting}");
    assert_eq!(of("tuning")["recommendedGomemlimit"], 241_591_910);
}

/// The confusion matrix, as Markdown. RUNS times each condition by each release; ONLY one of them.
#[test]
#[ignore = "takes many minutes; run by tests/cli/diagnose/matrix"]
fn matrix() {
    let runs: usize = std::env::var("RUNS").map_or(5, |runs| runs.parse().unwrap());
    let only = std::env::var("ONLY").unwrap_or_default();
    let binaries = VERSIONS.map(build);
    let cases = || CASES.iter().filter(|case| only.is_empty() || case.mode == only);
    let jobs: Vec<_> = (0..runs)
        .flat_map(|_| cases().flat_map(|case| binaries.iter().map(move |binary| (&**binary, case))))
        .collect();
    assert!(!jobs.is_empty(), "ONLY={only} is no mode of the program");
    let reports = judge_all(&jobs);

    let mut counts: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let (mut right, mut missed) = (0, Vec::new());
    for ((_, case), report) in jobs.iter().zip(&reports) {
        let got = report["verdict"].as_str().unwrap();
        *counts.entry((case.name, got.to_owned())).or_default() += 1;
        right += usize::from(got == case.wanted);
        if case.wanted.ends_with("leak") && ["healthy", "tuning"].contains(&got) {
            missed.push(format!("{}: {report:#}", case.name));
        }
    }
    println!("\n| condition | verdict wanted | got |\n|---|---|---|");
    for case in cases() {
        let got = counts.iter().filter(|((name, _), _)| *name == case.name);
        let got: Vec<_> = got.map(|((_, verdict), count)| format!("{verdict} {count}")).collect();
        println!("| {} | `{}` | {} |", case.name, case.wanted, got.join(", "));
    }
    let total = jobs.len();
    println!("\n{right} of {total} right; {runs} runs each on Go {}.", VERSIONS.join(" and "));
    assert!(missed.is_empty(), "leaks that were missed: {}", missed.join("\n"));
    assert!(right * 100 >= total * 95, "{right} of {total}");
}
