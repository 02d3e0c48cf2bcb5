//! What was captured of one process, and what is known of it besides.

use serde::Serialize;

use crate::{goroutines::Goroutines, memstats::MemStats, profile::Profile};

/// Everything that was seen of one process.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// In order of time.
    pub captures: Vec<Capture>,
    /// The memory limit.
    pub limit: Limit,
    /// GOMEMLIMIT of the process.
    pub gomemlimit: Gomemlimit,
    /// Seconds from the start of the process to the first capture.
    pub uptime: Option<f64>,
    /// Whose figure the resident memory is.
    pub rss_source: Option<RssSource>,
    /// State before the first capture.
    pub history: History,
}

impl Evidence {
    /// Adds the next capture. Of the goroutines between the first and the last capture only the number is kept, since
    /// only the two ends are compared.
    pub fn add(&mut self, capture: Capture) {
        let lists: [fn(&mut Capture) -> Option<&mut Goroutines>; 2] =
            [|one| one.goroutines.as_mut(), |one| one.leaked.as_mut()];
        self.captures.push(capture);
        for list in lists {
            let mut all: Vec<_> = self.captures.iter_mut().filter_map(list).collect();
            if let [_, .., between, _] = &mut *all {
                between.groups = Vec::new();
            }
        }
    }
}

/// One capture of a process.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// Seconds since the first capture.
    pub at: f64,
    /// The heap profile, taken right after a garbage collection.
    pub profile: Option<Profile>,
    /// The statistics, read right after a garbage collection.
    pub memstats: Option<MemStats>,
    /// All goroutines.
    pub goroutines: Option<Goroutines>,
    /// Those that the runtime calls leaked (Go 1.27 and newer).
    pub leaked: Option<Goroutines>,
    /// Resident memory in bytes.
    pub rss: Option<u64>,
}

/// The memory limit of the container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Limit {
    /// Not known.
    #[default]
    Unknown,
    /// There is none.
    Unlimited,
    /// Bytes.
    Bytes(u64),
}

impl Limit {
    /// The bytes, if there is a limit and it is known.
    #[must_use]
    pub fn bytes(self) -> Option<u64> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }
}

/// GOMEMLIMIT of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Gomemlimit {
    /// Not known.
    #[default]
    Unknown,
    /// None, empty or `off`.
    Unset,
    /// Bytes.
    Bytes(u64),
    /// A text that Go dies of at start.
    Malformed(String),
}

impl Gomemlimit {
    /// As it is saved: bytes, `off`, or the malformed text; `None` if unknown.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        match self {
            Self::Unknown => None,
            Self::Unset => Some("off".to_owned()),
            Self::Bytes(bytes) => Some(bytes.to_string()),
            Self::Malformed(text) => Some(text.clone()),
        }
    }

    /// Value that [`Self::to_text`] saved.
    #[must_use]
    pub fn from_text(text: Option<&str>) -> Self {
        match text {
            None => Self::Unknown,
            Some("off") => Self::Unset,
            Some(text) => text.parse().map_or_else(|_| Self::Malformed(text.to_owned()), Self::Bytes),
        }
    }
}

/// Whose figure the resident memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, strum::EnumString, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum RssSource {
    /// `process_resident_memory_bytes` of the program's own /metrics: the process.
    Metrics,
    /// `rssBytes` of the kubelet's statistics: the container.
    Kubelet,
    /// The working set of metrics.k8s.io: the container, with page cache in use.
    MetricsServer,
}

impl RssSource {
    /// Name in output and in saved captures.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// State of the container before the first capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// The container was OOM killed before.
    pub oom_killed: bool,
    /// It exited with code 2, and its log has "malformed GOMEMLIMIT".
    pub malformed: bool,
    /// Number of restarts.
    pub restarts: u32,
}
