//! What a GOMEMLIMIT that the user wrote means: sound, opaque, or broken and how.

use std::fmt;

use crate::{
    coverage::Coverage,
    env::{EnvVar, ResourceFieldRef},
    memlimit::{self, Distance, GoLimit},
    podlimit::{Limit, PodLimits},
    text::{MOST_QUOTED, quote, start},
};

/// How an existing value hurts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A reference to the whole memory limit: nothing is left for what the runtime does not count.
    WholeLimit,
    /// A reference to a limit that does not exist: kubelet fills in the node's allocatable memory.
    NodeSize,
    /// Above 98 % of the limit, up to all of it.
    AtLimit {
        /// The value as bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Above the limit.
    AboveLimit {
        /// The value as bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The program exits with code 2 before `main`. The start of the value.
    Malformed(String),
    /// Zero, or below 5 % of the limit: the garbage collector runs without a pause.
    TooLow {
        /// The value as bytes.
        bytes: u64,
    },
}

impl Broken {
    /// What a container that runs with it counts as.
    #[must_use]
    pub const fn coverage(&self) -> Coverage {
        match self {
            Self::WholeLimit | Self::AtLimit { .. } => Coverage::AtLimit,
            Self::NodeSize => Coverage::Uncovered,
            Self::AboveLimit { .. } => Coverage::AboveLimit,
            Self::Malformed(_) => Coverage::Malformed,
            Self::TooLow { .. } => Coverage::TooLow,
        }
    }

    /// The word for it in the status annotation: that of its [`Broken::coverage`] where that says what is wrong.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NodeSize => "node-size",
            other => other.coverage().as_str(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::WholeLimit => "remove it to have one injected",
            Self::NodeSize => "set the limit",
            Self::AtLimit { .. } | Self::AboveLimit { .. } => "lower it, or remove it",
            Self::Malformed(_) => "write bytes or MiB",
            Self::TooLow { .. } => "raise it, or remove it",
        }
    }
}

/// What is wrong, without [`Broken::advice`].
impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WholeLimit => {
                f.write_str("GOMEMLIMIT is 100 % of the memory limit, which leaves no headroom")
            }
            Self::NodeSize => {
                f.write_str("GOMEMLIMIT refers to a memory limit that is not set: it becomes the node's size")
            }
            Self::AtLimit { bytes, limit } | Self::AboveLimit { bytes, limit } => {
                write!(f, "GOMEMLIMIT is {bytes} bytes, above 98 % of the memory limit of {limit}")
            }
            Self::Malformed(text) => {
                write!(f, "GOMEMLIMIT={} is malformed: a Go program exits with code 2", quote(text))
            }
            Self::TooLow { bytes } => {
                write!(
                    f,
                    "GOMEMLIMIT is {bytes} bytes, so low that a Go program does little but collect garbage"
                )
            }
        }
    }
}

/// The memory limits that an existing value is measured against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Yardstick {
    /// The limit that applies to the container, in bytes, where it is known.
    pub(crate) limit: Option<u64>,
    /// What the downward API gives for `limits.memory`: the container's limit or else the pod's.
    pub(crate) downward: Option<u64>,
    /// There is a limit, but it is no amount of bytes.
    pub(crate) is_invalid: bool,
}

impl Yardstick {
    /// For a container to which `limit` applies, in a pod with these limits.
    pub(crate) fn new(limit: Limit, limits: &PodLimits) -> Self {
        Self {
            limit: limit.bytes(),
            downward: limit.own_bytes().or(limits.pod_level()),
            is_invalid: limit == Limit::Invalid,
        }
    }
}

/// What is wrong with the GOMEMLIMIT entry of the container called `container`; `None` for a sound
/// value and for one that cannot be known before the container runs.
pub(crate) fn inspect(entry: &EnvVar<'_>, container: &str, yardstick: Yardstick) -> Option<Broken> {
    if let Some(source) = &entry.value_from {
        return inspect_reference(source.resource_field_ref.as_ref()?, container, yardstick);
    }
    let text = entry.value.as_deref().unwrap_or_default();
    if text.contains("$(") {
        return None;
    }
    match text.parse() {
        Ok(GoLimit::Unlimited) => None,
        Ok(GoLimit::Bytes(bytes)) => inspect_bytes(bytes, yardstick.limit),
        Err(_) => Some(Broken::Malformed(start(text, MOST_QUOTED + 1).to_owned())),
    }
}

/// An existing value as it is written, cut to what fits an annotation.
pub(crate) fn written(entry: &EnvVar<'_>) -> String {
    const MOST: usize = 100;
    let cut = |text: &str| {
        let start = start(text, MOST);
        if start.len() < text.len() { format!("{start}…") } else { text.to_owned() }
    };
    match entry.value_from.as_ref().and_then(|source| source.resource_field_ref.as_ref()) {
        Some(ResourceFieldRef { resource, divisor, .. }) => {
            let divisor = divisor.as_ref().map(|divisor| format!(", divisor {}", start(&divisor.0, MOST)));
            cut(&format!("resourceFieldRef {}{}", start(resource, MOST), divisor.unwrap_or_default()))
        }
        None => cut(entry.value.as_deref().unwrap_or_default()),
    }
}

fn inspect_reference(
    reference: &ResourceFieldRef<'_>,
    container: &str,
    yardstick: Yardstick,
) -> Option<Broken> {
    if !reference.is_to_memory_limit_of(container) {
        return None;
    }
    let Some(limit) = yardstick.downward else {
        return (!yardstick.is_invalid).then_some(Broken::NodeSize);
    };
    match reference.divisor()? {
        1 => Some(Broken::WholeLimit),
        divisor => inspect_bytes(limit.div_ceil(divisor), yardstick.limit.or(yardstick.downward)),
    }
}

/// What is wrong with a value of `bytes`.
pub(crate) fn inspect_bytes(bytes: u64, limit: Option<u64>) -> Option<Broken> {
    let Some(limit) = limit else { return (bytes == 0).then_some(Broken::TooLow { bytes }) };
    match memlimit::distance(bytes, limit) {
        Distance::Above => Some(Broken::AboveLimit { bytes, limit }),
        Distance::At => Some(Broken::AtLimit { bytes, limit }),
        Distance::Sound => None,
        Distance::TooLow => Some(Broken::TooLow { bytes }),
    }
}
