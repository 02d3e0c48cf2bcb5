//! A string that borrows from the JSON text wherever the text has no escapes.

use std::{borrow::Cow, fmt, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};
use serde_json::value::RawValue;

use crate::quote::quote;

/// `Cow<str>` that also borrows inside `Option`, `Vec` and map values, unlike serde's own `Cow`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Maximum length of a text with escapes that is copied, in bytes. The texts that matter are a fraction of it, and
/// copies of whole bodies would exceed the budget for bodies.
const MAX_ESCAPED_BYTES: usize = 1 << 20;

/// Maximum length of what an error repeats without quotes, in bytes.
const MAX_BARE: usize = 24;

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&'a RawValue>::deserialize(deserializer)?.get();
        let inner = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match inner {
            // A flag, `null` or a number: YAML without quotes.
            None if json.len() <= MAX_BARE
                && json.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-') =>
            {
                Err(D::Error::custom(format!("expected a string, not {json}; write it in quotes")))
            }
            None => Err(D::Error::custom(format!("expected a string, not {}", quote(json)))),
            Some(inner) if !inner.contains('\\') => Ok(Self(Cow::Borrowed(inner))),
            Some(inner) if inner.len() > MAX_ESCAPED_BYTES => Err(D::Error::custom("a string is too long")),
            Some(_) => {
                serde_json::from_str(json).map(|text| Self(Cow::Owned(text))).map_err(D::Error::custom)
            }
        }
    }
}

/// Maximum length of the name of an object, in bytes (a DNS subdomain, RFC 1123). Answers and log lines repeat names.
const MAX_NAME_BYTES: usize = 253;

/// A name that may be missing or `null`.
pub(crate) fn name<'de: 'a, 'a, D: Deserializer<'de>>(d: D) -> Result<Option<Text<'a>>, D::Error> {
    let name = Option::<Text<'a>>::deserialize(d)?;
    if name.as_ref().is_some_and(|name| name.len() > MAX_NAME_BYTES) {
        return Err(D::Error::custom(format!("a name is longer than {MAX_NAME_BYTES} bytes")));
    }
    Ok(name)
}

/// A name that is empty if it is missing or `null`.
pub(crate) fn name_or_default<'de: 'a, 'a, D: Deserializer<'de>>(d: D) -> Result<Text<'a>, D::Error> {
    name(d).map(Option::unwrap_or_default)
}

/// The key of a map entry, which serde hands out differently.
pub(crate) struct Key<'a>(pub(crate) Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Text(Cow::Borrowed(text))))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Text(Cow::Owned(text.to_owned()))))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}
