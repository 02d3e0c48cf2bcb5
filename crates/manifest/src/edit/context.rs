//! The surroundings of an edit in the text: the nodes on the way to it, and errors that name it.

use std::ops::Range;

use super::change::Edit;
use super::draft::Draft;
use super::splice::Splice;
use crate::error::ManifestError;
use crate::json_pointer::json_pointer;
use crate::text;
use crate::tree::{Node, NodeKind};

/// One edit, with the text and the nodes around its place.
pub(super) struct EditContext<'t> {
    pub(super) source: &'t str,
    draft: &'t Draft<'t>,
    edit: &'t Edit,
    /// The nodes from the root to the list or mapping that is edited.
    pub(super) trail: Vec<&'t Node>,
}

impl<'t> EditContext<'t> {
    /// Finds the list or mapping to edit.
    pub(super) fn new(draft: &'t Draft<'t>, edit: &'t Edit) -> Result<Self, ManifestError> {
        let mut context = Self { source: &draft.text, draft, edit, trail: vec![&draft.tree.root] };
        context.must_be_own(&draft.tree.root)?;
        for token in edit.path.iter().take(edit.path.len().saturating_sub(1)) {
            let parent = context.container()?;
            let own = parent.pairs().iter().find(|pair| pair.key == *token && !pair.merge);
            let merge = parent.pairs().iter().find(|pair| pair.merge);
            let child = match (own, merge) {
                (Some(pair), _) => &pair.value,
                (None, Some(merge)) => return Err(context.shared(merge.start, "the merge key <<")),
                (None, None) => token
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| parent.items().get(index))
                    .ok_or_else(|| context.not_found())?,
            };
            context.must_be_own(child)?;
            context.trail.push(child);
        }
        Ok(context)
    }

    /// The list or mapping to edit.
    pub(super) fn container(&self) -> Result<&'t Node, ManifestError> {
        self.trail.last().copied().ok_or_else(|| self.not_found())
    }

    /// Fails if a change within `node` would change other places, too.
    pub(super) fn must_be_own(&self, node: &Node) -> Result<(), ManifestError> {
        if matches!(node.kind, NodeKind::Alias(_)) {
            let alias = self.source.get(node.start..node.end).unwrap_or("*");
            return Err(self.shared(node.start, &format!("the alias {alias}")));
        }
        if node.anchor != 0 && self.draft.tree.referenced.contains(&node.anchor) {
            return Err(self.shared(node.start, "an anchor (&) that has aliases (*)"));
        }
        Ok(())
    }

    /// A replacement with the line breaks of the surrounding text; `text` has `\n`.
    pub(super) fn splice(&self, range: Range<usize>, text: &str) -> Splice {
        let windows = text.contains('\n') && text::line_break(self.source, range.start) == "\r\n";
        let text = if windows { text.replace('\n', "\r\n") } else { text.to_owned() };
        Splice { range, text, depth: self.edit.path.len() }
    }

    pub(super) fn shared(&self, at: usize, what: &str) -> ManifestError {
        ManifestError::Shared {
            document: self.draft.number(),
            line: self.draft.line(at),
            path: json_pointer(&self.edit.path),
            what: what.to_owned(),
        }
    }

    pub(super) fn unsupported(&self, at: usize, what: &str) -> ManifestError {
        ManifestError::Unsupported {
            document: self.draft.number(),
            line: self.draft.line(at),
            path: json_pointer(&self.edit.path),
            what: what.to_owned(),
        }
    }

    pub(super) fn not_found(&self) -> ManifestError {
        ManifestError::PathNotFound { document: self.draft.number(), path: json_pointer(&self.edit.path) }
    }
}
