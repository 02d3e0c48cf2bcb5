//! What can be set, where, and what holds where nothing is set.

pub(crate) mod annotations;
mod builtin;
pub(crate) mod layer;
pub(crate) mod precedence;
pub(crate) mod rule;
pub(crate) mod rules;

use std::str::FromStr;

pub use self::{
    annotations::NamespaceAnnotations,
    builtin::{BUILT_IN, BuiltIn},
    rules::Rules,
};
use crate::value::ratio::Ratio;

/// What can be set by annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setting {
    /// The share of the memory limit, or `off`.
    Ratio,
    /// Bytes to leave free below the limit.
    Headroom,
    /// Limits below this many bytes are left alone.
    MinLimit,
    /// Inject, only report, or leave alone.
    Mode,
    /// How the value is written.
    Value,
    /// What happens to a broken value of the user.
    Repair,
}

impl Setting {
    /// Every setting.
    pub const ALL: [Self; 6] =
        [Self::Ratio, Self::Headroom, Self::MinLimit, Self::Mode, Self::Value, Self::Repair];

    /// The name in annotation keys, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ratio => "ratio",
            Self::Headroom => "headroom",
            Self::MinLimit => "min-limit",
            Self::Mode => "mode",
            Self::Value => "value",
            Self::Repair => "repair",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.as_str() == name)
    }
}

/// Where a setting was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// An annotation of the pod that names the container.
    Container,
    /// An annotation of the pod.
    Pod,
    /// A rule of the policy file.
    Rule,
    /// An annotation of the namespace.
    Namespace,
    /// The command line, or what it defaults to.
    Default,
}

impl Level {
    /// Every level, the strongest first.
    pub const ALL: [Self; 5] = [Self::Container, Self::Pod, Self::Rule, Self::Namespace, Self::Default];

    /// The name in the status annotation, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Pod => "pod",
            Self::Rule => "rule",
            Self::Namespace => "namespace",
            Self::Default => "default",
        }
    }
}

/// What to do with a container that qualifies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Patch it.
    #[default]
    Inject,
    /// Decide and report, patch nothing.
    Audit,
    /// Leave it alone.
    Off,
}

/// How the value is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValueKind {
    /// As bytes.
    #[default]
    Literal,
    /// By the downward API, so that it follows the limit at every restart of the container.
    Track,
}

impl ValueKind {
    /// The name in settings and in the status annotation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Literal => "literal",
            Self::Track => "track",
        }
    }
}

/// What to do about a broken value of the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repair {
    /// Say nothing.
    Off,
    /// Warn.
    #[default]
    Report,
    /// Replace it by what would be injected had the user set nothing.
    Fix,
}

/// What an `envFrom` that may define GOMEMLIMIT means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnvFrom {
    /// Inject: `env` wins over `envFrom`, whose content is unknown.
    #[default]
    Inject,
    /// Leave the container alone.
    Skip,
}

/// Which init containers are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InitContainers {
    /// Only native sidecars (`restartPolicy: Always`).
    #[default]
    Sidecars,
    /// All of them.
    All,
}

/// The settings that hold where no annotation says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The share of the memory limit.
    pub ratio: Ratio,
    /// Bytes to leave free below the limit.
    pub headroom: u64,
    /// Limits below this many bytes are left alone.
    pub min_limit: u64,
    /// Inject, only report, or leave alone.
    pub mode: Mode,
    /// How the value is written.
    pub value: ValueKind,
    /// What happens to a broken value of the user.
    pub repair: Repair,
}

impl Settings {
    /// 32 MiB: below it a Go program under load does little but collect garbage.
    pub const DEFAULT_MIN_LIMIT: u64 = 32 << 20;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ratio: Ratio::DEFAULT,
            headroom: 0,
            min_limit: Self::DEFAULT_MIN_LIMIT,
            mode: Mode::default(),
            value: ValueKind::default(),
            repair: Repair::default(),
        }
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "inject" => Ok(Self::Inject),
            "audit" => Ok(Self::Audit),
            "off" => Ok(Self::Off),
            _ => Err("is none of `inject`, `audit`, `off`".to_owned()),
        }
    }
}

impl FromStr for Repair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "report" => Ok(Self::Report),
            "fix" => Ok(Self::Fix),
            _ => Err("is none of `off`, `report`, `fix`".to_owned()),
        }
    }
}

impl FromStr for ValueKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "literal" => Ok(Self::Literal),
            "track" => Ok(Self::Track),
            _ => Err("is neither `literal` nor `track`".to_owned()),
        }
    }
}
