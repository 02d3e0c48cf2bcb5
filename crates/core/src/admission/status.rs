//! The status annotation as it is written: the decision, for people, and for recognising an own value later
//! (`decision/owned_values.rs`). Written only beside a value.

use std::borrow::Cow;

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    decision::{
        outcome::{ComputedValue, ContainerDecision, NotTracked, PodDecision},
        owned_values::{OwnedValue, Repaired, ValueSource},
    },
    printable::escape_json,
    reason::Reason,
    settings::words::EnvFrom,
    value::recipe::Recipe,
};

/// Version of the schema that this release writes.
const SCHEMA_VERSION: u32 = 1;

/// The outcome of one review as the status annotation and the audit annotation show it.
#[derive(Serialize)]
pub(crate) struct Status<'v> {
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<&'static str>,
    #[serde(skip_serializing_if = "Containers::is_empty")]
    containers: Containers<'v>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'v [Cow<'v, str>],
}

impl<'v> Status<'v> {
    pub(crate) fn new(decision: &'v PodDecision<'_>, warnings: &'v [Cow<'v, str>]) -> Self {
        Self {
            version: SCHEMA_VERSION,
            skipped: decision.reason.map(Reason::as_str),
            containers: Containers(&decision.containers),
            warnings,
        }
    }

    /// As one line of JSON.
    pub(crate) fn to_json(&self) -> String {
        // Strings and integers with string keys: there is nothing that could fail.
        escape_json(&serde_json::to_string(self).unwrap_or_default()).into_owned()
    }
}

struct Containers<'v>(&'v [ContainerDecision<'v>]);

impl Containers<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Containers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for container in self.0 {
            map.serialize_entry(container.name(), &Entry::new(container))?;
        }
        map.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'v> {
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<&'static str>,
    #[serde(flatten)]
    set: Option<SetEntry<'v>>,
    /// The value that audit mode does not write.
    #[serde(skip_serializing_if = "Option::is_none")]
    would: Option<SetEntry<'v>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    env_from: Option<&'static str>,
    /// The rule of the policy file that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'v str>,
}

impl<'v> Entry<'v> {
    fn new(container: &'v ContainerDecision<'_>) -> Self {
        let outcome = &container.outcome;
        let is_set = outcome.reason.is_set();
        let value = outcome.value.as_ref().map(|value| SetEntry::new(value, container.repaired()));
        let stays = || container.own.as_ref().map(SetEntry::of_owned);
        let (set, would) = if is_set { (value, None) } else { (stays(), value) };
        let env_from = container.env_from.map(|env_from| match env_from {
            EnvFrom::Inject => "overridden",
            EnvFrom::Skip => "respected",
        });
        let skipped = (!is_set).then(|| outcome.reason.as_str());
        Self { skipped, set, would, env_from, rule: container.rule() }
    }
}

/// A value of this program. One that tracks has no recipe.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SetEntry<'v> {
    /// The text in env.
    value: Cow<'static, str>,
    /// The bytes of a value that tracks, for this limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    limit: u64,
    #[serde(skip_serializing_if = "is_false")]
    pod_limit: bool,
    #[serde(flatten)]
    recipe: Option<Recipe>,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    /// The reason for a literal value instead of one that tracks.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_tracked: Option<&'static str>,
    /// For people, beside a value that tracks.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
    /// The value of the user that it replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    repaired: Option<&'v Repaired>,
}

impl<'v> SetEntry<'v> {
    fn new(value: &ComputedValue, repaired: Option<&'v Repaired>) -> Self {
        Self {
            pod_limit: value.from_pod_limit,
            source: Some(value.level().as_str()),
            not_tracked: value.not_tracked.map(NotTracked::explanation),
            repaired,
            ..Self::of(&value.source(), value.limit)
        }
    }

    /// An own value that stays although the container would not get one now.
    fn of_owned(owned: &'v OwnedValue) -> Self {
        Self { repaired: owned.repaired.as_ref(), ..Self::of(&owned.source, owned.limit) }
    }

    fn of(source: &ValueSource, limit: u64) -> Self {
        let (bytes, recipe, note) = match *source {
            ValueSource::Literal { recipe, .. } => (None, Some(recipe), None),
            ValueSource::Track { bytes } => (Some(bytes), None, Some(TRACKING_NOTE)),
        };
        Self {
            value: source.text(),
            bytes,
            limit,
            pod_limit: false,
            recipe,
            kind: source.kind().as_str(),
            source: None,
            not_tracked: None,
            note,
            repaired: None,
        }
    }
}

const TRACKING_NOTE: &str = "95.37 % of the memory limit, read anew whenever the container starts; other settings of its size do not apply";

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}
