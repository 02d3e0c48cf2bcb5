//! The nodes of YAML documents with their positions in the text, next to their values.

use std::collections::HashSet;

use serde_json::Value;

/// One document: its value, and the position of each part of it in the text.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) value: Value,
    /// Without what is below it, if only values were asked for.
    pub(crate) root: Node,
    /// The anchors that some alias refers to.
    pub(crate) referenced: HashSet<usize>,
    /// First byte of its `---`, or else of its first value.
    pub(crate) start: usize,
    /// Whether it starts with `---`.
    pub(crate) marked: bool,
    /// The keys that are written more than once in their mapping.
    pub(crate) duplicate_keys: Vec<KeyPosition>,
    /// The pairs that a merge key after them overrides.
    pub(crate) overridden: Vec<Overridden>,
}

impl Tree {
    /// The tree of a document without a value, which would be at the byte `at`.
    pub(crate) fn empty(at: usize) -> Self {
        let kind = NodeKind::Scalar(Style::Plain);
        Self {
            value: Value::Null,
            root: Node { start: at, end: at, anchor: 0, tagged: false, kind },
            referenced: HashSet::new(),
            start: at,
            marked: false,
            duplicate_keys: Vec::new(),
            overridden: Vec::new(),
        }
    }
}

/// A pair that a merge key (`<<`) after it overrides for kubectl. For YAML 1.1, and so for most other programs, a pair overrides
/// all merge keys of its mapping.
#[derive(Debug)]
pub(crate) struct Overridden {
    /// First byte of the key.
    pub(crate) start: usize,
    /// The value of the pair, which other programs read.
    pub(crate) value: Value,
    /// The position of the key, if the merge key gives it another value.
    pub(crate) differs: Option<KeyPosition>,
}

/// A key of a mapping in the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPosition {
    /// Line (from 1) in the input.
    pub line: usize,
    /// Column (from 1, in characters) in that line.
    pub column: usize,
    /// The key.
    pub key: String,
}

/// A value in the text. For block lists and mappings `end` is not meaningful.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The parser's number of this node's anchor; 0 if it has none.
    pub(crate) anchor: usize,
    pub(crate) tagged: bool,
    pub(crate) kind: NodeKind,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    Scalar(Style),
    /// The number of the anchor that it refers to.
    Alias(usize),
    Sequence {
        flow: bool,
        items: Vec<Node>,
    },
    Mapping {
        flow: bool,
        pairs: Vec<Pair>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// A `|` or `>` scalar; the node's bytes are its content without the header.
    Block,
}

/// One `key: value` of a mapping.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) key: String,
    pub(crate) start: usize,
    pub(crate) key_end: usize,
    /// Whether this is `<<: …`.
    pub(crate) merge: bool,
    pub(crate) value: Node,
}

impl Node {
    /// Whether nothing is written for this node (as after `env:`).
    pub(crate) fn is_omitted(&self) -> bool {
        self.start == self.end && matches!(self.kind, NodeKind::Scalar(Style::Plain))
    }

    pub(crate) fn is_block_scalar(&self) -> bool {
        matches!(self.kind, NodeKind::Scalar(Style::Block))
    }

    /// The pairs of a mapping, none for anything else.
    pub(crate) fn pairs(&self) -> &[Pair] {
        if let NodeKind::Mapping { pairs, .. } = &self.kind { pairs } else { &[] }
    }

    /// The pair of a mapping that has the value of `key`: the last one, as for kubectl. A merge key is none.
    pub(crate) fn pair(&self, key: &str) -> Option<&Pair> {
        self.pairs().iter().rev().find(|pair| pair.key == key && !pair.merge)
    }

    /// The value of a key that is written here, or an item.
    pub(crate) fn child(&self, token: &str) -> Option<&Self> {
        let item = || self.items().get(token.parse::<usize>().ok()?);
        self.pair(token).map(|pair| &pair.value).or_else(item)
    }

    /// The items of a list, none for anything else.
    pub(crate) fn items(&self) -> &[Node] {
        if let NodeKind::Sequence { items, .. } = &self.kind { items } else { &[] }
    }

    /// The values of a mapping, or the items of a list.
    pub(crate) fn children(&self) -> impl Iterator<Item = &Self> {
        self.pairs().iter().map(|pair| &pair.value).chain(self.items())
    }

    pub(crate) fn is_flow(&self) -> bool {
        matches!(self.kind, NodeKind::Sequence { flow: true, .. } | NodeKind::Mapping { flow: true, .. })
    }

    pub(crate) fn is_collection(&self) -> bool {
        matches!(self.kind, NodeKind::Sequence { .. } | NodeKind::Mapping { .. })
    }

    pub(crate) fn is_empty_collection(&self) -> bool {
        self.is_collection() && self.pairs().is_empty() && self.items().is_empty()
    }
}
