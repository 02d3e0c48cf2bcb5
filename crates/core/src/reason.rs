//! The closed list of reasons: the same words in metrics, logs, the status annotation, the command
//! line and the documentation.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use thiserror::Error;

/// The reason for a value, or for having none. Ordered: if several apply, the first one counts.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownReason, parse_err_fn = unknown_reason)]
pub enum Reason {
    /// The review is about something else than a pod.
    NotAPod,
    /// Not the creation of a pod: environment variables of a running pod cannot change.
    NotCreate,
    /// A static pod's mirror: only kubelet may write it.
    MirrorPod,
    /// A Windows pod.
    Windows,
    /// Opted out by label, `mode: off` or `ratio: off`.
    OptedOut,
    /// A plain init container (unless `--init-containers=all`).
    InitContainer,
    /// GOMEMLIMIT is set by the user, or may be set by an `envFrom` that the policy respects.
    AlreadySet,
    /// The program sets its limit itself: automemlimit, or by a rule of the policy file.
    SelfManaged,
    /// Not a Go program, by a rule of the policy file.
    NotGo,
    /// Neither the container nor the pod has a memory limit.
    NoMemoryLimit,
    /// The limit is too small for GOMEMLIMIT to help.
    BelowMinimum,
    /// A pod-level limit shared by several containers without a limit of their own.
    SharedPodLimit,
    /// The limit is not an amount of bytes that a container can have.
    InvalidLimit,
    /// `mode: audit`: what would have been done is reported, nothing is patched.
    AuditMode,
    /// A value was added.
    Injected,
    /// An own earlier value no longer fitted the limit or the settings and was replaced.
    Updated,
    /// `repair: fix`: a broken value of the user was replaced.
    Repaired,
    /// An own earlier value still fits (reinvocation, a copied manifest): nothing to change.
    Kept,
}

impl Reason {
    /// Every reason, in order of precedence.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The word used everywhere.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// One sentence for people: the meaning, and the advice if there is any.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::NotAPod => "not a pod",
            Self::NotCreate => "not the creation of a pod; the environment of a running pod cannot change",
            Self::MirrorPod => "a static pod's mirror, which only kubelet may write",
            Self::Windows => "a Windows pod",
            Self::OptedOut => "opted out by label, annotation, rule or flag",
            Self::InitContainer => "a plain init container; --init-containers=all includes them",
            Self::AlreadySet => "GOMEMLIMIT is already set by the user",
            Self::SelfManaged => "the program sets its limit itself",
            Self::NotGo => "not a Go program",
            Self::NoMemoryLimit => "no memory limit; set resources.limits.memory",
            Self::BelowMinimum => "the memory limit is too small for GOMEMLIMIT to help",
            Self::SharedPodLimit => {
                "the pod-level limit is shared by several containers; give each a limit of its own"
            }
            Self::InvalidLimit => "the memory limit is not a usable quantity",
            Self::AuditMode => "audit mode: reported, not patched",
            Self::Injected => "a value was added",
            Self::Updated => "our earlier value no longer fitted the limit or the settings and was replaced",
            Self::Repaired => "a broken value of the user was replaced",
            Self::Kept => "our earlier value still fits",
        }
    }

    /// Whether GOMEMLIMIT is now a value of this program.
    #[must_use]
    pub const fn is_set(self) -> bool {
        matches!(self, Self::Injected | Self::Updated | Self::Repaired | Self::Kept)
    }

    /// Whether GOMEMLIMIT was written just now.
    #[must_use]
    pub const fn is_change(self) -> bool {
        matches!(self, Self::Injected | Self::Updated | Self::Repaired)
    }

    /// `set` or `skip`, the coarse label beside the reason.
    #[must_use]
    pub const fn decision(self) -> &'static str {
        if self.is_set() { "set" } else { "skip" }
    }
}

/// The error for a text that is no [`Reason`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no such reason; one of {}", Reason::ALL.iter().map(|reason| reason.as_str()).collect::<Vec<_>>().join(", "))]
pub struct UnknownReason;

fn unknown_reason(_: &str) -> UnknownReason {
    UnknownReason
}
