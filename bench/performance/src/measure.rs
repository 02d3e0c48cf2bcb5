//! The measurement: every candidate in turn, round after round, so that what disturbs the machine disturbs all.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use gomemlimit_bench::statistics::median;
use gomemlimit_procfs::{Cpu, Machine};
use serde_json::Value;

use crate::{
    candidates::{Kind, Programs, Server},
    load,
    record::{Candidate, Closed, Open, Results, Tools},
    reviews::{self, Review},
};

/// Review, connections, whether they are kept.
const CLOSED: [(&str, u32, bool); 10] = [
    ("3 KB", 1, true),
    ("3 KB", 16, true),
    ("3 KB", 64, true),
    ("3 KB", 256, true),
    ("3 KB", 16, false),
    ("12 KB", 16, true),
    ("12 KB", 64, true),
    ("100 KB", 16, true),
    ("534 KB", 4, true),
    ("534 KB", 16, true),
];
/// Review and rate a second: what a busy cluster asks for, and what the slowest still keeps up with.
const OPEN: [(&str, u32); 5] =
    [("3 KB", 100), ("3 KB", 1000), ("3 KB", 2000), ("100 KB", 50), ("534 KB", 20)];

/// What is measured, and how long.
pub struct Schedule {
    closed: Vec<(&'static str, u32, bool)>,
    open: Vec<(&'static str, u32)>,
    seconds: u32,
    rounds: usize,
}

impl Schedule {
    pub fn whole(seconds: u32, rounds: usize) -> Self {
        Self { closed: CLOSED.into(), open: OPEN.into(), seconds, rounds }
    }

    /// What the aims are about.
    pub fn short() -> Self {
        let closed = CLOSED.into_iter().filter(|(review, connections, kept)| {
            *kept && matches!((*review, *connections), ("3 KB", 16 | 64) | ("534 KB", 16))
        });
        let open = OPEN.into_iter().filter(|(review, rate)| (*review, *rate) == ("3 KB", 1000));
        Self { closed: closed.collect(), open: open.collect(), seconds: 1, rounds: 1 }
    }
}

/// All of it.
pub fn run(programs: &Programs, schedule: &Schedule) -> Result<Results> {
    let folder = programs.folder();
    let reviews = reviews::write(folder)?;
    let Schedule { seconds, rounds, .. } = *schedule;
    let answers = answers(programs, &reviews)?;
    let of = |name: &str| {
        reviews.iter().zip(&answers).find(|(review, _)| review.name == name).context(name.to_owned())
    };
    let (mut all_closed, mut open, mut candidates) = (Vec::new(), Vec::new(), Vec::new());
    for kind in Kind::ALL {
        candidates.push(candidate(kind, programs, &answers[0], rounds)?);
    }
    for &(name, connections, keep_alive) in &schedule.closed {
        let (review, answer) = of(name)?;
        let mut runs = Vec::new();
        for _ in 0..rounds {
            for kind in Kind::ALL {
                let server = Server::start(kind, programs, answer)?;
                let how = (connections, keep_alive);
                runs.push(self::closed(kind.name(), &server, review, how, seconds, folder)?);
                eprintln!("{:?}", runs.last());
            }
        }
        all_closed.extend(Kind::ALL.map(|kind| median_closed(&runs, kind.name())));
    }
    for &(name, rate) in &schedule.open {
        let (review, answer) = of(name)?;
        let mut runs = Vec::new();
        for _ in 0..rounds {
            for kind in Kind::ALL {
                let server = Server::start(kind, programs, answer)?;
                let before = server.process().cpu()?;
                let report = load::vegeta(&server, &review.path, rate, seconds, folder)?;
                let (own, kernel) = used(before, server.process().cpu()?, report.requests);
                runs.push(Open {
                    candidate: kind.name().to_owned(),
                    review: name.to_owned(),
                    rate,
                    p50_us: report.latencies.p50 / 1e3,
                    p99_us: report.latencies.p99 / 1e3,
                    success: report.success,
                    cpu_us: own + kernel,
                });
                eprintln!("{:?}", runs.last());
            }
        }
        open.extend(Kind::ALL.map(|kind| median_open(&runs, kind)));
    }
    Ok(Results {
        machine: tools()?,
        seconds,
        rounds,
        candidates,
        closed: all_closed,
        open,
        pods: None,
        kyverno: Vec::new(),
        profiles: Vec::new(),
    })
}

/// What gomemlimit answers to each review, for the floor; and that the peer does the same job.
fn answers(programs: &Programs, reviews: &[Review]) -> Result<Vec<PathBuf>> {
    let nothing = programs.folder().join("nothing");
    fs::write(&nothing, "{}")?;
    let peer = Server::start(Kind::ControllerRuntime, programs, &nothing)?;
    let ours = Server::start(Kind::Gomemlimit, programs, &nothing)?;
    let answer = |review: &Review| {
        same_job([&peer, &ours], review)?;
        let path = programs.folder().join(format!("{}.answer", review.name));
        fs::write(&path, load::answer(&ours, &review.path)?)?;
        Ok(path)
    };
    reviews.iter().map(answer).collect()
}

/// That both give the pod the same values.
pub fn same_job(servers: [&Server; 2], review: &Review) -> Result<()> {
    let sent = fs::read_to_string(&review.path)?;
    let values = servers.map(|server| injected(&sent, &load::answer(server, &review.path)?));
    let [one, other] = values;
    let (one, other) = (one?, other?);
    ensure!(!one.is_empty() && one == other, "{}: not the same job: {one:?} {other:?}", review.name);
    Ok(())
}

/// The values that an answer brings into its pod.
fn injected(review: &str, answer: &[u8]) -> Result<Vec<String>> {
    let review: Value = serde_json::from_str(review)?;
    let answer: Value = serde_json::from_slice(answer).context("the answer is not JSON")?;
    let patch = answer.pointer("/response/patch").cloned().context("there is no patch")?;
    let patch: k8s_openapi::ByteString = serde_json::from_value(patch)?;
    let patch: json_patch::Patch = serde_json::from_slice(&patch.0)?;
    let mut pod = review.pointer("/request/object").cloned().context("there is no pod")?;
    json_patch::patch(&mut pod, &patch)?;
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten();
    let env = containers.flat_map(|container| container["env"].as_array().cloned().unwrap_or_default());
    Ok(env.filter(|env| env["name"] == "GOMEMLIMIT").map(|env| env["value"].to_string()).collect())
}

fn candidate(kind: Kind, programs: &Programs, answer: &Path, rounds: usize) -> Result<Candidate> {
    let (mut ready, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..rounds.max(3) {
        let server = Server::start(kind, programs, answer)?;
        ready.push(server.ready.as_secs_f64() * 1e3);
        sleep(Duration::from_secs(1));
        idle.push(server.process().status("VmRSS")? as f64);
    }
    Ok(Candidate {
        name: kind.name().to_owned(),
        binary_bytes: fs::metadata(kind.program(programs))?.len(),
        ready_ms: median(ready),
        idle_kib: median(idle) as u64,
    })
}

/// Reviews as fast as they are answered, over a number of connections that are kept or not.
pub fn closed(
    name: &str,
    server: &Server,
    review: &Review,
    (connections, keep_alive): (u32, bool),
    seconds: u32,
    folder: &Path,
) -> Result<Closed> {
    let before = server.process().cpu()?;
    let wrk = load::wrk(server, &review.path, connections, keep_alive, seconds, folder)?;
    let (own, kernel) = used(before, server.process().cpu()?, wrk.requests);
    Ok(Closed {
        candidate: name.to_owned(),
        review: review.name.to_owned(),
        connections,
        keep_alive,
        requests_per_second: wrk.requests as f64 * 1e6 / wrk.microseconds as f64,
        p50_us: wrk.p50,
        p99_us: wrk.p99,
        errors: wrk.errors,
        cpu_us: own + kernel,
        kernel_us: kernel,
        peak_kib: server.process().status("VmHWM")?,
    })
}

/// Microseconds of a request: of the program, and of the kernel.
fn used(before: Cpu, after: Cpu, requests: u64) -> (f64, f64) {
    let each = |before: Duration, after: Duration| {
        after.saturating_sub(before).as_secs_f64() * 1e6 / requests.max(1) as f64
    };
    (each(before.own, after.own), each(before.kernel, after.kernel))
}

/// The middle of each figure, of one candidate.
pub fn median_closed(runs: &[Closed], name: &str) -> Closed {
    let runs: Vec<&Closed> = runs.iter().filter(|run| run.candidate == name).collect();
    let of = |figure: fn(&Closed) -> f64| median(runs.iter().map(|run| figure(run)).collect());
    Closed {
        requests_per_second: of(|run| run.requests_per_second),
        p50_us: of(|run| run.p50_us),
        p99_us: of(|run| run.p99_us),
        // None is forgiven.
        errors: runs.iter().map(|run| run.errors).sum(),
        cpu_us: of(|run| run.cpu_us),
        kernel_us: of(|run| run.kernel_us),
        peak_kib: runs.iter().map(|run| run.peak_kib).max().unwrap_or_default(),
        ..runs[0].clone()
    }
}

fn median_open(runs: &[Open], kind: Kind) -> Open {
    let runs: Vec<&Open> = runs.iter().filter(|run| run.candidate == kind.name()).collect();
    let of = |figure: fn(&Open) -> f64| median(runs.iter().map(|run| figure(run)).collect());
    Open {
        p50_us: of(|run| run.p50_us),
        p99_us: of(|run| run.p99_us),
        success: runs.iter().map(|run| run.success).fold(1.0, f64::min),
        cpu_us: of(|run| run.cpu_us),
        ..runs[0].clone()
    }
}

fn tools() -> Result<Tools> {
    let said = |program: &str, argument: &str| -> Result<String> {
        let output = Command::new(program)
            .arg(argument)
            .output()
            .with_context(|| format!("cannot start {program}"))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    Ok(Tools { machine: Machine::this()?, rust: said("rustc", "--version")?, go: said("go", "version")? })
}
