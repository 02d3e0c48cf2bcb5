//! The anchors, aliases and merge keys of a document, each with the edits at its place.

use std::collections::BTreeMap;

use crate::edit::anchors::Anchors;
use crate::edit::edit_tree::EditTree;
use crate::tree::{Node, NodeKind, Pair, Tree};

/// A value with an anchor that some alias refers to.
pub(super) struct Definition<'t> {
    pub(super) node: &'t Node,
    /// The path of the value; none if no path leads there: after a merge key, or in a pair that another one overrides.
    pub(super) path: Option<Vec<String>>,
    /// The edits of the value.
    pub(super) edits: Option<&'t EditTree<'t>>,
    /// Whether an edit removes or replaces a value that this one is a part of.
    pub(super) is_gone: bool,
}

/// An alias, or a mapping with a merge key.
pub(super) struct Site<'t> {
    pub(super) node: &'t Node,
    pub(super) path: Vec<String>,
    pub(super) edits: Option<&'t EditTree<'t>>,
    /// The nodes from the root to the list or mapping that it is in, if no path leads there.
    pub(super) trail: Option<Vec<&'t Node>>,
}

/// All of them, but those that edits take away.
pub(super) struct Sites<'t> {
    pub(super) root: &'t Node,
    pub(super) anchors: Anchors<'t>,
    pub(super) definitions: BTreeMap<usize, Definition<'t>>,
    pub(super) aliases: Vec<Site<'t>>,
    pub(super) merging: Vec<Site<'t>>,
    /// Aliases without a path: of merge keys, or in pairs that another one overrides.
    pub(super) hidden: Vec<Site<'t>>,
}

/// How a walk reaches a value.
#[derive(Clone, Copy)]
struct Way {
    has_path: bool,
    is_gone: bool,
}

impl<'t> Sites<'t> {
    pub(super) fn new(tree: &'t Tree, edits: &'t EditTree<'t>) -> Self {
        let mut sites = Self {
            root: &tree.root,
            anchors: Anchors::new(tree),
            definitions: BTreeMap::new(),
            aliases: Vec::new(),
            merging: Vec::new(),
            hidden: Vec::new(),
        };
        let way = Way { has_path: true, is_gone: false };
        sites.walk(tree, Some(edits), &mut Vec::new(), &mut vec![&tree.root], way);
        sites
    }

    /// Adds all in the value at the end of `trail`.
    fn walk(
        &mut self,
        tree: &Tree,
        edits: Option<&'t EditTree<'t>>,
        path: &mut Vec<String>,
        trail: &mut Vec<&'t Node>,
        way: Way,
    ) {
        let Some((node, parents)) = trail.split_last() else { return };
        let (node, edits) = (*node, edits.filter(|_| way.has_path));
        let site = |path: &[String], trail| Site { node, path: path.to_vec(), edits, trail };
        if tree.referenced.contains(&node.anchor) {
            let path = way.has_path.then(|| path.clone());
            self.definitions.insert(node.anchor, Definition { node, path, edits, is_gone: way.is_gone });
        }
        let below = Way { is_gone: way.is_gone || edits.is_some_and(|edits| edits.change.is_some()), ..way };
        match &node.kind {
            NodeKind::Scalar(_) => {}
            NodeKind::Alias(_) => {
                if way.has_path && !way.is_gone {
                    self.aliases.push(site(path, None));
                } else if !way.is_gone {
                    self.hidden.push(site(path, Some(parents.to_vec())));
                }
            }
            NodeKind::Sequence { items, .. } => {
                for (position, item) in items.iter().enumerate() {
                    let token = position.to_string();
                    let edits = edits.and_then(|edits| edits.at_item(&token));
                    path.push(token);
                    trail.push(item);
                    self.walk(tree, edits, path, trail, below);
                    trail.pop();
                    path.pop();
                }
            }
            NodeKind::Mapping { pairs, .. } => {
                if below.has_path && !below.is_gone && pairs.iter().any(|pair| pair.merge) {
                    self.merging.push(site(path, None));
                }
                for pair in pairs {
                    let edits = edits.and_then(|edits| edits.at(&pair.key));
                    let has_path = below.has_path && self.counts(node, pair);
                    path.push(pair.key.clone());
                    trail.push(&pair.value);
                    self.walk(tree, edits, path, trail, Way { has_path, ..below });
                    trail.pop();
                    path.pop();
                }
            }
        }
    }

    /// Whether a pair gives its mapping the key.
    fn counts(&self, mapping: &'t Node, pair: &Pair) -> bool {
        !pair.merge && self.anchors.own(mapping, &pair.key).is_some_and(|own| own.start == pair.start)
    }
}
