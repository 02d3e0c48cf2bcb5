//! Settings: their names, levels, values and defaults.

pub(crate) mod annotations;
mod builtin;
pub(crate) mod layer;
pub(crate) mod precedence;
pub(crate) mod rule;
pub(crate) mod rules;

use std::fmt;

use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};

pub use self::{
    annotations::NamespaceAnnotations,
    builtin::{BUILT_IN, BuiltIn},
    rules::Rules,
};
use crate::value::ratio::Ratio;

/// A setting, as in annotation keys and rules.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Setting {
    /// The share of the memory limit, or `off`.
    Ratio,
    /// Bytes to leave free below the limit.
    Headroom,
    /// Limits below this many bytes are left alone.
    MinLimit,
    /// Inject, only report, or leave alone.
    Mode,
    /// The form of the value.
    Value,
    /// The action for a broken value of the user.
    Repair,
}

impl Setting {
    /// Every setting.
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;

    /// The name in annotation keys, metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The level of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
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
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;

    /// The name in the status annotation, metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The action for a container that qualifies.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray, VariantNames,
)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = unknown_mode)]
pub enum Mode {
    /// Patch it.
    #[default]
    Inject,
    /// Decide and report, patch nothing.
    Audit,
    /// Leave it alone.
    Off,
}

/// The form of the value.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray, VariantNames,
)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = unknown_value)]
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
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The action for a broken value of the user.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray, VariantNames,
)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = unknown_repair)]
pub enum Repair {
    /// Say nothing.
    Off,
    /// Warn.
    #[default]
    Report,
    /// Replace it by what would be injected had the user set nothing.
    Fix,
}

/// The action for a container with an `envFrom` that may define GOMEMLIMIT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnvFrom {
    /// Inject: `env` wins over `envFrom`, whose content is unknown.
    #[default]
    Inject,
    /// Leave the container alone.
    Skip,
}

/// The init containers that are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InitContainers {
    /// Only native sidecars (`restartPolicy: Always`).
    #[default]
    Sidecars,
    /// All of them.
    All,
}

/// The value of every setting; by default those of a bare installation.
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
    /// The form of the value.
    pub value: ValueKind,
    /// The action for a broken value of the user.
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

/// The error for a text that is none of the words of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWord(&'static [&'static str]);

impl std::error::Error for UnknownWord {}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [one, other] => write!(f, "is neither `{one}` nor `{other}`"),
            words => write!(f, "is none of `{}`", words.join("`, `")),
        }
    }
}

fn unknown_mode(_: &str) -> UnknownWord {
    UnknownWord(<Mode as VariantNames>::VARIANTS)
}

fn unknown_value(_: &str) -> UnknownWord {
    UnknownWord(<ValueKind as VariantNames>::VARIANTS)
}

fn unknown_repair(_: &str) -> UnknownWord {
    UnknownWord(<Repair as VariantNames>::VARIANTS)
}
