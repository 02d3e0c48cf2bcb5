//! The surroundings of an edit in the text: the nodes on the way to it, and errors that name it.

use std::ops::Range;

use super::anchors::Anchors;
use super::change::Edit;
use super::draft::Draft;
use super::splice::Splice;
use crate::error::ManifestError;
use crate::json_pointer::json_pointer;
use crate::text;
use crate::tree::Node;

/// One edit, with the text and the nodes around its place.
pub(super) struct EditContext<'t> {
    pub(super) source: &'t str,
    draft: &'t Draft<'t>,
    pub(super) anchors: &'t Anchors<'t>,
    edit: &'t Edit,
    /// The nodes from the root to the list or mapping that is edited.
    pub(super) trail: Vec<&'t Node>,
}

impl<'t> EditContext<'t> {
    /// Finds the list or mapping to edit.
    pub(super) fn new(
        draft: &'t Draft<'t>,
        anchors: &'t Anchors<'t>,
        edit: &'t Edit,
    ) -> Result<Self, ManifestError> {
        let mut context = Self { source: &draft.text, draft, anchors, edit, trail: vec![&draft.tree.root] };
        for token in edit.path.iter().take(edit.path.len().saturating_sub(1)) {
            let child = anchors.child(context.container()?, token).ok_or_else(|| context.not_found())?;
            context.trail.push(child);
        }
        Ok(context)
    }

    /// An edit of the list or mapping at the end of these nodes.
    pub(super) fn along(
        draft: &'t Draft<'t>,
        anchors: &'t Anchors<'t>,
        edit: &'t Edit,
        trail: Vec<&'t Node>,
    ) -> Self {
        Self { source: &draft.text, draft, anchors, edit, trail }
    }

    /// The list or mapping to edit.
    pub(super) fn container(&self) -> Result<&'t Node, ManifestError> {
        self.trail.last().copied().ok_or_else(|| self.not_found())
    }

    /// Whether the document is JSON, in which every text has double quotes.
    pub(super) fn is_json(&self) -> bool {
        self.draft.is_json()
    }

    /// A replacement with the line breaks of the surrounding text; `text` has `\n`.
    pub(super) fn splice(&self, range: Range<usize>, text: &str) -> Splice {
        let windows = text.contains('\n') && text::line_break(self.source, range.start) == "\r\n";
        let text = if windows { text.replace('\n', "\r\n") } else { text.to_owned() };
        Splice { range, text, depth: self.edit.path.len() }
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
