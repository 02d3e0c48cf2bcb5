//! The values that this program wrote earlier, as the status annotation of a pod records them.
//!
//! Read leniently, so that replicas of two releases agree: unknown fields and versions are ignored, and whatever does
//! not fit counts as a value of the user.

use std::{borrow::Cow, collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    json::{self, text::Key},
    names::TRACKING_VALUE,
    settings::words::ValueKind,
    value::{formula, recipe::Recipe},
};

/// The inputs that a value is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueSource {
    /// Bytes, and the recipe that yields them.
    Literal { bytes: u64, recipe: Recipe },
    /// The limit alone, which yields these bytes.
    Track { bytes: u64 },
}

impl ValueSource {
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

/// A value of this program, and the inputs that it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnedValue {
    pub(crate) source: ValueSource,
    pub(crate) limit: u64,
    /// The value that it once replaced.
    pub(crate) repaired: Option<Repaired>,
}

/// The value of the user that a repair replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repaired {
    /// The text of the user.
    pub was: String,
    /// The problem: one of the words of `ValueProblem::as_str`.
    pub problem: String,
    /// Number of entries.
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
    /// From an annotation that anybody may have written: only a text as short as this program writes.
    fn parse(json: &str) -> Option<Self> {
        const MAX_REPAIRED_BYTES: usize = 512;
        serde_json::from_str(json)
            .ok()
            .filter(|repaired: &Self| repaired.was.len() + repaired.problem.len() < MAX_REPAIRED_BYTES)
    }
}

/// The values that an earlier status annotation records, by the names of containers.
#[derive(Debug, Default)]
pub(crate) struct OwnedValues(HashMap<String, OwnedValue>);

impl OwnedValues {
    /// Reads an annotation that anybody may have written. A value counts as owned only if the recorded recipe makes exactly
    /// that value of the recorded limit.
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
        let mut owned = Self::default();
        let mut entries = serde_json::Deserializer::from_str(document.containers.get());
        // Records before a broken end do not count.
        match entries.deserialize_map(OwnedValuesVisitor { containers, owned: &mut owned }) {
            Ok(()) => owned,
            Err(_) => Self::default(),
        }
    }

    /// The record of the container called `name`, if `text` from its env is the recorded value.
    pub(crate) fn of_own_value(&self, name: &str, text: &str) -> Option<&OwnedValue> {
        self.0.get(name).filter(|owned| owned.source.text() == text)
    }
}

/// Collects the records of the pod's own containers; a forged annotation may name many others.
struct OwnedValuesVisitor<'r> {
    containers: &'r [&'r str],
    owned: &'r mut OwnedValues,
}

impl<'de> Visitor<'de> for OwnedValuesVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("containers")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(Key(name)) = map.next_key::<Key<'de>>()? {
            let entry = map.next_value::<&'de RawValue>()?;
            if self.containers.contains(&&*name)
                && let Some(owned) = OwnedValueEntry::parse(entry.get())
            {
                self.owned.0.insert(name.to_string(), owned);
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct OwnedValueEntry<'a> {
    value: String,
    #[serde(deserialize_with = "json::bytes")]
    limit: u64,
    kind: Option<String>,
    #[serde(borrow)]
    repaired: Option<&'a RawValue>,
}

impl OwnedValueEntry<'_> {
    fn parse(json: &str) -> Option<OwnedValue> {
        let OwnedValueEntry { value, limit, kind, repaired } = serde_json::from_str(json).ok()?;
        let source = match kind.as_deref() {
            None | Some("literal") => {
                // Beside the other fields, which a raw value among them keeps from being flattened.
                let recipe: Recipe = serde_json::from_str(json).ok()?;
                ValueSource::Literal { bytes: recipe.bytes(limit)?, recipe }
            }
            Some("track") => ValueSource::Track { bytes: formula::tracking_value(limit) },
            Some(_) => return None,
        };
        let repaired = repaired.and_then(|json| Repaired::parse(json.get()));
        (value == source.text()).then_some(OwnedValue { source, limit, repaired })
    }
}
