//! What was measured, as it is saved.

use std::collections::BTreeMap;

use gomemlimit_procfs::Machine;
use serde::{Deserialize, Serialize};

/// One run of `gomemlimit-reliability measure`.
#[derive(Debug, Deserialize, Serialize)]
pub struct Process {
    pub machine: Machine,
    pub load: Load,
    pub hostile: Hostile,
    /// Empty in results of before this was measured, as the next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attacks: Vec<Attack>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Rest>,
}

impl Process {
    /// Every promise that was broken; none of them is a matter of speed.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let load = self.load.violations.iter().map(|violation| format!("load: {violation}"));
        let hostile = self.hostile.scenarios.iter().flat_map(|scenario| {
            scenario.violations.iter().map(|violation| format!("{}: {violation}", scenario.name))
        });
        let certificates = self
            .certificates
            .iter()
            .flat_map(|rest| rest.violations.iter().map(|violation| format!("{}: {violation}", rest.fault)));
        let attacks = self.attacks.iter().flat_map(|attack| {
            attack.violations.iter().map(|violation| format!("{}: {violation}", attack.name))
        });
        load.chain(hostile).chain(attacks).chain(certificates).collect()
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
#[derive(Debug, Deserialize, Serialize)]
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
