//! The nodes of YAML documents with the bytes they stand at, next to the values they stand for.

mod budget;
mod compose;

use std::collections::HashSet;

use serde_json::Value;

pub use budget::AliasBudget;
pub(super) use compose::compose;

/// One document: its value, and where in the text each part of it stands.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) value: Value,
    pub(super) root: Node,
    /// The anchors that some alias refers to.
    pub(super) referenced: HashSet<usize>,
    /// Where its `---`, or else its first value, starts.
    pub(super) start: usize,
    /// Whether it starts with `---`.
    pub(super) marked: bool,
}

/// A value in the text. For block lists and mappings `end` is not meaningful.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) start: usize,
    pub(super) end: usize,
    /// The parser's number of this node's anchor; 0 if it has none.
    pub(super) anchor: usize,
    pub(super) tagged: bool,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Scalar(Style),
    Alias,
    Sequence { flow: bool, items: Vec<Node> },
    Mapping { flow: bool, entries: Vec<Entry> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// A `|` or `>` scalar; the node's bytes are its content without the header.
    Block,
}

/// One `key: value` of a mapping.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) start: usize,
    pub(super) key_end: usize,
    /// Whether this is `<<: …`.
    pub(super) merge: bool,
    pub(super) value: Node,
}

impl Node {
    /// Whether nothing is written for this node (as after `env:`).
    pub(super) fn is_omitted(&self) -> bool {
        self.start == self.end && matches!(self.kind, Kind::Scalar(Style::Plain))
    }

    pub(super) fn is_block_scalar(&self) -> bool {
        matches!(self.kind, Kind::Scalar(Style::Block))
    }

    /// The entries of a mapping, none for anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        if let Kind::Mapping { entries, .. } = &self.kind { entries } else { &[] }
    }

    /// The items of a list, none for anything else.
    pub(super) fn items(&self) -> &[Node] {
        if let Kind::Sequence { items, .. } = &self.kind { items } else { &[] }
    }

    pub(super) fn is_flow(&self) -> bool {
        matches!(self.kind, Kind::Sequence { flow: true, .. } | Kind::Mapping { flow: true, .. })
    }

    pub(super) fn is_collection(&self) -> bool {
        matches!(self.kind, Kind::Sequence { .. } | Kind::Mapping { .. })
    }

    pub(super) fn is_empty_collection(&self) -> bool {
        self.is_collection() && self.entries().is_empty() && self.items().is_empty()
    }
}
