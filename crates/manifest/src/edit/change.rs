//! Edits as a caller names them: a path, and the change to make there.

use serde_json::Value;

/// The change that an [`Edit`] makes at its path.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// As `add` of RFC 6902; missing or null parents of the path are created, too.
    Add(Value),
    /// As `replace` of RFC 6902.
    Replace(Value),
    /// As `remove` of RFC 6902, for items of lists only.
    Remove,
}

/// One change of one document.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// JSON pointer tokens, not escaped; the last one is `-` to append to a list.
    pub path: Vec<String>,
    /// The change at this path.
    pub change: Change,
}
