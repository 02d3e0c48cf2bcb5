//! The coverage of a running container: the meaning of its GOMEMLIMIT against the memory limit that applies, the reasons
//! for having none, and the advice.
//!
//! The rules are those of the webhook: `decide` over the pod with its actual limits, `user_value` for values of the user,
//! the status annotation for values of this program.

use std::{fmt, str::FromStr};

use strum::{Display, IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::{
    decision::outcome::ContainerList, decision::user_value::ValueProblem, pod::live::Termination,
    reason::Reason,
};

/// The meaning of a container's GOMEMLIMIT against its actual memory limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Coverage {
    /// A value that leaves room below the limit.
    Covered,
    /// A value of this program, made for a limit that has changed since.
    Stale,
    /// More than 98 % of the limit, up to all of it: no room.
    AtLimit,
    /// More than the limit.
    AboveLimit,
    /// A text that makes a Go program exit.
    Malformed,
    /// Zero, or below 5 % of the limit.
    TooLow,
    /// From a `ConfigMap`, a Secret, or a variable that an `envFrom` or a Service may define: not known from the pod.
    Opaque,
    /// Empty or `off`: the user wants none.
    Off,
    /// There is none.
    Uncovered,
}

impl Coverage {
    /// Every status.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The word used in tables, JSON and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl From<&ValueProblem> for Coverage {
    /// The status of a container that runs with a broken value.
    fn from(problem: &ValueProblem) -> Self {
        match problem {
            ValueProblem::WholeLimit | ValueProblem::AtLimit { .. } => Self::AtLimit,
            ValueProblem::NodeSize => Self::Uncovered,
            ValueProblem::AboveLimit { .. } => Self::AboveLimit,
            ValueProblem::Malformed { .. } => Self::Malformed,
            ValueProblem::TooLow { .. } => Self::TooLow,
        }
    }
}

/// The reason for a container without GOMEMLIMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UncoveredReason {
    /// The webhook would give it none.
    Decided(Reason),
    /// The webhook would give it one, but its namespace has not opted in.
    NotLabelled,
    /// The namespace is one that the webhook is never asked about.
    ExcludedNamespace,
    /// It would get one now: it was created before the namespace opted in, or while the webhook was away.
    NotInjected,
    /// It would get one if its namespace has opted in, which is not known.
    NamespaceUnknown,
}

impl UncoveredReason {
    /// Every reason: those of decisions that set nothing, and the others.
    pub fn all() -> impl Iterator<Item = Self> {
        let decided = Reason::ALL.iter().copied().filter(|reason| {
            !reason.is_set() && !matches!(reason, Reason::NotAPod | Reason::NotCreate | Reason::AlreadySet)
        });
        decided.map(Self::Decided).chain([
            Self::NotLabelled,
            Self::ExcludedNamespace,
            Self::NotInjected,
            Self::NamespaceUnknown,
        ])
    }

    /// The word; for [`UncoveredReason::Decided`] that of the decision.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decided(reason) => reason.as_str(),
            Self::NotLabelled => "not-labelled",
            Self::ExcludedNamespace => "excluded-namespace",
            Self::NotInjected => "not-injected",
            Self::NamespaceUnknown => "namespace-unknown",
        }
    }

    /// The meaning, for people.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Decided(reason) => reason.explanation(),
            Self::NotLabelled => "the namespace has not opted in",
            Self::ExcludedNamespace => "the namespace is one that the webhook is never asked about",
            Self::NotInjected => {
                "created before the namespace opted in, or while the webhook was away; a new pod gets a value"
            }
            Self::NamespaceUnknown => {
                "a new pod gets a value if the namespace has opted in, which cannot be read"
            }
        }
    }
}

impl fmt::Display for UncoveredReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The source of the actual memory limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum LimitSource {
    /// `status.containerStatuses[].resources`: what applies now.
    Running,
    /// The container's `resources` in the spec: nothing runs yet, or the cluster does not report it.
    Spec,
    /// The container's part of the pod-level limit.
    Pod,
}

impl LimitSource {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The coverage of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerCoverage {
    /// The container's name.
    pub name: String,
    /// The list of the pod that it is in.
    pub list: ContainerList,
    /// The meaning of its GOMEMLIMIT.
    pub status: Coverage,
    /// The reason for having no GOMEMLIMIT, if it has none.
    pub reason: Option<UncoveredReason>,
    /// The actual memory limit in bytes, and its source.
    pub limit: Option<(u64, LimitSource)>,
    /// The text of GOMEMLIMIT in the pod; `None` if it comes from elsewhere or is not there.
    pub text: Option<String>,
    /// GOMEMLIMIT in bytes, if known.
    pub bytes: Option<u64>,
    /// Whether this program wrote the value.
    pub is_ours: bool,
    /// The meaning, in one sentence.
    pub explanation: String,
    /// The advice, in one sentence; empty if there is nothing to do.
    pub advice: String,
    /// Number of restarts.
    pub restarts: u32,
    /// Its last end.
    pub end: Option<Termination>,
}

impl ContainerCoverage {
    /// Whether its last end was by the OOM killer.
    #[must_use]
    pub fn was_oom_killed(&self) -> bool {
        self.end.as_ref().is_some_and(Termination::is_oom_kill)
    }

    /// Whether its last end was a SIGKILL of another origin.
    #[must_use]
    pub fn was_sigkilled(&self) -> bool {
        self.end.as_ref().is_some_and(Termination::is_sigkill)
    }

    /// Whether its last end was that of a Go program that cannot read GOMEMLIMIT: exit code 2.
    #[must_use]
    pub fn died_of_malformed_value(&self) -> bool {
        self.status == Coverage::Malformed && self.end.as_ref().is_some_and(|end| end.exit_code == 2)
    }
}

/// A finding of `audit`: a status, a reason for having none, or an end of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditFinding {
    /// A status.
    Status(Coverage),
    /// A reason.
    Uncovered(UncoveredReason),
    /// The OOM killer ended the container.
    OomKilled,
    /// Another SIGKILL ended it.
    Sigkilled,
    /// A malformed value ended it.
    MalformedCrash,
}

impl AuditFinding {
    /// Every finding.
    pub fn all() -> impl Iterator<Item = Self> {
        let statuses = Coverage::ALL.iter().copied().map(Self::Status);
        statuses.chain(UncoveredReason::all().map(Self::Uncovered)).chain([
            Self::OomKilled,
            Self::Sigkilled,
            Self::MalformedCrash,
        ])
    }

    /// The word in tables, flags and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status(status) => status.as_str(),
            Self::Uncovered(reason) => reason.as_str(),
            Self::OomKilled => "oom-killed",
            Self::Sigkilled => "sigkilled",
            Self::MalformedCrash => "malformed-crash",
        }
    }

    /// Whether it holds for a container.
    #[must_use]
    pub fn holds(self, container: &ContainerCoverage) -> bool {
        match self {
            Self::Status(status) => container.status == status,
            Self::Uncovered(reason) => container.reason == Some(reason),
            Self::OomKilled => container.was_oom_killed(),
            Self::Sigkilled => container.was_sigkilled(),
            Self::MalformedCrash => container.died_of_malformed_value(),
        }
    }
}

impl FromStr for AuditFinding {
    type Err = UnknownFinding;

    fn from_str(text: &str) -> Result<Self, UnknownFinding> {
        Self::all().find(|finding| finding.as_str() == text).ok_or(UnknownFinding)
    }
}

/// The error for a text that is no [`AuditFinding`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("is none of {}", AuditFinding::all().map(AuditFinding::as_str).collect::<Vec<_>>().join(", "))]
pub struct UnknownFinding;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_of_the_status_annotation_has_the_word_of_its_coverage() {
        for problem in [
            ValueProblem::WholeLimit,
            ValueProblem::AtLimit { bytes: 1, limit: 1 },
            ValueProblem::AboveLimit { bytes: 2, limit: 1 },
            ValueProblem::Malformed { text: String::new(), unexpanded: None },
            ValueProblem::TooLow { bytes: 0 },
        ] {
            assert_eq!(problem.as_str(), Coverage::from(&problem).as_str());
        }
    }
}
