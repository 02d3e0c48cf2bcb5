//! What was measured, as it is saved.

use gomemlimit_procfs::Machine;
use serde::{Deserialize, Serialize};

// How candidates are called.
pub const OURS: &str = "gomemlimit";
pub const PEER: &str = "controller-runtime";
pub const FLOOR: &str = "floor";
pub const KYVERNO: &str = "Kyverno";
pub const POLICY: &str = "MutatingAdmissionPolicy, twenty lines";
pub const WHOLE_POLICY: &str = "MutatingAdmissionPolicy, `gomemlimit policy`";

/// One run of `measure`.
#[derive(Debug, Deserialize, Serialize)]
pub struct Results {
    pub machine: Tools,
    /// Seconds of one measurement, and how many of each there are; figures are medians of the rounds.
    pub seconds: u32,
    pub rounds: usize,
    pub candidates: Vec<Candidate>,
    pub closed: Vec<Closed>,
    pub open: Vec<Open>,
    /// Missing where there was no cluster.
    #[serde(default)]
    pub pods: Option<PodCreations>,
    /// Kyverno and ours in turn, in that cluster.
    #[serde(default)]
    pub kyverno: Vec<Closed>,
    /// Ours and the floor.
    #[serde(default)]
    pub profiles: Vec<Profile>,
}

/// Where the processor time of a request goes.
#[derive(Debug, Deserialize, Serialize)]
pub struct Profile {
    pub candidate: String,
    pub samples: usize,
    /// Of a request, in microseconds; the areas sum up to it.
    pub cpu_us: f64,
    pub areas: Vec<Area>,
}

/// A part of a profile.
#[derive(Debug, Deserialize, Serialize)]
pub struct Area {
    pub name: String,
    pub us: f64,
}

/// Pods that were created in turn in a real API server.
#[derive(Debug, Deserialize, Serialize)]
pub struct PodCreations {
    pub kubernetes: String,
    /// In each arm.
    pub count: usize,
    pub arms: Vec<PodCreation>,
}

/// Milliseconds that a creation takes.
#[derive(Debug, Deserialize, Serialize)]
pub struct PodCreation {
    pub arm: String,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
}

/// Where it ran, and what built the candidates.
#[derive(Debug, Deserialize, Serialize)]
pub struct Tools {
    #[serde(flatten)]
    pub machine: Machine,
    pub rust: String,
    pub go: String,
}

/// What a program is before anybody calls it.
#[derive(Debug, Deserialize, Serialize)]
pub struct Candidate {
    pub name: String,
    /// Bytes of the program, which is all there is in its image.
    pub binary_bytes: u64,
    /// From the start of the process to the first answer, in milliseconds.
    pub ready_ms: f64,
    /// Resident memory a second later, in KiB.
    pub idle_kib: u64,
}

/// Each connection sends its next request when it has its answer (wrk).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Closed {
    pub candidate: String,
    pub review: String,
    pub connections: u32,
    /// Else a handshake for each request.
    pub keep_alive: bool,
    pub requests_per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// Refused, reset, timed out, or not 200.
    pub errors: u64,
    /// Processor time of the server for one request, in microseconds.
    pub cpu_us: f64,
    /// The part of it that the kernel takes.
    pub kernel_us: f64,
    /// The most resident memory, in KiB.
    pub peak_kib: u64,
}

/// Requests come at a rate, whether earlier ones have been answered or not (vegeta).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Open {
    pub candidate: String,
    pub review: String,
    /// A second.
    pub rate: u32,
    pub p50_us: f64,
    pub p99_us: f64,
    /// Share that was answered with 200.
    pub success: f64,
    pub cpu_us: f64,
}
