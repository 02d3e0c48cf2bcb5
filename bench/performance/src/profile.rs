//! Where the processor time of a request goes: samples by `perf`, each put down to the innermost frame that belongs to one
//! of the areas. Needs programs with debug information and frame pointers.

use std::{
    collections::HashMap,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context, Result, ensure};

use crate::{
    candidates::{Kind, Programs, Server},
    load, measure,
    record::{Area, Profile},
    reviews::{self, Review},
};

/// Areas, and the crates and functions whose frames belong to them. Frames of nobody (the standard library, memory) are
/// put down to who called them.
const AREAS: [(&str, &[&str]); 6] = [
    ("TLS", &["rustls", "tokio_rustls", "ring", "untrusted"]),
    (
        "HTTP",
        &[
            "hyper",
            "hyper_util",
            "httparse",
            "http",
            "http_body",
            "http_body_util",
            "httpdate",
            "axum",
            "axum_core",
            "matchit",
            "tower",
            "tower_service",
        ],
    ),
    ("decision", &["gomemlimit_core", "serde_json", "serde", "serde_core", "base64", "itoa", "memchr"]),
    ("log", &["tracing", "tracing_core", "tracing_subscriber", "sharded_slab", "time"]),
    (
        "limits, deadlines, metrics",
        &["gomemlimit_serve", "prometheus_client", "memmap2", "arc_swap", "floor"],
    ),
    ("runtime", &["tokio", "mio", "tokio_util", "parking_lot_core"]),
];
const KERNEL: &str = "kernel";
const REST: &str = "rest";

/// gomemlimit, and the floor with gomemlimit's answer.
pub fn both(programs: &Programs, seconds: u32) -> Result<Vec<Profile>> {
    let review = &reviews::write(programs.folder())?[0];
    let answer = programs.folder().join("answer");
    std::fs::write(&answer, "{}")?;
    let server = Server::start(Kind::Gomemlimit, programs, &answer)?;
    std::fs::write(&answer, load::answer(&server, &review.path)?)?;
    drop(server);
    [Kind::Gomemlimit, Kind::Floor]
        .into_iter()
        .map(|kind| run(kind, programs, review, &answer, seconds))
        .collect()
}

/// Samples of one candidate under the load of 16 connections.
fn run(kind: Kind, programs: &Programs, review: &Review, answer: &Path, seconds: u32) -> Result<Profile> {
    let folder = programs.folder();
    let server = Server::start(kind, programs, answer)?;
    let data = folder.join("perf.data");
    let pid = server.child.id().to_string();
    let perf = {
        let (data, seconds) = (data.clone(), seconds.to_string());
        thread::spawn(move || {
            Command::new("perf")
                .args([
                    "record",
                    "--quiet",
                    "--event",
                    "cpu-clock",
                    "--freq",
                    "1999",
                    "--call-graph",
                    "fp",
                    "--pid",
                    &pid,
                ])
                .arg("--output")
                .arg(data)
                .args(["sleep", &seconds])
                .status()
        })
    };
    let closed = measure::closed(kind.name(), &server, review, (16, true), seconds + 1, folder)?;
    let recorded = perf.join().ok().context("perf panicked")?.context("cannot start perf")?;
    ensure!(recorded.success(), "perf record: {recorded}");
    let samples = recorded_samples(&data)?;
    let functions = functions(kind.program(programs), &samples)?;
    let mut counts: HashMap<&str, f64> = HashMap::new();
    for sample in &samples {
        *counts.entry(sample.area(&functions)).or_default() += 1.0;
    }
    let share = closed.cpu_us / samples.len().max(1) as f64;
    let names = AREAS.into_iter().map(|(name, _)| name).chain([KERNEL, REST]);
    let areas = names.map(|name| Area {
        name: name.to_owned(),
        us: counts.get(name).copied().unwrap_or_default() * share,
    });
    Ok(Profile {
        candidate: kind.name().to_owned(),
        samples: samples.len(),
        cpu_us: closed.cpu_us,
        areas: areas.collect(),
    })
}

/// Addresses from the inside to the outside.
struct Sample {
    is_in_kernel: bool,
    addresses: Vec<u64>,
}

impl Sample {
    fn area(&self, functions: &HashMap<u64, Vec<String>>) -> &'static str {
        if self.is_in_kernel {
            return KERNEL;
        }
        let frames = self.addresses.iter().filter_map(|address| functions.get(address)).flatten();
        frames.into_iter().find_map(|name| area_of(name)).unwrap_or(REST)
    }
}

/// The area of a function by the crate that comes first in its name, as in `<hyper::proto::Conn<I> as Future>::poll`. What
/// ring has in C and assembler is named `ring_core_` and its version.
fn area_of(function: &str) -> Option<&'static str> {
    let path = function.trim_start_matches(['<', '&', '_']);
    let krate = path.split(|character: char| !character.is_alphanumeric() && character != '_').next()?;
    let krate = if krate.starts_with("ring_core_") { "ring" } else { krate };
    AREAS.into_iter().find(|(_, crates)| crates.contains(&krate)).map(|(name, _)| name)
}

/// What `perf script` says, a block of lines for each sample.
fn recorded_samples(data: &Path) -> Result<Vec<Sample>> {
    let output = Command::new("perf")
        .args(["script", "--no-inline", "--fields", "ip,sym,dso", "--input"])
        .arg(data)
        .stderr(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let blocks = text.split("\n\n").filter(|block| !block.trim().is_empty());
    let samples: Vec<Sample> = blocks
        .map(|block| {
            let is_in_kernel = block.trim_start().lines().next().is_some_and(|line| line.contains("[kernel"));
            let address = |line: &str| u64::from_str_radix(line.split_whitespace().next()?, 16).ok();
            Sample { is_in_kernel, addresses: block.lines().filter_map(address).collect() }
        })
        .collect();
    ensure!(!samples.is_empty(), "perf took no samples");
    Ok(samples)
}

/// How much further its code lies in memory than in its file, where `perf` counts.
fn shift(program: &Path) -> Result<u64> {
    let output = Command::new("readelf").args(["--segments", "--wide"]).arg(program).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let code = text.lines().find(|line| line.contains("LOAD") && line.contains("R E"));
    let mut numbers = code.context("no segment with code")?.split_whitespace().skip(1);
    let mut number = || -> Result<u64> {
        let text = numbers.next().context("a segment without addresses")?;
        Ok(u64::from_str_radix(text.trim_start_matches("0x"), 16)?)
    };
    let (in_file, in_memory) = (number()?, number()?);
    Ok(in_memory - in_file)
}

/// Function names at each address, inlined ones first.
fn functions(program: &Path, samples: &[Sample]) -> Result<HashMap<u64, Vec<String>>> {
    let mut addresses: Vec<u64> =
        samples.iter().flat_map(|sample| sample.addresses.iter().copied()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let mut child = Command::new("addr2line")
        .args(["--addresses", "--functions", "--inlines", "--demangle", "--exe"])
        .arg(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start addr2line")?;
    let mut input = child.stdin.take().context("addr2line has no input")?;
    let distance = shift(program)?;
    let writer = thread::spawn(move || {
        addresses.iter().try_for_each(|address| writeln!(input, "{:#x}", address.wrapping_add(distance)))
    });
    let output = child.wait_with_output()?;
    writer.join().ok().context("addr2line was not asked")??;
    let mut functions: HashMap<u64, Vec<String>> = HashMap::new();
    let mut current = None;
    let mut is_name = true;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Some(hex) = line.strip_prefix("0x").filter(|hex| hex.len() == 16) {
            current = u64::from_str_radix(hex, 16).ok().map(|address| address.wrapping_sub(distance));
            is_name = true;
        } else {
            if is_name && let Some(address) = current {
                functions.entry(address).or_default().push(line.to_owned());
            }
            is_name = !is_name;
        }
    }
    Ok(functions)
}
