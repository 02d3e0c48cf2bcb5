//! Warnings: texts for people and closed kinds for metrics.

use strum::{EnumMessage, IntoStaticStr, VariantNames};

use crate::settings::{level::Level, table::Setting, words::help_line};

/// The closed list of kinds of warning; each is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumMessage, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum WarningKind {
    /// A setting was ignored at its level.
    BadSetting(Setting, Level),
    /// A setting was followed, but is unlikely to be meant.
    DoubtfulSetting,
    /// A label or annotation of the domain without a meaning.
    UnknownName,
    /// GOMEMLIMIT is set by the user to something that hurts.
    BrokenValue,
    /// Volumes in memory can take what GOMEMLIMIT leaves of the memory limit, and more.
    MemoryVolume,
    /// An in-place resize leaves a literal GOMEMLIMIT behind.
    StaleValue,
    /// The status annotation had no room.
    StatusOmitted,
    /// Comparing the pod with the rules of the policy file would have taken too long.
    RulesCutOff,
    /// The review itself could not be understood.
    BadReview,
}

impl WarningKind {
    /// Every value of [`WarningKind::as_str`].
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// The word used in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// One sentence for people: what is wrong.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        help_line(&self)
    }
}

/// One problem of a pod or a review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// For metrics.
    pub kind: WarningKind,
    /// One sentence: the place, the problem and the advice; no control characters.
    pub text: String,
}

impl Warning {
    pub(crate) fn new(kind: WarningKind, text: String) -> Self {
        Self { kind, text }
    }
}
