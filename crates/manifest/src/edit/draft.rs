//! The text of one document while it is edited.

use std::{cmp::Reverse, ops::Range};

use serde_json::Value;

use super::splice::{Splice, splice};
use crate::documents::{self, Document};
use crate::error::ManifestError;
use crate::text;
use crate::tree::Tree;

/// The text and the tree of a document as the edits so far have made them.
pub(super) struct Draft<'s> {
    source: &'s str,
    document: &'s Document,
    pub(super) text: String,
    pub(super) tree: Tree,
    /// The line break that the document lacks at its end. kubectl reads it as if it had one.
    line_break: &'static str,
    steps: Vec<Step>,
}

/// Replacements that have been made: the bytes of the text before, and the length of the new text.
struct Step(Vec<(Range<usize>, usize)>);

impl Step {
    /// The byte of the text before this step that `at` was; for new text, the place of the replacement.
    fn before(&self, at: usize) -> usize {
        let (mut old, mut new) = (0, 0);
        for (range, length) in &self.0 {
            let start = new + range.start.saturating_sub(old);
            if at < start {
                break;
            }
            if at < start + length {
                return range.start;
            }
            (old, new) = (range.end, start + length);
        }
        old + at.saturating_sub(new)
    }
}

impl<'s> Draft<'s> {
    /// Reads the document alone.
    pub(super) fn new(source: &'s str, document: &'s Document) -> Result<Self, ManifestError> {
        let text = source.get(document.range.clone()).unwrap_or("");
        if !document.is_json && !text.ends_with('\n') && document.range.end < source.len() {
            return Err(ManifestError::Unsupported {
                document: document.index + 1,
                line: text::line_number(source, document.range.end),
                path: "/".to_owned(),
                what: "something that cannot be read is behind it on the same line".to_owned(),
            });
        }
        let line_break = if text.ends_with('\n') { "" } else { text::line_break(source, document.range.end) };
        let text = format!("{text}{line_break}");
        let tree = documents::tree(&text).ok_or_else(|| changed_more(document))?;
        Ok(Self { source, document, text, tree, line_break, steps: Vec::new() })
    }

    /// Makes the replacements, and reads the text again.
    pub(super) fn splice(&mut self, splices: Vec<Splice>) -> Result<(), ManifestError> {
        let (text, step) = self.replaced(splices).ok_or_else(|| self.changed_more())?;
        // Two trees of a long list take too much memory.
        self.tree = Tree::empty(0);
        let tree = documents::tree(&text).ok_or_else(|| self.changed_more())?;
        self.take(text, tree, step);
        Ok(())
    }

    /// Makes the replacements if the values stay the same for kubectl; whether they do.
    pub(super) fn splice_if_same(&mut self, splices: Vec<Splice>) -> bool {
        let Some((text, step)) = self.replaced(splices) else { return false };
        let tree = documents::tree(&text).filter(|tree| tree.value == self.tree.value);
        tree.map(|tree| self.take(text, tree, step)).is_some()
    }

    /// The text with the replacements; `None` if they overlap.
    fn replaced(&self, mut splices: Vec<Splice>) -> Option<(String, Step)> {
        splices.sort_by_key(|splice| (splice.range.start, Reverse(splice.depth)));
        let step = splices.iter().map(|splice| (splice.range.clone(), splice.text.len())).collect();
        Some((splice(&self.text, splices)?, Step(step)))
    }

    fn take(&mut self, text: String, tree: Tree, step: Step) {
        (self.text, self.tree) = (text, tree);
        self.steps.push(step);
    }

    /// The edited text, if it has the values `expected`.
    pub(super) fn finish(self, expected: &Value) -> Result<String, ManifestError> {
        if self.tree.value != *expected {
            return Err(self.changed_more());
        }
        let mut text = self.text.strip_suffix(self.line_break).unwrap_or(&self.text).to_owned();
        if self.line_break.is_empty() && !text.ends_with('\n') {
            // The next document follows.
            text += text::line_break(self.source, self.document.range.start);
        }
        Ok(text)
    }

    pub(super) fn is_json(&self) -> bool {
        self.document.is_json
    }

    /// Number (from 1) of the document in the input.
    pub(super) fn number(&self) -> usize {
        self.document.index + 1
    }

    /// The line in the input of the byte `at` of the text.
    pub(super) fn line(&self, at: usize) -> usize {
        let at = self.steps.iter().rev().fold(at, |at, step| step.before(at));
        text::line_number(self.source, (self.document.range.start + at).min(self.document.range.end))
    }

    pub(super) fn changed_more(&self) -> ManifestError {
        changed_more(self.document)
    }
}

fn changed_more(document: &Document) -> ManifestError {
    ManifestError::ChangedMore { document: document.index + 1, line: document.line }
}
