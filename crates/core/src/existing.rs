//! What a GOMEMLIMIT that the user wrote means: sound, opaque, or broken and how.

use std::{borrow::Cow, fmt};

use crate::{
    coverage::Coverage,
    env::{EnvVar, Opaque, ResourceFieldRef, TooLong},
    expansion::{Piece, pieces},
    memlimit::{self, Distance, GoLimit},
    names::LIMITS_MEMORY,
    pod::{Container, Spec},
    podlimit::{Limit, PodLimits},
    quantity::{self, QuantityError},
    resources::QuantityText,
    text::{MOST_QUOTED, quote, start},
    units::human,
    verdict::ExistingValue,
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
    /// The program exits with code 2 before `main`.
    Malformed {
        /// The start of the value.
        text: String,
        /// Why it has a `$(NAME)`, if it has one.
        unexpanded: Option<Unexpanded>,
    },
    /// Zero, or below 5 % of the limit: the garbage collector runs without a pause.
    TooLow {
        /// The value as bytes.
        bytes: u64,
    },
}

/// Why kubelet leaves `$(NAME)` as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unexpanded {
    /// No variable of the name is defined before it.
    Undefined,
    /// It is written as `$$(NAME)`.
    Escaped,
}

impl Broken {
    /// What a container that runs with it counts as.
    #[must_use]
    pub const fn coverage(&self) -> Coverage {
        match self {
            Self::WholeLimit | Self::AtLimit { .. } => Coverage::AtLimit,
            Self::NodeSize => Coverage::Uncovered,
            Self::AboveLimit { .. } => Coverage::AboveLimit,
            Self::Malformed { .. } => Coverage::Malformed,
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

/// What decides about the values in a container's env that the pod itself determines.
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
        let mut resolver = Resolver { pod: self, container, references: 0, unexpanded: None };
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
        let broken = match &value {
            UserValue::Unlimited | UserValue::Unknown => None,
            UserValue::NodeSize => Some(Broken::NodeSize),
            UserValue::Malformed(text) => Some(Broken::Malformed {
                text: start(text, MOST_QUOTED + 1).to_owned(),
                unexpanded: resolver.unexpanded.filter(|_| text.contains("$(")),
            }),
            UserValue::Bytes(bytes) => self.inspect(*bytes, entry, container, limit),
        };
        Some(Existing { entry, container: &container.name, value, broken })
    }

    /// What is wrong with a value of `bytes` that `entry` of `container` yields.
    fn inspect(
        self,
        bytes: u64,
        entry: &EnvVar<'_>,
        container: &Container<'a>,
        limit: Limit,
    ) -> Option<Broken> {
        let reference = entry.value_from.as_ref().and_then(|from| from.resource_field_ref.as_ref());
        let of_limit = reference.filter(|reference| reference.is_to_memory_limit_of(&container.name));
        match of_limit.map(ResourceFieldRef::divisor) {
            Some(Some(1)) => Some(Broken::WholeLimit),
            Some(_) => inspect_bytes(bytes, limit.bytes().or(self.downward(container))),
            None => inspect_bytes(bytes, limit.bytes()),
        }
    }

    /// The text of the pod-level memory limit.
    pub(crate) fn pod_memory_limit(self) -> Option<&'p str> {
        self.spec.resources.memory_limit()
    }

    /// What the downward API gives for the memory limit of `container`, if that is not the node's size.
    pub(crate) fn downward(self, container: &Container<'a>) -> Option<u64> {
        self.limits.downward(container).own_bytes()
    }
}

/// A GOMEMLIMIT that the user wrote, and what it means.
#[derive(Debug)]
pub(crate) struct Existing<'c, 'a> {
    pub(crate) entry: &'c EnvVar<'a>,
    /// The name of its container.
    container: &'c str,
    pub(crate) value: UserValue<'a>,
    /// What is wrong with it; `None` also if it is not known before the container runs.
    pub(crate) broken: Option<Broken>,
}

impl Existing<'_, '_> {
    /// The bytes of a value with which nothing is wrong.
    pub(crate) fn sound_bytes(&self) -> Option<u64> {
        self.bytes().filter(|_| self.broken.is_none())
    }

    fn bytes(&self) -> Option<u64> {
        match self.value {
            UserValue::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl From<&Existing<'_, '_>> for ExistingValue {
    fn from(existing: &Existing<'_, '_>) -> Self {
        let problem = existing.broken.as_ref().map(Broken::as_str);
        Self { value: written(existing.entry, existing.container), bytes: existing.bytes(), problem }
    }
}

/// What the program finds in GOMEMLIMIT.
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

/// Why the text of a variable is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unresolved {
    NodeSize,
    Unknown,
}

/// References that are followed for one value, and bytes of what they make: more is not worth the time.
const MAX_REFERENCES: usize = 4;
const MAX_EXPANDED: usize = 256;

/// What kubelet makes `$(` of.
const ESCAPED: &str = "$$(";

/// Finds the text of a variable as kubelet does (`makeEnvironmentVariables` in
/// `k8s.io/kubernetes/pkg/kubelet/kubelet_pods.go`): in the order of env, so that only earlier entries are expanded.
struct Resolver<'p, 'a> {
    pod: PodValues<'p, 'a>,
    container: &'p Container<'a>,
    references: usize,
    /// What was left as it is; that nothing is defined counts more.
    unexpanded: Option<Unexpanded>,
}

impl<'a> Resolver<'_, 'a> {
    /// The text of the entry with the index `index`.
    fn resolve(&mut self, index: usize, entry: &EnvVar<'a>) -> Result<Cow<'a, str>, Unresolved> {
        if let Some(source) = &entry.value_from {
            let reference = source.resource_field_ref.as_ref().ok_or(Unresolved::Unknown)?;
            return self.resource(reference).map(|amount| amount.to_string().into());
        }
        let text = entry.value.clone().unwrap_or_default().0;
        if !text.contains('$') {
            return Ok(text);
        }
        if text.contains(ESCAPED) {
            self.unexpanded.get_or_insert(Unexpanded::Escaped);
        }
        let mut expanded = String::new();
        for piece in pieces(&text) {
            match piece {
                Piece::Text(text) => expanded.push_str(text),
                Piece::Reference(name) => expanded += &self.reference(index, name)?,
            }
            if expanded.len() > MAX_EXPANDED {
                return Err(Unresolved::Unknown);
            }
        }
        Ok(expanded.into())
    }

    /// What `$(name)` is in the value of the entry with the index `index`.
    fn reference(&mut self, index: usize, name: &str) -> Result<Cow<'a, str>, Unresolved> {
        self.references += 1;
        if self.references > MAX_REFERENCES {
            return Err(Unresolved::Unknown);
        }
        match self.container.env.last_before(index, name).map_err(|TooLong| Unresolved::Unknown)? {
            Some((index, entry)) => self.resolve(index, &entry),
            None if self.container.may_be_defined_elsewhere(name) => Err(Unresolved::Unknown),
            // It stays as it is.
            None => {
                self.unexpanded = Some(Unexpanded::Undefined);
                Ok(format!("$({name})").into())
            }
        }
    }

    /// What the downward API gives (`ExtractContainerResourceValue` in `k8s.io/kubernetes/pkg/api/v1/resource`).
    fn resource(&self, reference: &ResourceFieldRef<'a>) -> Result<u64, Unresolved> {
        let name = reference.container_name.as_deref().unwrap_or_default();
        let mut all = self.pod.spec.all_containers();
        let container =
            if name.is_empty() { Some(self.container) } else { all.find(|one| *one.name == *name) };
        let container = container.ok_or(Unresolved::Unknown)?;
        let known = |amount: Option<u64>| amount.ok_or(Unresolved::Unknown);
        let read = |text: Option<QuantityText<'_>>, parse: fn(&str) -> Result<u64, QuantityError>| {
            known(text.map_or(Ok(0), |text| parse(&text.0)).ok())
        };
        let resources = &container.resources;
        // A CPU or storage limit that is not set is the node's, which is not known.
        let is_set = |amount: &u64| *amount > 0;
        let (amount, divisor) = match &*reference.resource {
            LIMITS_MEMORY => match self.pod.limits.downward(container) {
                Limit::Own(bytes) => (bytes, reference.divisor()),
                Limit::None => return Err(Unresolved::NodeSize),
                _ => return Err(Unresolved::Unknown),
            },
            "requests.memory" => (read(resources.request("memory"), quantity::parse)?, reference.divisor()),
            "requests.cpu" => {
                (read(resources.request("cpu"), quantity::parse_milli)?, reference.milli_divisor())
            }
            "limits.cpu" => {
                let milli = read(resources.limit("cpu"), quantity::parse_milli)?;
                (known(Some(milli).filter(is_set))?, reference.milli_divisor())
            }
            "requests.ephemeral-storage" => {
                (read(resources.request("ephemeral-storage"), quantity::parse)?, reference.divisor())
            }
            "limits.ephemeral-storage" => {
                let bytes = read(resources.limit("ephemeral-storage"), quantity::parse)?;
                (known(Some(bytes).filter(is_set))?, reference.divisor())
            }
            _ => return Err(Unresolved::Unknown),
        };
        Ok(amount.div_ceil(known(divisor)?))
    }
}

/// Bytes of an existing value that are shown.
const MAX_WRITTEN: usize = 100;

/// The start of an existing value: what fits an annotation.
pub(crate) fn cut(text: &str) -> String {
    let start = start(text, MAX_WRITTEN);
    if start.len() < text.len() { format!("{start}…") } else { text.to_owned() }
}

/// An existing value of the container called `own` as it is written.
fn written(entry: &EnvVar<'_>, own: &str) -> String {
    let Some(source) = &entry.value_from else { return cut(entry.value.as_deref().unwrap_or_default()) };
    let Some(reference) = &source.resource_field_ref else { return Opaque::OTHER.to_owned() };
    let part = |key: &str, text: &str| format!(", {key} {}", start(text, MAX_WRITTEN));
    let of = reference.container_name.as_deref().filter(|name| !name.is_empty() && *name != own);
    let of = of.map(|name| part("containerName", name)).unwrap_or_default();
    let divisor = reference.divisor.as_ref().map(|divisor| part("divisor", &divisor.0)).unwrap_or_default();
    cut(&format!("resourceFieldRef {}{of}{divisor}", start(&reference.resource, MAX_WRITTEN)))
}

/// What is wrong with a value of `bytes`.
fn inspect_bytes(bytes: u64, limit: Option<u64>) -> Option<Broken> {
    let Some(limit) = limit else { return (bytes == 0).then_some(Broken::TooLow { bytes }) };
    match memlimit::distance(bytes, limit) {
        Distance::Above => Some(Broken::AboveLimit { bytes, limit }),
        Distance::At => Some(Broken::AtLimit { bytes, limit }),
        Distance::Sound => None,
        Distance::TooLow => Some(Broken::TooLow { bytes }),
    }
}
