//! What `observe` saves, and reads again: documented for users in docs/observe.md.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Value of `schema`: what kind of file this is.
pub const SCHEMA: &str = "gomemlimit.dev/observation";
/// Value of `version`: another one if fields change their meaning. Fields may be added without.
pub const VERSION: u32 = 1;

/// Why a file is not an observation.
#[derive(Debug, Error)]
pub enum RecordError {
    /// Not JSON, or not the fields.
    #[error("is not what observe --save writes: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// JSON of something else.
    #[error("is not what observe --save writes")]
    OtherSchema,
    /// Of another release.
    #[error(
        "is of version {0}, and this program knows version {VERSION}; observe again, or use the program that wrote it"
    )]
    OtherVersion(u32),
}

/// Everything that was seen of a workload. Times are seconds since the first poll.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Observation {
    /// [`SCHEMA`].
    pub schema: String,
    /// [`VERSION`].
    pub version: u32,
    /// Target: `deployment/api`, `pod/api-0`, or `pods app=api`.
    pub target: String,
    /// Its namespace.
    pub namespace: String,
    /// When the first poll was, RFC 3339.
    pub started: String,
    /// From the first poll to the last.
    pub seconds: f64,
    /// Time between two polls.
    pub interval_seconds: f64,
    /// Number of polls.
    pub polls: u32,
    /// Of them, those that the API server did not answer.
    pub failed_polls: u32,
    /// Why it ended.
    pub ended: Ended,
    /// Records of each container of each pod, in the order in which they appeared.
    pub containers: Vec<ContainerRecord>,
    /// Missing figures with their causes, a sentence each.
    pub notes: Vec<String>,
}

/// Why an observation ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// The time of `--for` was over.
    #[default]
    Time,
    /// Ctrl-C.
    Interrupted,
    /// The pod that was named is gone.
    Gone,
}

/// Record of one container of one pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerRecord {
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// When it was seen first.
    pub from: f64,
    /// When it was seen last.
    pub to: f64,
    /// The memory limit that applied last, bytes; absent if there is none.
    pub limit: Option<u64>,
    /// GOMEMLIMIT as the runtime has it, else as in the pod: bytes, `off`, or the malformed text; absent
    /// if unknown.
    pub gomemlimit: Option<String>,
    /// Restarts within the observation.
    pub restarts: u32,
    /// Ends within the observation that were seen.
    pub ends: Vec<End>,
    /// The most memory that was seen, bytes: working set, or resident memory up to the limit, whichever was more.
    pub peak: Option<u64>,
    /// CPU time within the observation, added up over restarts.
    pub cpu: Option<CpuTime>,
    /// Figures over time; those without any are left out.
    pub samples: Vec<MemorySample>,
}

impl ContainerRecord {
    /// No container has more than its limit: memory of a process beyond it is not charged to the container.
    #[must_use]
    pub(crate) fn at_most_the_limit(&self, bytes: u64) -> u64 {
        bytes.min(self.limit.unwrap_or(u64::MAX))
    }
}

/// End of a container instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct End {
    /// When that was noticed: up to an interval after it happened.
    pub at: f64,
    /// Kind of the end.
    pub kind: EndKind,
    /// The kubelet's word: `OOMKilled`, `Error`, `Completed`, ….
    pub reason: String,
    /// Exit code.
    pub exit_code: i32,
}

/// Kind of an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "lowercase")]
pub enum EndKind {
    /// The kernel killed it for memory: `OOMKilled`.
    #[strum(serialize = "OOMKilled")]
    OomKilled,
    /// Another SIGKILL, exit code 137: a failed liveness probe, or a grace period that was over.
    #[strum(serialize = "SIGKILL")]
    Sigkilled,
    /// Exit code 2, and the log or the pod shows that GOMEMLIMIT is malformed.
    #[strum(serialize = "malformed GOMEMLIMIT")]
    MalformedGomemlimit,
    /// Exit code 0.
    Completed,
    /// Any other exit code.
    #[default]
    Failed,
}

impl EndKind {
    /// Name in output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CpuTime {
    /// Of the garbage collector, seconds.
    pub gc_seconds: f64,
    /// Time that it is a share of, seconds.
    pub all_seconds: f64,
    /// Meaning of `all_seconds`.
    pub of: CpuBase,
}

/// Base of the collector's share of CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CpuBase {
    /// CPU time that the program used.
    #[default]
    Used,
    /// CPU time that there was: `GOMAXPROCS` processors, idle or not.
    Available,
}

/// One poll at the memory of a container. Bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MemorySample {
    /// When.
    pub at: f64,
    /// The container's working set, by the kubelet or metrics.k8s.io: up to 15 s old, or a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_set: Option<u64>,
    /// The process's resident memory, by its own /metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident: Option<u64>,
    /// Heap that the last collection left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_heap: Option<u64>,
    /// Objects on the heap with the garbage among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap: Option<u64>,
}

impl MemorySample {
    /// Memory that is drawn: the fresher of the two.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        self.resident.or(self.working_set)
    }
}

impl Observation {
    /// Reads what `observe --save` wrote.
    ///
    /// # Errors
    /// If the text is not JSON of this schema and version.
    pub fn parse(text: &str) -> Result<Self, RecordError> {
        let observation: Self = serde_json::from_str(text)?;
        match (observation.schema.as_str(), observation.version) {
            (SCHEMA, VERSION) => Ok(observation),
            (SCHEMA, version) => Err(RecordError::OtherVersion(version)),
            _ => Err(RecordError::OtherSchema),
        }
    }
}
