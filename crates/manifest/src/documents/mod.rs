//! Splits an input into its documents and reads each of them by itself, so that one that cannot be read hides no other.

mod as_yaml;
mod json;
mod pieces;

use std::mem;
use std::ops::Range;

use serde_json::Value;
use thiserror::Error;

use crate::alias_budget::AliasBudget;
use crate::compose::{compose, compose_json};
use crate::error::ManifestError;
use crate::kubectl::{self, NotRead, Parts};
use crate::text::{Cursor, first_text, line_start};
use crate::tree::{KeyPosition, Tree};
use json::{JsonEnd, JsonError, JsonValues};
use pieces::{Piece, pieces};

pub use as_yaml::json_as_yaml;

/// One document of an input.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The document's value, with aliases and merge keys resolved; `Null` if it is only comments.
    pub value: Value,
    /// Position (from 0) among the documents of the input.
    pub index: usize,
    /// The bytes of the document in the input, with the comments before and after it.
    pub range: Range<usize>,
    /// Line (from 1) in the input at which the document, or its `---`, starts.
    pub line: usize,
    /// Whether it is JSON by the rules of JSON: the input begins with a brace, and only JSON is before it.
    pub is_json: bool,
    /// The keys that their mapping has already; the last one counts, as for kubectl.
    pub duplicate_keys: Vec<KeyPosition>,
    /// The keys that a merge key (`<<`) after them overrides with another value, as for kubectl, but not for most other
    /// programs.
    pub overridden_keys: Vec<KeyPosition>,
    /// Why kubectl does not read it; none if it does.
    pub not_read: Option<NotRead>,
}

/// A part of an input that cannot be read.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{error}")]
pub struct UnreadableDocument {
    /// Position (from 0) among the documents of the input.
    pub index: usize,
    /// The bytes of the part in the input.
    pub range: Range<usize>,
    /// Line (from 1) in the input at which the part, or its `---`, starts.
    pub line: usize,
    /// The error, with document, line and column in the whole input.
    pub error: ManifestError,
}

/// Splits `source` into documents, as kubectl does, and reads each of them by itself: a YAML stream, or JSON objects one after
/// the other. The ranges of all documents, readable or not, are the whole input in its order, without gaps.
///
/// An input of nothing but comments has no documents. What aliases copy is taken from `budget`, which inputs that are held
/// at the same time share.
///
/// An [`UnreadableDocument`] is a part that is neither YAML nor JSON, or one that kubectl reads otherwise, so that nothing
/// that it applies stays unseen, or one whose aliases copy more than the budget.
pub fn read(source: &str, budget: &mut AliasBudget) -> Vec<Result<Document, UnreadableDocument>> {
    let mut documents: Vec<Result<Document, UnreadableDocument>> = Vec::new();
    // The place of a pair that a merge key overrides is wanted, too.
    let keeps_nodes = source.contains("<<");
    scan(source, keeps_nodes, budget, &mut |found| {
        let index = documents.len();
        let start = match documents.last_mut() {
            None => 0,
            Some(Ok(Document { range, .. }) | Err(UnreadableDocument { range, .. })) => {
                range.end = found.start;
                found.start
            }
        };
        let (range, line) = (start..source.len(), found.line);
        documents.push(match found.outcome {
            Ok(Tree { value, duplicate_keys, overridden, .. }) => {
                let Found { is_json, not_read, .. } = found;
                let overridden_keys = overridden.into_iter().filter_map(|pair| pair.differs).collect();
                Ok(Document { value, index, range, line, is_json, duplicate_keys, overridden_keys, not_read })
            }
            Err(error) => Err(UnreadableDocument { index, range, line, error }),
        });
    });
    documents
}

/// Reads `text`, the range of one document, with the position of each node in it. `None` if it is not one document.
pub(crate) fn tree(text: &str) -> Option<Tree> {
    let mut outcomes = Vec::new();
    scan(text, true, &mut AliasBudget::default(), &mut |found| outcomes.push(found.outcome));
    let tree = outcomes.pop()?.ok()?;
    outcomes.is_empty().then_some(tree)
}

/// A document, readable or not.
struct Found {
    /// First byte of its range.
    start: usize,
    line: usize,
    is_json: bool,
    not_read: Option<NotRead>,
    outcome: Result<Tree, ManifestError>,
}

/// Calls `found` for each document, whose tree has its nodes only with `keeps_nodes`.
fn scan(source: &str, keeps_nodes: bool, budget: &mut AliasBudget, found: &mut dyn FnMut(Found)) {
    let mut scanner = Scanner { source, keeps_nodes, budget, cursor: Cursor::new(source), count: 0, found };
    let Some(JsonValues { ranges, end }) = json::json_values(source) else {
        return scanner.stream(0, FirstPiece::Any);
    };
    let Some(behind) = ranges.last().map(|last| last.end) else {
        let text = source.trim_start_matches('\u{feff}');
        let space = text.get(..text.len() - text.trim_start().len()).unwrap_or("");
        let refused = kubectl::check_space(space, scanner.cursor, 1).err();
        return scanner.stream(0, refused.map_or(FirstPiece::Any, FirstPiece::Refused));
    };
    for range in &ranges {
        scanner.json(range.clone());
    }
    if let JsonEnd::Other(error) = end {
        scanner.behind_json(behind, ranges.len(), error);
    }
}

/// What is known of the first piece of a YAML stream.
enum FirstPiece {
    Any,
    /// It begins with a brace; the error of JSON about it.
    Json(ManifestError),
    /// kubectl reads it otherwise.
    Refused(ManifestError),
}

struct Scanner<'s, 'f> {
    source: &'s str,
    keeps_nodes: bool,
    budget: &'f mut AliasBudget,
    /// The start of the part that is read.
    cursor: Cursor<'s>,
    count: usize,
    found: &'f mut dyn FnMut(Found),
}

impl Scanner<'_, '_> {
    fn found(&mut self, found: Found) {
        self.count += 1;
        (self.found)(found);
    }

    fn unreadable(&mut self, start: usize, error: ManifestError) {
        let line = self.cursor.forward(first_text(self.source, start)).line;
        self.found(Found { start, line, is_json: false, not_read: None, outcome: Err(error) });
    }

    /// Number (from 1) of the next document.
    fn next_document(&self) -> usize {
        self.count + 1
    }

    fn json(&mut self, range: Range<usize>) {
        self.cursor = self.cursor.forward(range.start);
        let start = range.start;
        let number = self.next_document();
        let outcome = compose_json(self.source, range, self.cursor, number, self.keeps_nodes, self.budget);
        self.found(Found { start, line: self.cursor.line, is_json: true, not_read: None, outcome });
    }

    /// What is behind JSON values and no JSON: YAML, but for kubectl only after a single one.
    fn behind_json(&mut self, end: usize, values: usize, error: JsonError) {
        let rest = self.source.get(end..).unwrap_or("");
        let text = json::trim_start(rest);
        self.cursor = self.cursor.forward(end);
        let JsonError { line, column, message } = error;
        let broken = ManifestError::Syntax { document: self.next_document(), line, column, message };
        if values > 1 || json::begins_other_value(text) {
            let place = self.cursor.forward(self.source.len() - text.len());
            let is_json = text.starts_with('{') || json::begins_other_value(text);
            let error = if is_json { broken } else { kubectl::unseparated(place, self.next_document()) };
            return self.unreadable(end, error);
        }
        // It skips up to the first line break.
        let line = rest.split_inclusive('\n').next().unwrap_or("");
        let space = line.get(..line.len() - line.trim_start().len()).unwrap_or("");
        match kubectl::check_space(space, self.cursor, self.next_document()) {
            Ok(()) if text.starts_with('{') => self.stream(end + space.len(), FirstPiece::Json(broken)),
            Ok(()) => self.stream(end + space.len(), FirstPiece::Any),
            Err(error) => self.stream(end, FirstPiece::Refused(error)),
        }
    }

    /// The YAML stream from the byte `from` on.
    fn stream(&mut self, from: usize, mut first: FirstPiece) {
        let mut parts = Parts::new(self.source, from);
        for piece in pieces(self.source, from) {
            match mem::replace(&mut first, FirstPiece::Any) {
                FirstPiece::Refused(error) => self.unreadable(piece.range.start, error),
                FirstPiece::Json(error) => self.piece(&piece, &mut parts, Some(error)),
                FirstPiece::Any => self.piece(&piece, &mut parts, None),
            }
        }
    }

    /// Whether the documents before an error of a piece are the same without what is from the error on.
    fn is_read_alone(&self, piece: &Piece, error: usize, trees: &[Tree]) -> bool {
        if error <= piece.content || error >= piece.range.end {
            return false;
        }
        let mut budget = AliasBudget::default();
        // As a text of its own, whose last line gets a line break.
        let text = self.source.get(..error).unwrap_or("");
        let alone = compose(text, piece.content..error, self.cursor, 1, false, &mut budget);
        alone.failure.is_none()
            && alone.trees.len() == trees.len()
            && alone.trees.iter().zip(trees).all(|(alone, tree)| alone.value == tree.value)
    }

    /// `broken` is the error to report if the piece is not YAML.
    fn piece(&mut self, piece: &Piece, parts: &mut Parts, broken: Option<ManifestError>) {
        self.cursor = self.cursor.forward(piece.range.start);
        let (start, number) = (piece.range.start, self.next_document());
        if let (true, Some(marker)) = (piece.is_hidden, piece.marker) {
            return self.unreadable(start, kubectl::hidden_separator(self.cursor.forward(marker), number));
        }
        let text = self.source.get(piece.range.clone()).unwrap_or("");
        if let Err(error) = kubectl::check_text(text, self.cursor, number) {
            return self.unreadable(start, error);
        }
        let content = piece.content..piece.range.end;
        let composed = compose(self.source, content, self.cursor, number, self.keeps_nodes, self.budget);
        let mut trees = composed.trees;
        if let (true, None, Some(marker)) = (trees.is_empty(), &composed.failure, piece.marker) {
            trees.push(Tree { start: marker, marked: true, ..Tree::empty(piece.content) });
        }
        if let Some(failure) = &composed.failure
            && !self.is_read_alone(piece, failure.start, &trees)
        {
            // What is before it belongs to it.
            trees.clear();
        }
        let has_trees = !trees.is_empty();
        for (index, mut tree) in trees.into_iter().enumerate() {
            // Of nothing between two separators kubectl makes no part.
            let is_part = piece.content < piece.range.end;
            let text = tree.start.max(piece.content);
            let not_read = if is_part { parts.not_read(self.source, text, self.cursor) } else { None };
            if let (0, Some(marker)) = (index, piece.marker) {
                (tree.start, tree.marked) = (marker, true);
            }
            let line = self.cursor.forward(tree.start).line;
            // With its indentation.
            let from = if index == 0 { start } else { line_start(self.source, tree.start) };
            self.found(Found { start: from, line, is_json: false, not_read, outcome: Ok(tree) });
        }
        match composed.failure {
            Some(failure) if has_trees => {
                let rest = self.source.get(failure.start..piece.range.end).unwrap_or("");
                let object = piece.range.end - rest.trim_start().len();
                let is_object = rest.trim_start().starts_with('{');
                let error = if is_object && !failure.error.is_template() {
                    kubectl::unseparated(self.cursor.forward(object), self.next_document())
                } else {
                    failure.error
                };
                self.unreadable(failure.start, error);
            }
            Some(failure) if failure.error.is_template() => self.unreadable(start, failure.error),
            Some(failure) => self.unreadable(start, broken.unwrap_or(failure.error)),
            None => {}
        }
    }
}

#[cfg(test)]
mod kubectl_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
