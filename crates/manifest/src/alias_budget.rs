//! How much memory aliases may copy: a short text can unfold to terabytes.

use serde_json::Value;

/// Maximum memory of the values that anchors and aliases copy, in bytes.
const MAX_BYTES: usize = 16 << 20;

/// Memory of a value in a list or a mapping, in bytes.
const VALUE: usize = 32;

/// Memory of a node of a mapping, which holds up to 11 entries, in bytes.
const MAPPING_NODE: usize = 640;

/// The memory that anchors and aliases may still copy; one budget for all texts that are held at the same time. Default
/// 16 MiB.
#[derive(Debug)]
pub struct AliasBudget {
    left: usize,
}

impl Default for AliasBudget {
    fn default() -> Self {
        Self { left: MAX_BYTES }
    }
}

impl AliasBudget {
    /// Takes the memory for a copy of the value; false if the budget is too small.
    pub(crate) fn take(&mut self, value: &Value) -> bool {
        match self.left.checked_sub(size(value)) {
            Some(left) => self.left = left,
            None => return false,
        }
        true
    }
}

/// Approximate memory of a value, in bytes.
fn size(value: &Value) -> usize {
    VALUE
        + match value {
            Value::Array(items) => items.iter().map(size).sum(),
            Value::Object(map) => {
                let entries: usize = map.iter().map(|(key, value)| VALUE + key.len() + size(value)).sum();
                (1 + map.len() / 6) * MAPPING_NODE + entries
            }
            Value::String(text) => text.len(),
            _ => 0,
        }
}
