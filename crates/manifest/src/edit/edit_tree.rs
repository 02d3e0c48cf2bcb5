//! Edits by their paths, so that those of two places can be compared.

use std::collections::BTreeMap;

use super::change::{Change, Edit};

/// The edits of one pass at a path and below it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct EditTree<'e> {
    /// The change of the value at this path itself.
    pub(super) change: Option<&'e Change>,
    pub(super) below: BTreeMap<&'e str, Self>,
}

impl<'e> EditTree<'e> {
    pub(super) fn new(edits: &'e [Edit]) -> Self {
        let mut root = Self::default();
        for edit in edits {
            let place = edit.path.iter().fold(&mut root, |node, token| node.below.entry(token).or_default());
            place.change = Some(&edit.change);
        }
        root
    }

    pub(super) fn at(&self, token: &str) -> Option<&Self> {
        self.below.get(token)
    }

    /// As [`Self::at`] for an item of a list: a value that is put before it is no edit of it.
    pub(super) fn at_item(&self, token: &str) -> Option<&Self> {
        self.at(token).filter(|tree| !matches!(tree.change, Some(Change::Add(_))))
    }

    /// The edits at this path and below it, as paths from here.
    pub(super) fn edits(&self) -> Vec<Edit> {
        let own = self.change.map(|change| Edit { path: Vec::new(), change: change.clone() });
        let below = self.below.iter().flat_map(|(token, tree)| {
            tree.edits().into_iter().map(move |mut edit| {
                edit.path.insert(0, (*token).to_owned());
                edit
            })
        });
        own.into_iter().chain(below).collect()
    }
}
