//! The `resources` of a container or a pod. Only the memory limit is read at once.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::json::{self, Object, text::Text};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Resources<'a> {
    #[serde(borrow, deserialize_with = "limits")]
    limits: Limits<'a>,
    #[serde(borrow)]
    requests: Option<&'a RawValue>,
}

impl<'a> Resources<'a> {
    /// The text of `limits.memory`: a quantity, or a bare number in hand-written manifests.
    pub(crate) fn memory_limit(&self) -> Option<&str> {
        self.limits.memory.as_ref().map(|quantity| &*quantity.0)
    }

    /// The limit of any resource.
    pub(crate) fn limit(&self, name: &str) -> Option<QuantityText<'a>> {
        find(self.limits.json, name)
    }

    /// The request of any resource. The API server sets one that is missing to the limit (`SetDefaults_Pod`).
    pub(crate) fn request(&self, name: &str) -> Option<QuantityText<'a>> {
        find(self.requests.map_or("", RawValue::get), name).or_else(|| self.limit(name))
    }
}

fn find<'a>(amounts: &'a str, name: &str) -> Option<QuantityText<'a>> {
    serde_json::from_str(json::find(amounts, name)?).ok()
}

#[derive(Debug, Default)]
struct Limits<'a> {
    memory: Option<QuantityText<'a>>,
    json: &'a str,
}

fn limits<'de: 'a, 'a, D: Deserializer<'de>>(d: D) -> Result<Limits<'a>, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Memory<'a> {
        #[serde(borrow)]
        memory: Option<QuantityText<'a>>,
    }
    let json = <&'a RawValue>::deserialize(d)?.get();
    let read: Option<Object<Memory<'_>>> = serde_json::from_str(json).map_err(serde::de::Error::custom)?;
    Ok(Limits { memory: read.and_then(|Object(read)| read.memory), json })
}

/// A quantity is a JSON string or a JSON number (`Quantity.UnmarshalJSON`); a number keeps its digits.
#[derive(Debug)]
pub(crate) struct QuantityText<'a>(pub(crate) Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for QuantityText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&'a RawValue>::deserialize(deserializer)?.get();
        let found = match json.as_bytes() {
            [b'-' | b'0'..=b'9', ..] => return Ok(Self(Text(json.into()))),
            [b'"', ..] => return serde_json::from_str(json).map(Self).map_err(serde::de::Error::custom),
            [b'[', ..] => "a list",
            [b'{', ..] => "an object",
            _ => json,
        };
        Err(serde::de::Error::custom(format!("expected a quantity such as 512Mi, not {found}")))
    }
}
