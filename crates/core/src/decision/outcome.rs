//! Decisions about a pod and its containers.

use std::borrow::Cow;

use strum::IntoStaticStr;

use crate::{
    decision::{
        owned_values::{OwnedValue, Repaired, ValueSource},
        user_value::{ExistingValue, cut},
    },
    json::text::Text,
    pod::env::Opaque,
    reason::Reason,
    settings::{
        level::{Level, Levels},
        table::Setting,
        words::{EnvFrom, ValueKind},
    },
    value::recipe::Recipe,
    warning::Warning,
};

/// The decision about a pod.
#[derive(Debug, Default)]
pub struct PodDecision<'a> {
    /// The reason that holds for a request in which no container was looked at.
    pub reason: Option<Reason>,
    /// One for each container: init containers first, in the order of the pod.
    pub containers: Vec<ContainerDecision<'a>>,
    /// Warnings, in the order in which they were found.
    pub warnings: Vec<Warning>,
    pub(crate) annotations: AnnotationsState,
}

impl PodDecision<'_> {
    /// The same, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> PodDecision<'static> {
        let containers = self.containers.into_iter().map(|container| ContainerDecision {
            name: container.name.into_owned(),
            list: container.list,
            index: container.index,
            outcome: container.outcome,
            env_from: container.env_from,
            env: container.env,
            own: container.own,
            limit_range: container.limit_range,
            reason_rule: container.reason_rule,
            value_rule: container.value_rule,
            repaired: container.repaired,
            existing: container.existing.map(|existing| match container.opaque {
                Some(opaque) => ExistingValue { value: cut(&opaque.in_words()), ..existing },
                None => existing,
            }),
            opaque: None,
            detail: container.detail,
        });
        PodDecision {
            containers: containers.collect(),
            reason: self.reason,
            warnings: self.warnings,
            annotations: self.annotations,
        }
    }
}

/// The state of the pod's annotations, for a patch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AnnotationsState {
    pub(crate) has_metadata: bool,
    pub(crate) has_annotations: bool,
    /// Bytes of all keys and values but those of an earlier status annotation.
    pub(crate) size: usize,
}

/// The decision about one container.
#[derive(Debug)]
pub struct ContainerDecision<'a> {
    pub(crate) name: Text<'a>,
    /// The list of the pod that it is in.
    pub list: ContainerList,
    /// Its index in that list.
    pub index: usize,
    /// The decision.
    pub outcome: Outcome,
    /// Set if an `envFrom` may define GOMEMLIMIT: whether a value in env overrides it, or it is the reason for none.
    pub env_from: Option<EnvFrom>,
    pub(crate) env: EnvTarget,
    /// The value in env, if this program wrote it.
    pub(crate) own: Option<OwnedValue>,
    /// Name of the `LimitRange` among the manifests that gives the memory limit; the caller of [`LimitRanges::apply`] sets it.
    ///
    /// [`LimitRanges::apply`]: crate::LimitRanges::apply
    pub limit_range: Option<String>,
    /// The rule that led to the reason.
    pub reason_rule: Option<String>,
    /// The rule that gave the setting that made the value.
    pub value_rule: Option<String>,
    /// The value of the user that is replaced now.
    pub(crate) repaired: Option<Repaired>,
    /// The value of the user that is in env.
    pub existing: Option<ExistingValue>,
    /// The source of that value, if the pod does not determine it; read by [`PodDecision::into_owned`].
    pub(crate) opaque: Option<Opaque<'a>>,
    /// The meaning of the reason for this container, if it is more precise than [`Reason::explanation`].
    pub(crate) detail: Option<String>,
}

impl ContainerDecision<'_> {
    /// Name of the container.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name of the container, or its place such as `containers[0]` if it has none, as Knative allows.
    #[must_use]
    pub fn label(&self) -> Cow<'_, str> {
        if self.name.is_empty() { Cow::Owned(self.list.item(self.index)) } else { Cow::Borrowed(&self.name) }
    }

    /// The meaning of the reason, for people.
    #[must_use]
    pub fn explanation(&self) -> &str {
        self.detail.as_deref().unwrap_or(self.outcome.reason.explanation())
    }

    /// The one rule to name: that of the value if there is one now, else that of the reason.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        let (reason, value) = (self.reason_rule.as_deref(), self.value_rule.as_deref());
        if self.outcome.reason.is_set() { value.or(reason) } else { reason.or(value) }
    }

    /// Whether the patch changes the container.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.outcome.reason.is_change()
    }

    /// The value of the user that was replaced, now or at an earlier answer.
    #[must_use]
    pub fn repaired(&self) -> Option<&Repaired> {
        self.repaired.as_ref().or_else(|| self.own.as_ref()?.repaired.as_ref())
    }
}

/// The list of a pod that a container is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
pub enum ContainerList {
    /// `spec.initContainers`.
    #[strum(serialize = "initContainers")]
    Init,
    /// `spec.containers`.
    #[strum(serialize = "containers")]
    Main,
}

impl ContainerList {
    /// The name of the field.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The container with this index, for people: `containers[0]`.
    pub(crate) fn item(self, index: usize) -> String {
        format!("{}[{index}]", self.as_str())
    }
}

/// The place for the value in a container's `env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EnvTarget {
    /// There is no list yet.
    NewList,
    /// At the end of the list.
    End,
    /// At the start of the list, since an entry refers to it: kubelet expands only entries before it.
    Start,
    /// Into the own entry with this index; if it tracks, its `GOMEMLIMIT_MIB` has the other index.
    Own { index: usize, mib: Option<usize> },
    /// In place of a broken value of the user: into the first of its entries, so that entries that expand it still come
    /// after it. The others go.
    Repair {
        first: usize,
        /// It is the only one, and has a `value`, so that nothing but that need change.
        is_text: bool,
        others: Vec<usize>,
    },
}

/// Set or skip, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The reason.
    pub reason: Reason,
    /// The memory limit that applies to the container, in bytes, if there is one.
    pub limit: Option<u64>,
    /// The value: there when the reason is a `set` one, or audit mode.
    pub value: Option<ComputedValue>,
}

/// A value and the settings that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComputedValue {
    /// GOMEMLIMIT in bytes, for the limit as it is now; more than zero and less than it.
    pub bytes: u64,
    /// The memory limit in bytes.
    pub limit: u64,
    /// Whether the limit is the container's part of a pod-level limit.
    pub from_pod_limit: bool,
    /// The form of the value.
    pub kind: ValueKind,
    /// The reason for a literal value instead of one that tracks.
    pub not_tracked: Option<NotTracked>,
    /// The recipe of a literal value; has no part in a value that tracks.
    pub recipe: Recipe,
    /// The levels of the form and of the recipe.
    pub levels: Levels,
}

impl ComputedValue {
    /// The text of GOMEMLIMIT in env.
    #[must_use]
    pub fn text(&self) -> Cow<'static, str> {
        self.source().text()
    }

    pub(crate) fn source(&self) -> ValueSource {
        match self.kind {
            ValueKind::Literal => ValueSource::Literal { bytes: self.bytes, recipe: self.recipe },
            ValueKind::Track => ValueSource::Track { bytes: self.bytes },
        }
    }

    /// The setting that made the value.
    #[must_use]
    pub fn made_by(&self) -> Setting {
        match self.kind {
            ValueKind::Track => Setting::Value,
            ValueKind::Literal => self.recipe.made_by(self.limit),
        }
    }

    /// The level of the setting that made the value.
    #[must_use]
    pub fn level(&self) -> Level {
        self.levels.of(self.made_by())
    }
}

/// The reason for a value that does not track although `value: track` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTracked {
    /// The downward API knows no limit of the container.
    NoOwnLimit,
    /// Rounding up to whole MiB would come too near to the limit.
    OddLimit,
    /// The user has a `GOMEMLIMIT_MIB`, which is never overwritten.
    VariableTaken,
}

impl NotTracked {
    /// One sentence for people.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::NoOwnLimit => "not tracked: the container has no memory limit of its own",
            Self::OddLimit => "not tracked: the memory limit is below 64Mi and not a whole number of Mi",
            Self::VariableTaken => "not tracked: the container has a variable GOMEMLIMIT_MIB of its own",
        }
    }
}
