//! Lists and mappings that are being read.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::tree::{Node, NodeKind};

/// A list or mapping that has been opened but not closed yet.
pub(super) struct Open {
    pub(super) node: Node,
    pub(super) values: Values,
}

pub(super) enum Values {
    Sequence(Vec<Value>),
    Mapping {
        map: Map<String, Value>,
        /// Keys that a merge has set, and may still be written out: with the value of the pair that it overrides, if there is
        /// one.
        merged: HashMap<String, Option<Value>>,
        /// Keys that are no texts in YAML, such as numbers.
        others: HashMap<String, Value>,
        key: Option<Key>,
    },
}

pub(super) struct Key {
    pub(super) text: String,
    /// The key itself, if it is no text in YAML.
    pub(super) other: Option<Value>,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) merge: bool,
}

impl Open {
    pub(super) fn new(node: Node) -> Self {
        let values = match node.kind {
            NodeKind::Mapping { .. } => {
                Values::Mapping { map: Map::new(), merged: HashMap::new(), others: HashMap::new(), key: None }
            }
            _ => Values::Sequence(Vec::new()),
        };
        Self { node, values }
    }
}

/// Merges the value of `<<`: as in kubectl's parser, it wins over the pairs before it, and in a list of
/// mappings the earlier ones win.
pub(super) fn merge_into(
    map: &mut Map<String, Value>,
    merged: &mut HashMap<String, Option<Value>>,
    value: Value,
) -> Result<(), &'static str> {
    let mappings = match value {
        Value::Array(items) => items,
        other => vec![other],
    };
    for mapping in mappings.into_iter().rev() {
        let Value::Object(mapping) = mapping else {
            return Err("a merge key (<<) must have a mapping or a list of mappings");
        };
        for (key, value) in mapping {
            let own = map.insert(key.clone(), value);
            merged.entry(key).or_insert(own);
        }
    }
    Ok(())
}
