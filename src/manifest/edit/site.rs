//! The place of an edit in the text: the nodes on the way to it, and errors that name it.

use super::pointer;
use super::{Edit, Splice};
use crate::manifest::error::ManifestError;
use crate::manifest::text;
use crate::manifest::tree::{Kind, Node, Tree};
use std::ops::Range;

/// Where one edit happens.
pub(super) struct Site<'t> {
    pub(super) source: &'t str,
    tree: &'t Tree,
    edit: &'t Edit,
    /// The nodes from the root to the list or mapping that is edited.
    pub(super) trail: Vec<&'t Node>,
}

impl<'t> Site<'t> {
    /// Finds the list or mapping to edit.
    pub(super) fn new(source: &'t str, tree: &'t Tree, edit: &'t Edit) -> Result<Self, ManifestError> {
        let mut site = Self { source, tree, edit, trail: vec![&tree.root] };
        site.must_be_own(&tree.root)?;
        for token in edit.path.iter().take(edit.path.len().saturating_sub(1)) {
            let parent = site.container()?;
            let own = parent.entries().iter().find(|entry| entry.key == *token && !entry.merge);
            let merge = parent.entries().iter().find(|entry| entry.merge);
            let child = match (own, merge) {
                (Some(entry), _) => &entry.value,
                (None, Some(merge)) => return Err(site.shared(merge.start, "the merge key <<")),
                (None, None) => token
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| parent.items().get(index))
                    .ok_or_else(|| site.not_found())?,
            };
            site.must_be_own(child)?;
            site.trail.push(child);
        }
        Ok(site)
    }

    pub(super) fn container(&self) -> Result<&'t Node, ManifestError> {
        self.trail.last().copied().ok_or_else(|| self.not_found())
    }

    /// Fails if a change within `node` would change other places, too.
    pub(super) fn must_be_own(&self, node: &Node) -> Result<(), ManifestError> {
        if matches!(node.kind, Kind::Alias) {
            let alias = self.source.get(node.start..node.end).unwrap_or("*");
            return Err(self.shared(node.start, &format!("the alias {alias}")));
        }
        if node.anchor != 0 && self.tree.referenced.contains(&node.anchor) {
            return Err(self.shared(node.start, "an anchor (&) that has aliases (*)"));
        }
        Ok(())
    }

    /// A replacement with the line breaks of the place; `text` has `\n`.
    pub(super) fn splice(&self, range: Range<usize>, text: &str) -> Splice {
        let windows = text.contains('\n') && text::line_break(self.source, range.start) == "\r\n";
        let text = if windows { text.replace('\n', "\r\n") } else { text.to_owned() };
        Splice { range, text, depth: self.edit.path.len() }
    }

    pub(super) fn shared(&self, at: usize, what: &str) -> ManifestError {
        ManifestError::Shared {
            document: self.edit.document + 1,
            line: text::line_number(self.source, at),
            path: pointer::display(&self.edit.path),
            what: what.to_owned(),
        }
    }

    pub(super) fn unsupported(&self, at: usize, what: &str) -> ManifestError {
        ManifestError::Unsupported {
            document: self.edit.document + 1,
            line: text::line_number(self.source, at),
            path: pointer::display(&self.edit.path),
            what: what.to_owned(),
        }
    }

    pub(super) fn not_found(&self) -> ManifestError {
        ManifestError::PathNotFound {
            document: self.edit.document + 1,
            path: pointer::display(&self.edit.path),
        }
    }
}
