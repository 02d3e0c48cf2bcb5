//! The status annotation: what was decided, for people, and for recognising our own value later.
//!
//! Written only beside a value. Read leniently, so that replicas of two releases agree: unknown
//! fields and versions are ignored, and whatever does not fit counts as not ours.

use std::{collections::HashMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Visitor, ser::SerializeMap};
use serde_json::value::RawValue;

use crate::{
    decide::{ContainerVerdict, Plan, Verdict},
    memlimit::{self, Ratio},
    reason::Reason,
    settings::EnvFrom,
};

/// Version of the schema that this release writes.
pub const SCHEMA_VERSION: u32 = 1;

/// The outcome of one review as the status annotation and the audit annotation show it.
#[derive(Serialize)]
pub(crate) struct Status<'v> {
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<&'static str>,
    #[serde(skip_serializing_if = "Containers::is_empty")]
    containers: Containers<'v>,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    warnings: &'v [&'v str],
}

impl<'v> Status<'v> {
    pub(crate) fn new(verdict: &'v Verdict<'_>, warnings: &'v [&'v str]) -> Self {
        Self {
            version: SCHEMA_VERSION,
            skipped: verdict.reason.map(Reason::as_str),
            containers: Containers(&verdict.containers),
            warnings,
        }
    }

    /// As one line of JSON.
    pub(crate) fn to_json(&self) -> String {
        // Strings and integers with string keys: there is nothing that could fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

struct Containers<'v>(&'v [ContainerVerdict<'v>]);

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
struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<&'static str>,
    #[serde(flatten)]
    set: Option<SetEntry>,
    /// What audit mode would have set.
    #[serde(skip_serializing_if = "Option::is_none")]
    would: Option<SetEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    env_from: Option<&'static str>,
}

impl Entry {
    fn new(container: &ContainerVerdict<'_>) -> Self {
        let decision = &container.decision;
        let is_set = decision.reason.is_set();
        let value = decision.plan.as_ref().map(SetEntry::new);
        let (set, would) = if is_set { (value, None) } else { (None, value) };
        let env_from = container.env_from.map(|env_from| match env_from {
            EnvFrom::Inject => "overridden",
            EnvFrom::Skip => "respected",
        });
        Self { skipped: (!is_set).then(|| decision.reason.as_str()), set, would, env_from }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SetEntry {
    value: String,
    limit: u64,
    #[serde(skip_serializing_if = "is_false")]
    pod_limit: bool,
    ratio: String,
    headroom: u64,
    kind: &'static str,
    source: &'static str,
}

impl SetEntry {
    fn new(plan: &Plan) -> Self {
        Self {
            value: plan.value.to_string(),
            limit: plan.limit,
            pod_limit: plan.from_pod_limit,
            ratio: plan.ratio.to_string(),
            headroom: plan.headroom,
            kind: "literal",
            source: plan.source().as_str(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

/// What an earlier status annotation says about the containers that we set.
#[derive(Debug, Default)]
pub(crate) struct Recorded(HashMap<String, u64>);

impl Recorded {
    /// Reads an annotation that anybody may have written. A value is ours only where the recorded
    /// limit, ratio and headroom yield exactly that value.
    pub(crate) fn read(annotation: Option<&str>) -> Self {
        #[derive(Deserialize)]
        struct Document<'a> {
            #[serde(borrow)]
            containers: HashMap<String, &'a RawValue>,
        }
        let document = annotation.and_then(|text| serde_json::from_str::<Document<'_>>(text).ok());
        let containers = document.map(|document| document.containers).unwrap_or_default();
        let own = containers.into_iter().filter_map(|(name, entry)| {
            let entry: RecordedEntry = serde_json::from_str(entry.get()).ok()?;
            let ratio: Ratio = entry.ratio.parse().ok()?;
            let value = memlimit::value(entry.limit.0?, ratio, entry.headroom.0?)?;
            (entry.value.0? == value).then_some((name, value))
        });
        Self(own.collect())
    }

    /// Whether `text`, found in the env of the container called `name`, is what we wrote there.
    pub(crate) fn is_own_value(&self, name: &str, text: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.to_string() == text)
    }
}

#[derive(Deserialize)]
struct RecordedEntry {
    value: Bytes,
    limit: Bytes,
    ratio: String,
    headroom: Bytes,
}

/// A number, or digits in a string; anything else is no number.
struct Bytes(Option<u64>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;
        impl Visitor<'_> for BytesVisitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_u64<E>(self, bytes: u64) -> Result<Bytes, E> {
                Ok(Bytes(Some(bytes)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Bytes, E> {
                Ok(Bytes(text.parse().ok()))
            }
        }
        deserializer.deserialize_any(BytesVisitor)
    }
}
