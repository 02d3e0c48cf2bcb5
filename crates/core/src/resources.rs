//! The `resources` of a container or a pod, of which only the memory limit matters.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{json, text::Text};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Resources<'a> {
    #[serde(borrow, deserialize_with = "json::object_or_default")]
    limits: Limits<'a>,
}

impl Resources<'_> {
    /// The text of `limits.memory`: a quantity, or a bare number in hand-written manifests.
    pub(crate) fn memory_limit(&self) -> Option<&str> {
        self.limits.memory.as_ref().map(|quantity| &*quantity.0)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Limits<'a> {
    #[serde(borrow)]
    memory: Option<QuantityText<'a>>,
}

/// A quantity is a JSON string or a JSON number (`Quantity.UnmarshalJSON`); a number keeps its digits.
#[derive(Debug)]
pub(crate) struct QuantityText<'a>(pub(crate) Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for QuantityText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&'a RawValue>::deserialize(deserializer)?.get();
        if json.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return Ok(Self(Text(json.into())));
        }
        serde_json::from_str(json).map(Self).map_err(serde::de::Error::custom)
    }
}
