//! The meaning of a GOMEMLIMIT that the user wrote: sound, opaque, or broken and how.

use std::{borrow::Cow, fmt};

use serde::Serialize;

use crate::{
    decision::{
        owned_values::OwnedValue,
        resolver::{Resolver, Unexpanded, Unresolved},
    },
    pod::{
        containers::{Container, Spec},
        env::{EnvVar, Opaque, ResourceFieldRef},
    },
    quote::{MAX_QUOTED_CHARS, quote, start},
    units::human,
    value::{
        fit::{self, FitToLimit},
        go_limit::GoLimit,
        limit::{Limit, PodLimits, invalid_sharer},
    },
};

/// The problem of a broken value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueProblem {
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
    /// The program exits with code 2 before `main`.
    Malformed {
        /// The start of the value.
        text: String,
        /// The reason for a `$(NAME)` in it, if it has one.
        unexpanded: Option<Unexpanded>,
    },
    /// Zero, or below 5 % of the limit: the garbage collector runs without a pause.
    TooLow {
        /// The value as bytes.
        bytes: u64,
    },
}

impl ValueProblem {
    /// The word for it in the status annotation; that of its coverage, unless that is `uncovered`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::WholeLimit | Self::AtLimit { .. } => "at-limit",
            Self::NodeSize => "node-size",
            Self::AboveLimit { .. } => "above-limit",
            Self::Malformed { .. } => "malformed",
            Self::TooLow { .. } => "too-low",
        }
    }

    /// The advice, for people.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::WholeLimit => "remove it to have one injected",
            Self::NodeSize => "set the limit",
            Self::AtLimit { .. } | Self::AboveLimit { .. } => "lower it, or remove it",
            Self::Malformed { unexpanded, .. } => match unexpanded {
                None => "write bytes or MiB",
                Some(Unexpanded::Undefined) => {
                    "define what it refers to before it in env, or write bytes or MiB"
                }
                Some(Unexpanded::Escaped) => "$$( is not expanded: write $(NAME), bytes or MiB",
            },
            Self::TooLow { .. } => "raise it, or remove it",
        }
    }
}

/// The problem, without [`ValueProblem::advice`].
impl fmt::Display for ValueProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WholeLimit => {
                f.write_str("GOMEMLIMIT is 100 % of the memory limit, which leaves no headroom")
            }
            Self::NodeSize => {
                f.write_str("GOMEMLIMIT refers to a memory limit that is not set: it becomes the node's size")
            }
            Self::AtLimit { bytes, limit } => {
                let (bytes, limit) = (human(*bytes), human(*limit));
                write!(f, "GOMEMLIMIT is {bytes}, above 98 % of the memory limit of {limit}")
            }
            Self::AboveLimit { bytes, limit } => {
                // Rounded to tenths both may look the same.
                let text =
                    if human(*bytes) == human(*limit) { |bytes| format!("{bytes} bytes") } else { human };
                write!(f, "GOMEMLIMIT is {}, above the memory limit of {}", text(*bytes), text(*limit))
            }
            Self::Malformed { text, .. } => {
                write!(f, "GOMEMLIMIT={} is malformed: a Go program exits with code 2", quote(text))
            }
            Self::TooLow { bytes } => {
                let bytes = human(*bytes);
                write!(f, "GOMEMLIMIT is {bytes}, so low that a Go program does little but collect garbage")
            }
        }
    }
}

/// The parts of a pod that determine values in the env of its containers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PodValues<'p, 'a> {
    spec: &'p Spec<'a>,
    limits: &'p PodLimits,
}

impl<'p, 'a> PodValues<'p, 'a> {
    pub(crate) fn new(spec: &'p Spec<'a>, limits: &'p PodLimits) -> Self {
        Self { spec, limits }
    }

    /// GOMEMLIMIT in env of `container`, to which the memory limit `limit` applies; `None` if there is none.
    pub(crate) fn existing<'c>(self, container: &'c Container<'a>, limit: Limit) -> Option<Existing<'c, 'a>> {
        let (index, entry) = container.env.gomemlimit.as_ref()?;
        let mut resolver = Resolver::new(self.spec, self.limits, container);
        let text = resolver.resolve(*index, entry);
        let value = match text {
            Err(Unresolved::NodeSize) => UserValue::NodeSize,
            Err(Unresolved::Unknown) => UserValue::Unknown,
            Ok(text) => match text.parse() {
                Ok(GoLimit::Unlimited) => UserValue::Unlimited,
                Ok(GoLimit::Bytes(bytes)) => UserValue::Bytes(bytes),
                Err(_) => UserValue::Malformed(text),
            },
        };
        let problem = match &value {
            UserValue::Unlimited | UserValue::Unknown => None,
            UserValue::NodeSize => Some(ValueProblem::NodeSize),
            UserValue::Malformed(text) => Some(ValueProblem::Malformed {
                text: start(text, MAX_QUOTED_CHARS + 1).to_owned(),
                unexpanded: resolver.unexpanded().filter(|_| text.contains("$(")),
            }),
            UserValue::Bytes(bytes) => self.check(*bytes, entry, container, limit),
        };
        Some(Existing { entry, container: &container.name, value, problem })
    }

    /// The problem of a value of `bytes` that `entry` of `container` yields.
    fn check(
        self,
        bytes: u64,
        entry: &EnvVar<'_>,
        container: &Container<'a>,
        limit: Limit,
    ) -> Option<ValueProblem> {
        let reference = entry.value_from.as_ref().and_then(|from| from.resource_field_ref.as_ref());
        let of_limit = reference.filter(|reference| reference.is_to_memory_limit_of(&container.name));
        match of_limit.map(ResourceFieldRef::divisor) {
            Some(Some(1)) => Some(ValueProblem::WholeLimit),
            Some(_) => check_bytes(bytes, limit.bytes().or(self.downward(container))),
            None => check_bytes(bytes, limit.bytes()),
        }
    }

    /// The first container whose memory limit is no quantity, so that what is left of the pod's is not known, and its text.
    pub(crate) fn invalid_sharer(self) -> Option<(&'p str, &'p str)> {
        invalid_sharer(self.spec)
    }

    /// The text of the pod-level memory limit.
    pub(crate) fn pod_memory_limit(self) -> Option<&'p str> {
        self.spec.resources.memory_limit()
    }

    /// The memory limit of `container` in the downward API, if that is not the node's size.
    pub(crate) fn downward(self, container: &Container<'a>) -> Option<u64> {
        self.limits.downward(container).own_bytes()
    }
}

/// A GOMEMLIMIT that the user wrote, and its meaning.
#[derive(Debug)]
pub(crate) struct Existing<'c, 'a> {
    pub(crate) entry: &'c EnvVar<'a>,
    /// The name of its container.
    container: &'c str,
    pub(crate) value: UserValue<'a>,
    /// The problem; `None` also if it is not known before the container runs.
    pub(crate) problem: Option<ValueProblem>,
}

impl Existing<'_, '_> {
    /// The bytes of a sound value.
    pub(crate) fn sound_bytes(&self) -> Option<u64> {
        self.bytes().filter(|_| self.problem.is_none())
    }

    fn bytes(&self) -> Option<u64> {
        match self.value {
            UserValue::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// A GOMEMLIMIT that is in `env`: of the user, or an earlier one of this program that stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExistingValue {
    /// Its text; a reference in words. That to a ConfigMap, a Secret or a field is put in words only by
    /// `PodDecision::into_owned`: a webhook, which answers with the borrowed decision, has no use for them.
    pub value: String,
    /// In bytes, if the pod determines it.
    pub bytes: Option<u64>,
    /// The problem: one of the words of `ValueProblem::as_str`.
    pub problem: Option<&'static str>,
    /// Whether this program wrote it.
    pub injected: bool,
}

impl ExistingValue {
    /// An earlier value of this program.
    pub(crate) fn injected(own: &OwnedValue) -> Self {
        let (value, bytes) = (own.source.text().into_owned(), Some(own.source.bytes()));
        Self { value, bytes, problem: None, injected: true }
    }
}

impl From<&Existing<'_, '_>> for ExistingValue {
    fn from(existing: &Existing<'_, '_>) -> Self {
        let problem = existing.problem.as_ref().map(ValueProblem::as_str);
        let value = display(existing.entry, existing.container);
        Self { value, bytes: existing.bytes(), problem, injected: false }
    }
}

/// GOMEMLIMIT as the program finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UserValue<'a> {
    /// Empty or `off`.
    Unlimited,
    Bytes(u64),
    Malformed(Cow<'a, str>),
    /// A reference to a memory limit that is not set.
    NodeSize,
    /// Not known from the pod.
    Unknown,
}

/// Maximum length of an existing value in messages, in characters.
const MAX_DISPLAYED_CHARS: usize = 100;

/// The start of an existing value, short enough for an annotation.
pub(crate) fn cut(text: &str) -> String {
    let start = start(text, MAX_DISPLAYED_CHARS);
    if start.len() < text.len() { format!("{start}…") } else { text.to_owned() }
}

/// The text of an existing value of the container called `own`.
fn display(entry: &EnvVar<'_>, own: &str) -> String {
    let Some(source) = &entry.value_from else { return cut(entry.value.as_deref().unwrap_or_default()) };
    let Some(reference) = &source.resource_field_ref else { return Opaque::OTHER.to_owned() };
    let part = |key: &str, text: &str| format!(", {key} {}", start(text, MAX_DISPLAYED_CHARS));
    let of = reference.container_name.as_deref().filter(|name| !name.is_empty() && *name != own);
    let of = of.map(|name| part("containerName", name)).unwrap_or_default();
    let divisor = reference.divisor.as_ref().map(|divisor| part("divisor", &divisor.0)).unwrap_or_default();
    cut(&format!("resourceFieldRef {}{of}{divisor}", start(&reference.resource, MAX_DISPLAYED_CHARS)))
}

/// The problem of a value of `bytes`.
fn check_bytes(bytes: u64, limit: Option<u64>) -> Option<ValueProblem> {
    let Some(limit) = limit else { return (bytes == 0).then_some(ValueProblem::TooLow { bytes }) };
    match fit::fit_to_limit(bytes, limit) {
        FitToLimit::Above => Some(ValueProblem::AboveLimit { bytes, limit }),
        FitToLimit::At => Some(ValueProblem::AtLimit { bytes, limit }),
        FitToLimit::Sound => None,
        FitToLimit::TooLow => Some(ValueProblem::TooLow { bytes }),
    }
}
