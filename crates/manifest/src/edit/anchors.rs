//! The values that aliases and merge keys refer to.

use std::collections::HashMap;

use super::written::is_free;
use crate::tree::{Node, NodeKind, Pair, Tree};

/// The anchors of a document that have aliases.
#[derive(Default)]
pub(super) struct Anchors<'t> {
    nodes: HashMap<usize, &'t Node>,
    /// The keys of each mapping among them, so that merge keys within merge keys are followed only once.
    pairs: HashMap<usize, Vec<(&'t str, &'t Node)>>,
}

/// One key of a mapping.
pub(super) struct Entry<'t> {
    pub(super) key: &'t str,
    pub(super) value: &'t Node,
    pub(super) giver: Giver<'t>,
}

/// What gives a mapping a key.
#[derive(Clone, Copy)]
pub(super) enum Giver<'t> {
    /// The pair at this position.
    Own(usize),
    /// A mapping of the merge key at the position `pair`.
    Merge { pair: usize, mapping: &'t Node },
}

impl<'t> Anchors<'t> {
    pub(super) fn new(tree: &'t Tree) -> Self {
        let mut anchors = Self::default();
        if !tree.referenced.is_empty() {
            anchors.add(tree, &tree.root);
        }
        anchors
    }

    /// Adds the anchors of a value, the innermost first: an alias refers to one before it.
    fn add(&mut self, tree: &Tree, node: &'t Node) {
        for child in node.children() {
            self.add(tree, child);
        }
        if tree.referenced.contains(&node.anchor) {
            let pairs = self.entries(node).into_iter().map(|entry| (entry.key, entry.value)).collect();
            self.pairs.insert(node.anchor, pairs);
            self.nodes.insert(node.anchor, node);
        }
    }

    /// The value that an alias refers to; any other one itself.
    pub(super) fn resolve(&self, node: &'t Node) -> &'t Node {
        match node.kind {
            NodeKind::Alias(id) => self.nodes.get(&id).copied().unwrap_or(node),
            _ => node,
        }
    }

    /// The mappings of the merge key `<<: node`; of two with the same key the earlier one counts.
    pub(super) fn merged(&self, node: &'t Node) -> Vec<&'t Node> {
        let node = self.resolve(node);
        match &node.kind {
            NodeKind::Sequence { items, .. } => items.iter().map(|item| self.resolve(item)).collect(),
            _ => vec![node],
        }
    }

    /// The keys of a mapping, each once, in the order of the text. As kubectl reads it, a merge key overrides what is before
    /// it, and of two pairs with the same key the last one counts.
    pub(super) fn entries(&self, mapping: &'t Node) -> Vec<Entry<'t>> {
        let mut entries: Vec<Entry<'t>> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut set = |entry: Entry<'t>| {
            if let Some(earlier) = places.get(entry.key).and_then(|place| entries.get_mut(*place)) {
                *earlier = entry;
            } else {
                places.insert(entry.key, entries.len());
                entries.push(entry);
            }
        };
        for (position, pair) in mapping.pairs().iter().enumerate() {
            if !pair.merge {
                set(Entry { key: &pair.key, value: &pair.value, giver: Giver::Own(position) });
                continue;
            }
            for mapping in self.merged(&pair.value).into_iter().rev() {
                for (key, value) in self.pairs_of(mapping) {
                    set(Entry { key, value, giver: Giver::Merge { pair: position, mapping } });
                }
            }
        }
        entries
    }

    fn pairs_of(&self, mapping: &'t Node) -> Vec<(&'t str, &'t Node)> {
        match self.pairs.get(&mapping.anchor) {
            Some(pairs) => pairs.clone(),
            None => self.entries(mapping).into_iter().map(|entry| (entry.key, entry.value)).collect(),
        }
    }

    /// Whether a mapping has a key, from wherever.
    pub(super) fn has(&self, mapping: &'t Node, key: &str) -> bool {
        match self.pairs.get(&mapping.anchor) {
            Some(pairs) => pairs.iter().any(|(own, _)| *own == key),
            None => self.entries(mapping).iter().any(|entry| entry.key == key),
        }
    }

    /// The pair that gives a mapping a key; none if a merge key does, or nothing.
    pub(super) fn own(&self, mapping: &'t Node, key: &str) -> Option<&'t Pair> {
        let pairs = mapping.pairs();
        let position = pairs.iter().rposition(|pair| !pair.merge && pair.key == key)?;
        let mut merges = pairs.iter().skip(position).filter(|pair| pair.merge);
        let is_overridden =
            merges.any(|merge| self.merged(&merge.value).iter().any(|mapping| self.has(mapping, key)));
        pairs.get(position).filter(|_| !is_overridden)
    }

    /// The value of a key that a mapping of a merge key gives, if only this place has it: the mapping is written there, and has
    /// no anchor, and none is in the value, and no tag.
    pub(super) fn given_here(&self, mapping: &'t Node, key: &str) -> Option<&'t Node> {
        let mut merges = mapping.pairs().iter().rev().filter(|pair| pair.merge);
        let (merge, giver) = merges.find_map(|pair| {
            let giver = self.merged(&pair.value).into_iter().find(|giver| self.has(giver, key))?;
            Some((&pair.value, giver))
        })?;
        let is_here = |node: &Node| node.anchor == 0 && !matches!(node.kind, NodeKind::Alias(_));
        if !is_here(merge) || !is_here(giver) {
            return None;
        }
        self.own(giver, key).map(|pair| &pair.value).filter(|value| is_free(value))
    }

    /// The list, mapping or scalar that is written at the path; none if an alias is on the way, or a merge key with a value that
    /// other places have, too.
    pub(super) fn child(&self, node: &'t Node, token: &str) -> Option<&'t Node> {
        match self.own(node, token) {
            Some(pair) => Some(&pair.value),
            None if node.pairs().is_empty() => node.items().get(token.parse::<usize>().ok()?),
            None => self.given_here(node, token),
        }
    }
}
