//! The status annotation: what was decided, for people, and for recognising our own value later.
//!
//! Written only beside a value. Read leniently, so that replicas of two releases agree: unknown
//! fields and versions are ignored, and whatever does not fit counts as not ours.

use std::{borrow::Cow, collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::RawValue;

use crate::{
    decide::{ContainerVerdict, NotTracked, Plan, Verdict},
    memlimit::{self, Ratio},
    names::TRACKING_VALUE,
    printable::escape_json,
    reason::Reason,
    settings::{EnvFrom, ValueKind},
    text::Key,
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
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'v [Cow<'v, str>],
}

impl<'v> Status<'v> {
    pub(crate) fn new(verdict: &'v Verdict<'_>, warnings: &'v [Cow<'v, str>]) -> Self {
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
        escape_json(&serde_json::to_string(self).unwrap_or_default()).into_owned()
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
struct Entry<'v> {
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<&'static str>,
    #[serde(flatten)]
    set: Option<SetEntry<'v>>,
    /// What audit mode would have set.
    #[serde(skip_serializing_if = "Option::is_none")]
    would: Option<SetEntry<'v>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    env_from: Option<&'static str>,
    /// The rule of the policy file that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'v str>,
}

impl<'v> Entry<'v> {
    fn new(container: &'v ContainerVerdict<'_>) -> Self {
        let decision = &container.decision;
        let is_set = decision.reason.is_set();
        let value = decision.plan.as_ref().map(|plan| SetEntry::new(plan, container.repaired()));
        let stays = || container.own.as_ref().map(SetEntry::of_record);
        let (set, would) = if is_set { (value, None) } else { (stays(), value) };
        let env_from = container.env_from.map(|env_from| match env_from {
            EnvFrom::Inject => "overridden",
            EnvFrom::Skip => "respected",
        });
        let skipped = (!is_set).then(|| decision.reason.as_str());
        Self { skipped, set, would, env_from, rule: container.rule() }
    }
}

/// A value of ours. Ratio and headroom have no part in one that tracks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SetEntry<'v> {
    /// As it stands in env.
    value: Cow<'static, str>,
    /// What a value that tracks yields for this limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    limit: u64,
    #[serde(skip_serializing_if = "is_false")]
    pod_limit: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headroom: Option<u64>,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    /// Why the value is a literal although it was to track.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_tracked: Option<&'static str>,
    /// For people, beside a value that tracks.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
    /// What the user had written instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    repaired: Option<&'v Repaired>,
}

impl<'v> SetEntry<'v> {
    fn new(plan: &Plan, repaired: Option<&'v Repaired>) -> Self {
        Self {
            pod_limit: plan.from_pod_limit,
            source: Some(plan.source().as_str()),
            not_tracked: plan.not_tracked.map(NotTracked::explanation),
            repaired,
            ..Self::of(&plan.basis(), plan.limit)
        }
    }

    /// An own value that stays although the container would not get one now.
    fn of_record(record: &'v Record) -> Self {
        Self { repaired: record.repaired.as_ref(), ..Self::of(&record.basis, record.limit) }
    }

    fn of(basis: &Basis, limit: u64) -> Self {
        let (bytes, ratio, headroom, note) = match *basis {
            Basis::Literal { ratio, headroom, .. } => (None, Some(ratio.to_string()), Some(headroom), None),
            Basis::Track { bytes } => (Some(bytes), None, None, Some(TRACKING_NOTE)),
        };
        Self {
            value: basis.text(),
            bytes,
            limit,
            pod_limit: false,
            ratio,
            headroom,
            kind: basis.kind().as_str(),
            source: None,
            not_tracked: None,
            note,
            repaired: None,
        }
    }
}

const TRACKING_NOTE: &str =
    "95.37 % of the memory limit, read anew whenever the container starts; ratio and headroom do not apply";

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

/// What a value is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// So many bytes, and the settings that yield them.
    Literal { bytes: u64, ratio: Ratio, headroom: u64 },
    /// The limit alone, which yields so many bytes.
    Track { bytes: u64 },
}

impl Basis {
    /// GOMEMLIMIT in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        match *self {
            Self::Literal { bytes, .. } | Self::Track { bytes } => bytes,
        }
    }

    pub(crate) fn kind(&self) -> ValueKind {
        match self {
            Self::Literal { .. } => ValueKind::Literal,
            Self::Track { .. } => ValueKind::Track,
        }
    }

    /// The text of GOMEMLIMIT in env.
    pub(crate) fn text(&self) -> Cow<'static, str> {
        match self {
            Self::Literal { bytes, .. } => bytes.to_string().into(),
            Self::Track { .. } => TRACKING_VALUE.into(),
        }
    }
}

/// A value of ours and what it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) basis: Basis,
    pub(crate) limit: u64,
    /// What it once replaced.
    pub(crate) repaired: Option<Repaired>,
}

/// What stood in place of a value of ours before it was repaired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repaired {
    /// What the user had written, as text.
    pub was: String,
    /// What was wrong with it: one of the words of [`Broken::as_str`](crate::existing::Broken::as_str).
    pub problem: String,
    /// How many entries there were, where there were several.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub entries: usize,
}

const fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_one(count: &usize) -> bool {
    *count == 1
}

impl Repaired {
    /// From an annotation that anybody may have written: only what is as short as what we write.
    fn parse(json: &str) -> Option<Self> {
        const LONGEST: usize = 512;
        serde_json::from_str(json)
            .ok()
            .filter(|repaired: &Self| repaired.was.len() + repaired.problem.len() < LONGEST)
    }
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
    pub(crate) fn of_own_value(&self, name: &str, text: &str) -> Option<&Record> {
        self.0.get(name).filter(|record| record.basis.text() == text)
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
struct RecordedEntry<'a> {
    value: String,
    limit: Bytes,
    ratio: Option<String>,
    headroom: Option<Bytes>,
    kind: Option<String>,
    #[serde(borrow)]
    repaired: Option<&'a RawValue>,
}

impl RecordedEntry<'_> {
    fn parse(json: &str) -> Option<Record> {
        let entry: RecordedEntry<'_> = serde_json::from_str(json).ok()?;
        let limit = entry.limit.0?;
        let basis = match entry.kind.as_deref() {
            None | Some("literal") => {
                let (ratio, headroom) = (entry.ratio?.parse().ok()?, entry.headroom?.0?);
                Basis::Literal { bytes: memlimit::value(limit, ratio, headroom)?, ratio, headroom }
            }
            Some("track") => Basis::Track { bytes: memlimit::tracking_value(limit) },
            Some(_) => return None,
        };
        let repaired = entry.repaired.and_then(|json| Repaired::parse(json.get()));
        (entry.value == basis.text()).then_some(Record { basis, limit, repaired })
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
