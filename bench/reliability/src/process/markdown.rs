//! The part of the page about the program alone.

use std::{collections::BTreeMap, fmt::Write};

use super::{Attack, Hostile, Latency, Load, MAX_TICKS, Process, Rest, Scenario, Unit};

/// "Under load", "Hostile clients", "Hostile objects, files and answers" and "An API server that fails".
#[must_use]
pub fn markdown(process: &Process) -> String {
    let machine = &process.machine;
    format!(
        "The two sections below are about the program of the image as one process, `gomemlimit serve` with certificates from \
         files, over real sockets on loopback: {} with {} cores, which it shares with its clients, Linux {}.\n\n",
        machine.processor, machine.cores, machine.kernel
    ) + &under_load(&process.load)
        + &hostile(&process.hostile)
        + &attacks(&process.attacks)
        + &certificates(&process.certificates)
}

fn under_load(load: &Load) -> String {
    let slowest = load.rotations.iter().map(|rotation| rotation.served_after_ms).fold(0.0, f64::max);
    let (before, after) = (&load.before, &load.after);
    let mut text = format!(
        "## Under load\n\n\
         {} connections for {}, {} requests a second at fixed times; {} of the connections are opened anew after every twenty \
         requests. Every answer is read and must carry the uid of its request and the patch. Meanwhile the certificate files are \
         replaced as kubelet does it, by swapping a link. **Promise**: no request fails, every new certificate is served, and when \
         the clients leave the process is what it was before.\n\n| | |\n|---|---|\n",
        load.connections,
        duration(load.seconds),
        load.rate,
        load.reconnecting
    );
    let mut row = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {name} | {value} |");
    };
    row("Requests", load.latency.requests.to_string());
    row("Errors", errors(&load.latency));
    row("p50, p99, longest", times(&load.latency));
    row("CPU of the program, a request", format!("{:.0} µs", load.cpu_us));
    row("Handshakes", load.handshakes.to_string());
    row(
        "Certificates replaced, longest until served",
        format!("{}, {:.1} s", load.rotations.len(), slowest / 1e3),
    );
    row(
        "Memory: before, at first, at last, most",
        [before.resident_kib, load.first_kib, load.last_kib, load.peak_kib].map(memory).join(", "),
    );
    row("Slope of memory, second half", format!("{:+.0} KiB/min", load.slope_kib_per_minute));
    row("Connections, each a task: before → after", arrow(before.connections, after.connections));
    row("File descriptors: before → after", arrow(before.file_descriptors, after.file_descriptors));
    row("Threads: before → after", arrow(before.threads, after.threads));
    row("Bytes of bodies: before → after", arrow(before.body_bytes, after.body_bytes));
    text + &violations(&load.violations) + "\n"
}

fn hostile(hostile: &Hostile) -> String {
    let mut text = format!(
        "## Hostile clients\n\n\
         Each row is a process of its own. Honest clients send a review {} times a second on four connections that they keep, and \
         {} times a second on a connection for each; a request counts from when it was due, and has failed when there is no right \
         answer after the three seconds that the chart gives the API server. Where hostile clients use up the budget for \
         bodies, honest ones also send reviews of 200 KiB, {} a second. The probes of liveness and readiness are sent five \
         times a second, each on a connection of its own, and have failed after two seconds. **Promise**: no request of an \
         honest client and no probe fails, but for those on new connections where the program is out of places or file \
         descriptors; the memory stays below the 96 MiB that the chart gives a replica, and afterwards no connection, file \
         descriptor or body is left. A handshake and a head had {} s to arrive, a body {} s.\n\n\
         | Hostile clients | What became of them | p50, p99, longest on kept connections | On new ones | Of 200 KiB | Probes | Errors | Most memory | CPU | File descriptors |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
        hostile.kept_rate,
        hostile.fresh_rate,
        hostile.large_rate,
        hostile.timeout_seconds,
        hostile.body_timeout_seconds.unwrap_or(hostile.timeout_seconds)
    );
    for scenario in &hostile.scenarios {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| **{}**: {} | {} | {} | {} | {} | {} | {} | {} | {:.0} % | {} |",
            scenario.name,
            scenario.attack,
            counts(&scenario.outcomes),
            times(&scenario.kept),
            times(&scenario.fresh),
            times(&scenario.large),
            times(&scenario.probes),
            failures(scenario),
            memory(scenario.peak_kib),
            scenario.cpu_share * 100.0,
            arrow(scenario.before.file_descriptors, scenario.after.file_descriptors),
        );
    }
    for scenario in hostile.scenarios.iter().filter(|scenario| !scenario.cases.is_empty()) {
        let _ = write!(text, "\n### {}\n\n| Sent | What came back |\n|---|---|\n", title(&scenario.name));
        for case in &scenario.cases {
            let _ = writeln!(text, "| {} | {} |", case.name, case.outcome);
        }
    }
    let broken: Vec<_> = hostile.scenarios.iter().flat_map(|scenario| scenario.violations.clone()).collect();
    text + &violations(&broken)
}

fn attacks(attacks: &[Attack]) -> String {
    if attacks.is_empty() {
        return String::new();
    }
    let mut text = "\n## Hostile objects, files and answers\n\n\
         What somebody may write who may not do much else: an object in the cluster, a file in a repository, an answer of \
         an API server. Each row is a process of its own. **Promise**: the bound; that of a replica and of the pod that \
         audits is the memory that the chart gives them.\n\n\
         | Attack | Measured | Bound | Figure |\n|---|---|---|---|\n"
        .to_owned();
    for attack in attacks {
        let measured = match attack.unit {
            Unit::Kib => "most memory",
            Unit::Milliseconds => "time",
        };
        let (bound, figure) = (attack.unit.text(attack.bound), attack.unit.text(attack.figure));
        let _ =
            writeln!(text, "| **{}**: {} | {measured} | {bound} | {figure} |", attack.name, attack.attack);
    }
    let broken: Vec<_> = attacks.iter().flat_map(|attack| attack.violations.clone()).collect();
    text + &violations(&broken)
}

fn certificates(rests: &[Rest]) -> String {
    let Some(first) = rests.first() else { return String::new() };
    let mut text = format!(
        "\n## An API server that fails\n\n\
         Each row is one or two processes with certificates that they manage themselves, and an API server on loopback that \
         fails in one way. Once all is well again they are left alone for {} s. **Promise**: the CA bundle is published, no \
         trouble is reported any more, and a process at rest uses at most {MAX_TICKS} ticks of 10 ms, which is {:.1} % of a core.\n\n\
         | What failed | Ticks of each process | Calls of the API server |\n|---|---|---|\n",
        first.seconds,
        MAX_TICKS as f64 / first.seconds as f64,
    );
    for rest in rests {
        let ticks: Vec<_> = rest.ticks.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "| {} | {} | {} |", rest.fault, ticks.join(", "), rest.calls);
    }
    let broken: Vec<_> = rests.iter().flat_map(|rest| rest.violations.clone()).collect();
    text + &violations(&broken)
}

fn violations(violations: &[String]) -> String {
    let lines = violations.iter().map(|violation| format!("- {violation}\n"));
    if violations.is_empty() {
        String::new()
    } else {
        "\n**Broken promises**:\n\n".to_owned() + &lines.collect::<String>()
    }
}

fn title(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn times(latency: &Latency) -> String {
    if latency.requests == 0 {
        return "–".to_owned();
    }
    format!("{:.1}, {:.1}, {:.0} ms", latency.p50_ms, latency.p99_ms, latency.max_ms)
}

fn errors(latency: &Latency) -> String {
    if latency.failed() == 0 { "0".to_owned() } else { counts(&latency.errors) }
}

fn failures(scenario: &Scenario) -> String {
    let all = [
        ("on kept", &scenario.kept),
        ("on new connections", &scenario.fresh),
        ("of 200 KiB", &scenario.large),
        ("probes", &scenario.probes),
    ];
    let failed: Vec<String> = all
        .into_iter()
        .filter(|(_, latency)| latency.failed() > 0)
        .map(|(what, latency)| format!("{} {what}", latency.failed()))
        .collect();
    if failed.is_empty() { "0".to_owned() } else { failed.join(", ") }
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return "–".to_owned();
    }
    counts.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join("; ")
}

fn arrow(before: u64, after: u64) -> String {
    format!("{before} → {after}")
}

fn memory(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}

fn duration(seconds: u64) -> String {
    if seconds.is_multiple_of(60) { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attack_is_shown_with_its_bound_and_figure() {
        let attack = |violations| Attack {
            name: "fat pods".to_owned(),
            attack: "250 pods of 1 MB".to_owned(),
            unit: Unit::Kib,
            bound: 128 << 10,
            figure: 100 << 9,
            violations,
        };
        let text = attacks(&[attack(Vec::new())]);
        assert!(
            text.contains("| **fat pods**: 250 pods of 1 MB | most memory | 128.0 MiB | 50.0 MiB |\n"),
            "{text}"
        );
        assert!(!text.contains("Broken"));
        assert!(attacks(&[attack(vec!["more".to_owned()])]).ends_with("**Broken promises**:\n\n- more\n"));
        assert_eq!(attacks(&[]), "");
        assert_eq!(Unit::Milliseconds.text(12), "12 ms");
    }

    #[test]
    fn failures_are_told_by_whose_they_are() {
        let mut scenario: Scenario = serde_json::from_str(
            r#"{"name": "", "attack": "", "outcomes": {}, "cases": [], "reconnects": 0, "peak_kib": 0, "cpu_share": 0.0,
                "kept": {"requests": 1, "errors": {}, "p50_ms": 0.0, "p99_ms": 0.0, "max_ms": 0.0},
                "fresh": {"requests": 1, "errors": {}, "p50_ms": 0.0, "p99_ms": 0.0, "max_ms": 0.0},
                "before": {"seconds": 0.0, "resident_kib": 0, "file_descriptors": 0, "threads": 0, "connections": 0, "body_bytes": 0},
                "after": {"seconds": 0.0, "resident_kib": 0, "file_descriptors": 0, "threads": 0, "connections": 0, "body_bytes": 0},
                "violations": []}"#,
        )
        .expect("results of before there were probes");
        assert_eq!((failures(&scenario), times(&scenario.probes)), ("0".to_owned(), "–".to_owned()));
        scenario.probes.errors.insert("not answered in time".to_owned(), 2);
        scenario.kept.errors.insert("answered 503".to_owned(), 1);
        assert_eq!(failures(&scenario), "1 on kept, 2 probes");
    }
}
