//! What was aimed at, beside what was measured.

use serde::Serialize;

use crate::record::{Closed, FLOOR, OURS, Open, PEER, POLICY, Results, WHOLE_POLICY};

/// One aim with its figure.
#[derive(Serialize)]
pub struct Target {
    aim: &'static str,
    measured: String,
    is_met: bool,
}

/// The aims for which something was measured.
pub fn all(results: &Results) -> Vec<Target> {
    let targets = [throughput, latency, floor, large, creation, creation_short, size, memory];
    targets.into_iter().filter_map(|target| target(results)).collect()
}

fn closed<'a>(results: &'a Results, candidate: &str, review: &str, connections: u32) -> Option<&'a Closed> {
    results.closed.iter().find(|run| {
        run.candidate == candidate && run.review == review && run.connections == connections && run.keep_alive
    })
}

/// The most that a candidate reaches, whatever the number of connections.
fn capacity(results: &Results, candidate: &str) -> Option<f64> {
    let small = results.closed.iter().filter(|run| run.candidate == candidate && run.review == "3 KB");
    small.map(|run| run.requests_per_second).max_by(f64::total_cmp)
}

fn throughput(results: &Results) -> Option<Target> {
    let times = capacity(results, OURS)? / capacity(results, PEER)?;
    Some(Target {
        aim: "10 × the most requests per second that controller-runtime reaches, 3 KB",
        measured: format!("{times:.1} ×"),
        is_met: times >= 10.0,
    })
}

/// At the highest rate at which the peer still answers everything.
fn latency(results: &Results) -> Option<Target> {
    let small = |run: &&Open| run.review == "3 KB" && run.candidate == PEER && run.success >= 1.0;
    let peer = results.open.iter().filter(small).max_by_key(|run| run.rate)?;
    let ours = |run: &&Open| run.review == "3 KB" && run.candidate == OURS && run.rate == peer.rate;
    let times = peer.p99_us / results.open.iter().find(ours)?.p99_us;
    Some(Target {
        aim: "1/6 of controller-runtime's p99 at the same rate, 3 KB",
        measured: format!("1/{times:.1} at {} a second", peer.rate),
        is_met: times >= 6.0,
    })
}

fn floor(results: &Results) -> Option<Target> {
    let times = capacity(results, FLOOR)? / capacity(results, OURS)?;
    let of = |candidate| Some(closed(results, candidate, "3 KB", 16)?.cpu_us);
    let cpu = of(OURS)? - of(FLOOR)?;
    Some(Target {
        aim: "the floor reaches at most 1.5 × as many requests per second, 3 KB",
        measured: format!("{times:.2} ×; {cpu:.0} µs of processor time above the floor's"),
        is_met: times <= 1.5,
    })
}

fn large(results: &Results) -> Option<Target> {
    let (ours, peer) = (closed(results, OURS, "534 KB", 16)?, closed(results, PEER, "534 KB", 16)?);
    let times = ours.requests_per_second / peer.requests_per_second;
    let memory = peer.peak_kib as f64 / ours.peak_kib as f64;
    Some(Target {
        aim: "15 × the requests per second of controller-runtime with 1/4 of the memory, 534 KB, 16 connections",
        measured: format!("{times:.1} × with 1/{memory:.1}"),
        is_met: times >= 15.0 && memory >= 4.0,
    })
}

fn creation(results: &Results) -> Option<Target> {
    cheaper(
        results,
        WHOLE_POLICY,
        "a pod's creation cheaper than with the same job as a policy inside of the API server, p50 and p90",
    )
}

fn creation_short(results: &Results) -> Option<Target> {
    cheaper(results, POLICY, "cheaper even than with a policy of twenty lines, p50 and p90")
}

fn cheaper(results: &Results, policy: &str, aim: &'static str) -> Option<Target> {
    let arms = &results.pods.as_ref()?.arms;
    let of = |name: &str| arms.iter().find(|arm| arm.arm == name);
    let (ours, policy) = (of(OURS)?, of(policy)?);
    let (p50, p90) = (ours.p50_ms - policy.p50_ms, ours.p90_ms - policy.p90_ms);
    let of_floor = of(FLOOR).map_or(String::new(), |floor| {
        format!(
            " (the floor: {:+.2} ms and {:+.2} ms)",
            floor.p50_ms - policy.p50_ms,
            floor.p90_ms - policy.p90_ms
        )
    });
    let measured = format!("{p50:+.2} ms and {p90:+.2} ms against the policy{of_floor}");
    Some(Target { aim, measured, is_met: p50 < 0.0 && p90 < 0.0 })
}

fn size(results: &Results) -> Option<Target> {
    let bytes = results.candidates.iter().find(|candidate| candidate.name == OURS)?.binary_bytes;
    Some(Target {
        aim: "an image of at most 10 MB, which is the program and nothing else",
        measured: format!("{:.2} MB", bytes as f64 / 1e6),
        is_met: bytes <= 10_000_000,
    })
}

fn memory(results: &Results) -> Option<Target> {
    let kib = closed(results, OURS, "3 KB", 64)?.peak_kib;
    Some(Target {
        aim: "at most 16 MiB of memory under load, 3 KB, 64 connections",
        measured: format!("{:.1} MiB", kib as f64 / 1024.0),
        is_met: kib <= 16 << 10,
    })
}
