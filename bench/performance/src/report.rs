//! docs/performance.md, made of the saved results: the same results give the same bytes.

use std::fmt::Write;

use crate::{
    record::{Closed, FLOOR, OURS, Open, PEER, PodCreations, Profile, Results, Tools},
    targets,
};

/// The page.
pub fn markdown(results: &Results) -> String {
    let mut text = String::new();
    let Tools { machine, rust, go } = &results.machine;
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "# Performance\n\n\
         Written by `bench/performance/run`, which measures, saves [the figures](performance/results.json) and writes this page. \
         Figures of one machine mean little by themselves; what counts are the ratios, of candidates that took turns in the same \
         minutes. Each figure is the median of {} measurements of {} s, memory and errors are the worst of them.\n\n\
         {} with {} cores, which the servers share with whoever calls them; Linux {}, {}, {}.\n\n\
         | Candidate | |\n|---|---|\n\
         | `{OURS}` | the program of the image, as `serve` runs in a cluster, with certificates from files |\n\
         | `{PEER}` | the same job as the documentation of controller-runtime 0.25 teaches it, `bench/performance/controller-runtime`, without logs |\n\
         | `{FLOOR}` | hyper, tokio and rustls as `{OURS}` is built of them, reading the review and answering a constant: no parsing, no decision, no limits, no metrics |\n\n",
        results.rounds, results.seconds, machine.processor, machine.cores, machine.kernel, rust, go,
    );
    let _ = write!(text, "## What was aimed at\n\n{}\n", targets::table(results));
    let _ = write!(
        text,
        "## As fast as it goes\n\nEach connection sends its next review when it has its answer (`wrk`).\n\n"
    );
    text.push_str(
        "| Review | Connections | Candidate | Requests/s | p50 | p99 | CPU of the server, a request | Of it the kernel | Most memory | Errors |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for run in &results.closed {
        let kept = if run.keep_alive { "" } else { ", a handshake for each request" };
        let _ = writeln!(
            text,
            "| {} | {}{kept} | {} | {:.0} | {} | {} | {} | {} | {} | {} |",
            run.review,
            run.connections,
            run.candidate,
            run.requests_per_second,
            time(run.p50_us),
            time(run.p99_us),
            time(run.cpu_us),
            time(run.kernel_us),
            memory(run.peak_kib),
            run.errors
        );
    }
    text.push_str("\nRatios of the same rows:\n\n| Review | Connections | Requests/s, × controller-runtime | p99, of controller-runtime's | CPU, of controller-runtime's | Memory, of controller-runtime's | Requests/s of the floor, × ours | CPU, × the floor |\n|---|---|---|---|---|---|---|---|\n");
    for ours in results.closed.iter().filter(|run| run.candidate == OURS) {
        let (Some(peer), Some(floor)) =
            (beside(&results.closed, ours, PEER), beside(&results.closed, ours, FLOOR))
        else {
            continue;
        };
        let kept = if ours.keep_alive { "" } else { ", a handshake each" };
        let _ = writeln!(
            text,
            "| {} | {}{kept} | {:.1} | 1/{:.1} | 1/{:.1} | 1/{:.1} | {:.2} | {:.2} |",
            ours.review,
            ours.connections,
            ours.requests_per_second / peer.requests_per_second,
            peer.p99_us / ours.p99_us,
            peer.cpu_us / ours.cpu_us,
            peer.peak_kib as f64 / ours.peak_kib as f64,
            floor.requests_per_second / ours.requests_per_second,
            ours.cpu_us / floor.cpu_us,
        );
    }
    text + &at_a_rate(results)
        + &profiles(&results.profiles)
        + &before_anybody_calls(results)
        + &of_cluster(results)
}

fn at_a_rate(results: &Results) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    text.push_str(
        "\n## At a rate\n\nReviews come whether earlier ones have been answered or not (`vegeta`).\n\n\
         | Review | Rate/s | Candidate | p50 | p99 | Answered | CPU of the server, a request |\n|---|---|---|---|---|---|---|\n",
    );
    for run in &results.open {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.1} % | {} |",
            run.review,
            run.rate,
            run.candidate,
            time(run.p50_us),
            time(run.p99_us),
            run.success * 100.0,
            time(run.cpu_us)
        );
    }
    text.push_str("\np99 at the same rate:\n\n| Review | Rate/s | Of controller-runtime's | × the floor |\n|---|---|---|---|\n");
    for ours in results.open.iter().filter(|run| run.candidate == OURS) {
        let of = |name: &str| results.open.iter().find(|run| run.candidate == name && same_open(run, ours));
        let (Some(peer), Some(floor)) = (of(PEER), of(FLOOR)) else { continue };
        let _ = writeln!(
            text,
            "| {} | {} | 1/{:.1} | {:.2} |",
            ours.review,
            ours.rate,
            peer.p99_us / ours.p99_us,
            ours.p99_us / floor.p99_us
        );
    }
    text
}

fn before_anybody_calls(results: &Results) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    text.push_str("\n## Before anybody calls\n\n| Candidate | Program | Start to listening | Memory a second later |\n|---|---|---|---|\n");
    for candidate in &results.candidates {
        let _ = writeln!(
            text,
            "| {} | {:.2} MB | {:.1} ms | {} |",
            candidate.name,
            candidate.binary_bytes as f64 / 1e6,
            candidate.ready_ms,
            memory(candidate.idle_kib)
        );
    }
    text
}

/// Where the time goes.
pub fn profiles(profiles: &[Profile]) -> String {
    let [ours, floor] = profiles else { return String::new() };
    let mut text = format!(
        "\n## Where the time goes\n\nProcessor time of a request, 3 KB, 16 connections: samples by `perf` ({} and {}) of the same programs \
         with debug information and frame pointers, each put down to the innermost frame that belongs to an area. What the floor has is \
         what it is made of: the kernel's sockets, TLS, HTTP and the runtime. What is above it is the job: reading the review, of \
         which most is skipped, deciding, an answer that holds JSON in base64 in JSON, a line of log for each pod that is changed, \
         deadlines for every connection, a budget for bodies, metrics.\n\n\
         | Area | {OURS} | {FLOOR} | |\n|---|---|---|---|\n",
        ours.samples, floor.samples
    );
    for (ours, floor) in ours.areas.iter().zip(&floor.areas) {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {:.1} µs | {:.1} µs | {:+.1} µs |",
            ours.name,
            ours.us,
            floor.us,
            ours.us - floor.us
        );
    }
    let _ = writeln!(
        text,
        "| **all** | {:.1} µs | {:.1} µs | {:+.1} µs |",
        ours.cpu_us,
        floor.cpu_us,
        ours.cpu_us - floor.cpu_us
    );
    text
}

/// What was measured in a cluster.
pub fn of_cluster(results: &Results) -> String {
    let mut text = results.pods.as_ref().map(pods).unwrap_or_default();
    if results.kyverno.is_empty() {
        return text;
    }
    text.push_str(
        "\n## Beside Kyverno\n\nKyverno 1.19 as its chart sets it up, without reports, with the policy of twenty lines as a \
         MutatingPolicy; a process on this machine, as ours. 3 KB, 16 connections (`wrk`), in turn.\n\n\
         | Candidate | Requests/s | p50 | p99 | CPU, a request | Most memory | Errors |\n|---|---|---|---|---|---|---|\n",
    );
    for run in &results.kyverno {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {:.0} | {} | {} | {} | {} | {} |",
            run.candidate,
            run.requests_per_second,
            time(run.p50_us),
            time(run.p99_us),
            time(run.cpu_us),
            memory(run.peak_kib),
            run.errors
        );
    }
    text
}

fn pods(pods: &PodCreations) -> String {
    let mut text = format!(
        "\n## What the creation of a pod costs\n\nKubernetes {}: {} pods in each row, created in turn by server-side dry run with one \
         client, all webhooks on the same machine as the API server, ours with the configuration of the chart and its conditions. The policy of twenty lines is \
         [policy.yaml](../bench/performance/policy.yaml); the other is what `gomemlimit policy` prints and the chart installs, which \
         decides nearly all that the webhook does ([policy-engine.md](policy-engine.md)). The floor answers every pod with the same \
         patch: its row is what the API server itself needs to ask any webhook and to apply what it says.\n\n\
         | Admission | p50 | p90 | p99 | p50 above nothing |\n|---|---|---|---|---|\n",
        pods.kubernetes, pods.count
    );
    let nothing = pods.arms.first().map_or(0.0, |arm| arm.p50_ms);
    for arm in &pods.arms {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {:.2} ms | {:.2} ms | {:.2} ms | {:+.2} ms |",
            arm.arm,
            arm.p50_ms,
            arm.p90_ms,
            arm.p99_ms,
            arm.p50_ms - nothing
        );
    }
    text
}

fn beside<'a>(runs: &'a [Closed], ours: &Closed, name: &str) -> Option<&'a Closed> {
    runs.iter().find(|run| {
        run.candidate == name
            && run.review == ours.review
            && run.connections == ours.connections
            && run.keep_alive == ours.keep_alive
    })
}

fn same_open(one: &Open, other: &Open) -> bool {
    one.review == other.review && one.rate == other.rate
}

fn time(us: f64) -> String {
    if us < 1000.0 { format!("{us:.0} µs") } else { format!("{:.1} ms", us / 1e3) }
}

fn memory(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    #[test]
    #[allow(clippy::unwrap_used)]
    fn the_page_is_what_the_saved_results_yield() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
        let results = serde_json::from_str(&read("docs/performance/results.json")).unwrap();
        assert_eq!(read("docs/performance.md"), super::markdown(&results), "bench/performance/run --docs");
    }
}
