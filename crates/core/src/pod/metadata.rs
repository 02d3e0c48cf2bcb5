//! The metadata of a pod: names, owners, labels, annotations.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    json::{
        self, Object, at_most,
        text::{self, Key, Text},
    },
    names::{MIRROR_ANNOTATION, is_own_key},
};

/// Maximum number of labels or annotations of the domain.
const MAX_OWN_ENTRIES: usize = 1000;

/// Maximum number of owners.
const MAX_OWNERS: usize = 1000;

/// `ValidateAnnotationsSize` of `k8s.io/apimachinery/pkg/api/validation`: 256 KiB for all keys and
/// values of an object; one byte more and the pod would be refused.
pub(crate) const MAX_ANNOTATIONS_BYTES: usize = 256 << 10;

/// Maximum length of one annotation, in bytes of JSON: an escape has six bytes.
const MAX_ANNOTATION_JSON_BYTES: usize = 6 * MAX_ANNOTATIONS_BYTES;

/// Maximum length of a label or setting, in bytes of JSON.
const MAX_SHORT_JSON_BYTES: usize = 1 << 10;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Metadata<'a> {
    #[serde(borrow, deserialize_with = "text::name")]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "text::name")]
    pub(super) generate_name: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "text::name")]
    pub(super) namespace: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    pub(super) owner_references: Owners<'a>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    pub(crate) labels: Labels<'a>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    pub(crate) annotations: OwnEntries<'a>,
}

/// The kinds of a pod's owners.
#[derive(Debug, Default)]
pub(super) struct Owners<'a>(pub(super) Vec<Text<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Owners<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Reference<'a> {
            #[serde(borrow, deserialize_with = "json::or_default")]
            kind: Text<'a>,
        }
        let mut kinds = Vec::new();
        json::each(deserializer, "a list of owners", |owner: Object<Reference<'a>>| {
            kinds.push(owner.0.kind);
            at_most(MAX_OWNERS, kinds.len(), "owners")
        })?;
        Ok(Self(kinds))
    }
}

/// The labels of a pod. Only rules ask for labels outside of the domain, so those are read on demand.
#[derive(Debug, Default)]
pub(crate) struct Labels<'a> {
    pub(super) own: OwnEntries<'a>,
    pub(super) json: &'a str,
}

impl<'a> Labels<'a> {
    pub(super) fn find(&self, wanted: &str) -> Option<Text<'a>> {
        match json::find(self.json, wanted)? {
            // The empty text, as in Go's decoder.
            "null" => Some(Text::default()),
            value => text_within(MAX_ANNOTATION_JSON_BYTES, value).ok(),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Labels<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&'a RawValue>::deserialize(deserializer)?.get();
        Ok(Self { own: serde_json::from_str(json).map_err(D::Error::custom)?, json })
    }
}

/// A string map of which only the entries of the domain are kept.
#[derive(Debug, Default)]
pub(crate) struct OwnEntries<'a> {
    pub(crate) own: Vec<(Text<'a>, Text<'a>)>,
    /// Size of all keys and values, kept or not, in bytes, as the API server counts them.
    pub(crate) size: usize,
    /// Whether there is a map, even an empty one.
    pub(crate) present: bool,
    pub(crate) is_mirror: bool,
}

impl OwnEntries<'_> {
    /// The value of a key of the domain.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.own.iter().find(|(k, _)| &**k == key).map(|(_, value)| &**value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for OwnEntries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for EntriesVisitor<'a> {
            type Value = OwnEntries<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = OwnEntries { present: true, ..OwnEntries::default() };
                while let Some(Key(key)) = map.next_key::<Key<'a>>()? {
                    entries.is_mirror |= &*key == MIRROR_ANNOTATION;
                    let value = map.next_value::<Option<&'a RawValue>>()?;
                    // Copies would add up. The API server refuses a pod with more, so only short ones are copied then.
                    let most = if entries.size > MAX_ANNOTATIONS_BYTES {
                        MAX_SHORT_JSON_BYTES
                    } else {
                        MAX_ANNOTATION_JSON_BYTES
                    };
                    let value = value.map(|value| text_within(most, value.get())).transpose();
                    let value = value.map_err(M::Error::custom)?.unwrap_or_default();
                    entries.size += key.len() + value.len();
                    if is_own_key(&key) {
                        // A key given twice counts as its last value, as in Go's decoder.
                        entries.own.retain(|(earlier, _)| *earlier != key);
                        entries.own.push((key, value));
                        at_most(
                            MAX_OWN_ENTRIES,
                            entries.own.len(),
                            "labels or annotations of gomemlimit.dev",
                        )?;
                    }
                }
                Ok(entries)
            }
        }
        json::read(deserializer, EntriesVisitor(PhantomData))
    }
}

/// The text of a label or annotation. One of more than `most` bytes of JSON counts by its raw length.
fn text_within(most: usize, json: &str) -> serde_json::Result<Text<'_>> {
    match json.strip_prefix('"').filter(|_| json.len() > most) {
        Some(raw) => Ok(Text(raw.into())),
        None => serde_json::from_str(json),
    }
}
