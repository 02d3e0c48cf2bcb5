//! The status annotation: what was decided, for people, and for recognising our own value later.
//!
//! Written only beside a value. Read leniently, so that replicas of two releases agree: unknown
//! fields and versions are ignored, and whatever does not fit counts as not ours.

use std::{collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::RawValue;

use crate::{
    decide::{ContainerVerdict, Plan, Verdict},
    memlimit::{self, Ratio},
    reason::Reason,
    settings::EnvFrom,
    text::Key,
};

/// Version of the schema that this release writes.
pub const SCHEMA_VERSION: u32 = if cfg!(feature = "status-schema-next") { 2 } else { 1 };

/// The kind of a value that is written as a number.
const LITERAL: &str = "literal";

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
    #[cfg(feature = "status-schema-next")]
    unknown_to_version_1: bool,
}

impl<'v> Status<'v> {
    pub(crate) fn new(verdict: &'v Verdict<'_>, warnings: &'v [&'v str]) -> Self {
        Self {
            version: SCHEMA_VERSION,
            skipped: verdict.reason.map(Reason::as_str),
            containers: Containers(&verdict.containers),
            warnings,
            #[cfg(feature = "status-schema-next")]
            unknown_to_version_1: true,
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
        let stays = || container.own.as_ref().map(SetEntry::of_record);
        let (set, would) = if is_set { (value, None) } else { (stays(), value) };
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
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    #[cfg(feature = "status-schema-next")]
    unknown_to_version_1: [u8; 2],
}

impl SetEntry {
    fn new(plan: &Plan) -> Self {
        let Plan { value, limit, ratio, headroom, .. } = *plan;
        Self {
            pod_limit: plan.from_pod_limit,
            source: Some(plan.source().as_str()),
            ..Self::of_record(&Record { value, limit, ratio, headroom })
        }
    }

    /// An own value that stays although the container would not get one now.
    fn of_record(record: &Record) -> Self {
        let Record { value, limit, ratio, headroom } = *record;
        Self {
            value: value.to_string(),
            limit,
            pod_limit: false,
            ratio: ratio.to_string(),
            headroom,
            kind: LITERAL,
            source: None,
            #[cfg(feature = "status-schema-next")]
            unknown_to_version_1: [4, 2],
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A value of ours and what it was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) value: u64,
    pub(crate) limit: u64,
    ratio: Ratio,
    headroom: u64,
}

/// What an earlier status annotation says about the containers that we set.
#[derive(Debug, Default)]
pub(crate) struct Recorded(HashMap<String, Record>);

impl Recorded {
    /// Reads an annotation that anybody may have written. A value is ours only where the recorded
    /// limit, ratio and headroom yield exactly that value.
    pub(crate) fn read(annotation: Option<&str>, containers: &[&str]) -> Self {
        #[derive(Deserialize)]
        struct Document<'a> {
            #[serde(borrow)]
            containers: &'a RawValue,
        }
        let Some(document) = annotation.and_then(|text| serde_json::from_str::<Document<'_>>(text).ok())
        else {
            return Self::default();
        };
        let mut recorded = Self::default();
        let mut entries = serde_json::Deserializer::from_str(document.containers.get());
        // What was read before a broken end does not count.
        match entries.deserialize_map(RecordsVisitor { containers, recorded: &mut recorded }) {
            Ok(()) => recorded,
            Err(_) => Self::default(),
        }
    }

    /// The record of the container called `name`, if `text` from its env is the value that we wrote.
    pub(crate) fn of_own_value(&self, name: &str, text: &str) -> Option<Record> {
        self.0.get(name).copied().filter(|record| record.value.to_string() == text)
    }
}

/// Collects the records of the pod's own containers; a forged annotation may name many others.
struct RecordsVisitor<'r> {
    containers: &'r [&'r str],
    recorded: &'r mut Recorded,
}

impl<'de> Visitor<'de> for RecordsVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("containers")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(Key(name)) = map.next_key::<Key<'de>>()? {
            let entry = map.next_value::<&'de RawValue>()?;
            if self.containers.contains(&&*name)
                && let Some(record) = RecordedEntry::parse(entry.get())
            {
                self.recorded.0.insert(name.to_string(), record);
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct RecordedEntry {
    value: String,
    limit: Bytes,
    ratio: String,
    headroom: Bytes,
    kind: Option<String>,
}

impl RecordedEntry {
    fn parse(json: &str) -> Option<Record> {
        let entry: Self = serde_json::from_str(json).ok()?;
        let (limit, headroom) = (entry.limit.0?, entry.headroom.0?);
        let ratio: Ratio = entry.ratio.parse().ok()?;
        let value = memlimit::value(limit, ratio, headroom)?;
        let is_ours = entry.value == value.to_string() && entry.kind.is_none_or(|kind| kind == LITERAL);
        is_ours.then_some(Record { value, limit, ratio, headroom })
    }
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
