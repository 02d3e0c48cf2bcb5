//! Values to write, with the keys of each mapping in the order to write them.

use serde_json::Value;

/// A value of an edit, or one that is written out in the place of an alias.
#[derive(Debug)]
pub(super) enum Written<'v> {
    Scalar(&'v Value),
    List(Vec<Self>),
    Mapping(Vec<(&'v str, Self)>),
}

impl<'v> From<&'v Value> for Written<'v> {
    fn from(value: &'v Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(map) => {
                Self::Mapping(map.iter().map(|(key, value)| (key.as_str(), value.into())).collect())
            }
            scalar => Self::Scalar(scalar),
        }
    }
}

impl Written<'_> {
    /// Whether it is a list or mapping with something in it.
    pub(super) fn is_filled_collection(&self) -> bool {
        match self {
            Self::Scalar(_) => false,
            Self::List(items) => !items.is_empty(),
            Self::Mapping(pairs) => !pairs.is_empty(),
        }
    }
}
