//! The program alone, on loopback: what was measured, as it is saved, and its part of the page.

use std::collections::BTreeMap;

use anyhow::Result;
use gomemlimit_bench::page;
use gomemlimit_procfs::Machine;
use serde::{Deserialize, Serialize};

/// One run of `gomemlimit-reliability measure`.
#[derive(Debug, Deserialize, Serialize)]
pub struct Process {
    pub machine: Machine,
    pub load: Load,
    pub hostile: Hostile,
    /// Empty in results of before this was measured, as the next.
    #[serde(default)]
    pub attacks: Vec<Attack>,
    #[serde(default)]
    pub certificates: Vec<Rest>,
}

impl Process {
    /// Every promise that was broken; none of them is a matter of speed.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let load = [("load", &self.load.violations)].into_iter();
        let hostile = self.hostile.scenarios.iter().map(|scenario| (&*scenario.name, &scenario.violations));
        let attacks = self.attacks.iter().map(|attack| (&*attack.name, &attack.violations));
        let certificates = self.certificates.iter().map(|rest| (&*rest.fault, &rest.violations));
        load.chain(hostile)
            .chain(attacks)
            .chain(certificates)
            .flat_map(|(name, all)| all.iter().map(move |violation| format!("{name}: {violation}")))
            .collect()
    }

    /// "Under load", "Hostile clients", "Hostile objects, files and answers" and "An API server that fails".
    ///
    /// # Errors
    /// If the template does not fit the records.
    pub fn markdown(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Part<'r> {
            #[serde(flatten)]
            process: &'r Process,
            max_ticks: u128,
        }
        page::render(include_str!("process.md.jinja"), &Part { process: self, max_ticks: MAX_TICKS })
    }
}

/// What the process was at one moment.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Sample {
    /// Since the load began.
    pub seconds: f64,
    pub resident_kib: u64,
    pub file_descriptors: u64,
    pub threads: u64,
    /// `gomemlimit_connections`; each is one task.
    pub connections: u64,
    /// `gomemlimit_bodies_in_flight_bytes`.
    pub body_bytes: u64,
}

/// Milliseconds from when a request was due until its answer had been checked.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Latency {
    pub requests: u64,
    /// Requests without the right answer in time, by what came instead.
    pub errors: BTreeMap<String, u64>,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Latency {
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// One replacement of the certificate files.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Rotation {
    /// Since the load began.
    pub seconds: f64,
    /// Until a new handshake was given the new certificate.
    pub served_after_ms: f64,
}

/// Steady load with certificates that change.
#[derive(Debug, Deserialize, Serialize)]
pub struct Load {
    pub seconds: u64,
    pub connections: usize,
    /// Those that are opened anew from time to time.
    pub reconnecting: usize,
    /// Requests that are due in a second, of all connections.
    pub rate: u64,
    pub latency: Latency,
    /// TLS handshakes of the load's connections.
    pub handshakes: u64,
    pub rotations: Vec<Rotation>,
    pub before: Sample,
    /// When all clients have left.
    pub after: Sample,
    pub first_kib: u64,
    pub last_kib: u64,
    pub peak_kib: u64,
    /// Least squares over the second half.
    pub slope_kib_per_minute: f64,
    /// Processor time of the program for each request, in microseconds.
    pub cpu_us: f64,
    /// One in a few seconds.
    pub samples: Vec<Sample>,
    pub violations: Vec<String>,
}

/// All scenarios, each against a process of its own.
#[derive(Debug, Deserialize, Serialize)]
pub struct Hostile {
    /// What a handshake and a head were given to arrive in.
    pub timeout_seconds: u64,
    /// What a body was given to arrive in; the same in results of before they differed.
    #[serde(default)]
    pub body_timeout_seconds: Option<u64>,
    /// Requests a second of honest clients on connections that they keep, and of those that make a new one for each.
    pub kept_rate: u64,
    pub fresh_rate: u64,
    /// Of those that send reviews of 200 KiB, where there are any; 0 in results of before.
    #[serde(default)]
    pub large_rate: u64,
    pub scenarios: Vec<Scenario>,
}

/// One kind of hostility, and how honest clients fared meanwhile.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Scenario {
    pub name: String,
    /// What the hostile clients do.
    pub attack: String,
    /// What became of them, and of how many.
    pub outcomes: BTreeMap<String, u64>,
    /// Single forms that are worth a line of their own.
    pub cases: Vec<Case>,
    /// Honest clients that keep their connection.
    pub kept: Latency,
    /// Times that they had to open another one.
    pub reconnects: u64,
    /// Honest clients that make a connection for each request.
    pub fresh: Latency,
    /// Honest clients whose reviews need a place in the budget for bodies; none in most scenarios.
    #[serde(default)]
    pub large: Latency,
    /// Probes of liveness and readiness; none in results of before.
    #[serde(default)]
    pub probes: Latency,
    pub peak_kib: u64,
    /// Processor time of the program, as a share of one core.
    pub cpu_share: f64,
    pub before: Sample,
    pub after: Sample,
    pub violations: Vec<String>,
}

/// One form of a request or a handshake.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Case {
    pub name: String,
    pub outcome: String,
}

/// What the figure of an attack is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// The most resident memory, in KiB.
    Kib,
    /// A time, in milliseconds.
    Milliseconds,
}

impl Unit {
    #[must_use]
    pub fn text(self, value: u64) -> String {
        match self {
            Self::Kib => format!("{:.1} MiB", value as f64 / 1024.0),
            Self::Milliseconds => format!("{value} ms"),
        }
    }
}

/// One attack by what somebody writes: an object, a file, an answer.
#[derive(Debug, Deserialize, Serialize)]
pub struct Attack {
    pub name: String,
    /// For people.
    pub attack: String,
    pub unit: Unit,
    pub bound: u64,
    pub figure: u64,
    pub violations: Vec<String>,
}

/// Ticks that a replica may use in ten seconds at rest; the tests on a real cluster hold it to the same.
pub const MAX_TICKS: u128 = 5;

/// Replicas that manage their certificates themselves, at rest after their API server failed.
#[derive(Debug, Deserialize, Serialize)]
pub struct Rest {
    /// What failed, for people.
    pub fault: String,
    pub replicas: usize,
    /// How long they were watched.
    pub seconds: u64,
    /// Processor time of each meanwhile, in the kernel's ticks of 10 ms.
    pub ticks: Vec<u128>,
    /// Calls of the API server meanwhile, of all replicas.
    pub calls: usize,
    pub violations: Vec<String>,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn saved() -> Process {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reliability");
        gomemlimit_bench::record::read(&docs.join("process.json")).unwrap()
    }

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
        let page = |attacks| Process { attacks, certificates: Vec::new(), ..saved() }.markdown().unwrap();
        let text = page(vec![attack(Vec::new())]);
        assert!(
            text.contains("| **fat pods**: 250 pods of 1 MB | most memory | 128.0 MiB | 50.0 MiB |\n"),
            "{text}"
        );
        assert!(!text.contains("Broken"));
        let broken = page(vec![attack(vec!["more".to_owned()])]);
        assert!(broken.ends_with("MiB |\n\n**Broken promises**:\n\n- more\n"), "{broken}");
        assert!(!page(Vec::new()).contains("## Hostile objects"));
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
        let mut process = saved();
        let mut page = |scenario| {
            process.hostile.scenarios = vec![scenario];
            process.markdown().unwrap()
        };
        let text = page(scenario.clone());
        assert!(text.contains("0.0, 0.0, 0 ms | – | – | 0 | 0.0 MiB |"), "{text}");
        scenario.probes.errors.insert("not answered in time".to_owned(), 2);
        scenario.kept.errors.insert("answered 503".to_owned(), 1);
        let text = page(scenario);
        assert!(text.contains("| – | – | 1 on kept, 2 probes | 0.0 MiB |"), "{text}");
    }
}
