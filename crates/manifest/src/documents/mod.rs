//! Splits an input into its documents and reads each of them.

use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::alias_budget::AliasBudget;
use crate::compose::compose;
use crate::error::ManifestError;
use crate::tree::Tree;
use crate::{kubectl, text};

/// One document of an input. The ranges of all documents together are the whole input, without gaps.
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
}

/// Splits `source` into documents and reads them: a YAML stream, or JSON objects one after the other.
///
/// An input of nothing but comments has no documents.
///
/// # Errors
///
/// If the text is neither YAML nor JSON, has a duplicate key, is one that kubectl reads otherwise, or if its aliases copy
/// more than an [`AliasBudget`].
pub fn parse(source: &str) -> Result<Vec<Document>, ManifestError> {
    parse_within(source, &mut AliasBudget::default())
}

/// As [`parse`], for one of several inputs that are held at the same time and share a budget.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_within(source: &str, budget: &mut AliasBudget) -> Result<Vec<Document>, ManifestError> {
    Ok(documents(source, trees_within(source, budget)?))
}

/// Reads the documents of `source` with the position of each node.
pub(crate) fn trees(source: &str) -> Result<Vec<Tree>, ManifestError> {
    trees_within(source, &mut AliasBudget::default())
}

fn trees_within(source: &str, budget: &mut AliasBudget) -> Result<Vec<Tree>, ManifestError> {
    let Some(objects) = json_objects(source)? else {
        kubectl::check_text(source)?;
        let trees = compose(source, 0, source.len(), 0, budget)?;
        let markers: Vec<usize> = trees.iter().filter(|tree| tree.marked).map(|tree| tree.start).collect();
        kubectl::check_separators(source, &markers)?;
        return Ok(trees);
    };
    let mut trees = Vec::with_capacity(objects.len());
    for (index, object) in objects.into_iter().enumerate() {
        trees.extend(compose(source, object.start, object.end, index, budget)?);
    }
    Ok(trees)
}

fn documents(source: &str, trees: Vec<Tree>) -> Vec<Document> {
    let starts: Vec<usize> = trees.iter().map(|tree| tree.start).collect();
    let mut line = 1;
    let mut counted = 0;
    let mut documents = Vec::with_capacity(trees.len());
    for (index, tree) in trees.into_iter().enumerate() {
        let start = tree.start;
        line += text::line_number(source.get(counted..start).unwrap_or(""), usize::MAX) - 1;
        counted = start;
        // Text before the first document belongs to it; every other one starts at its marker.
        let from = if index == 0 { 0 } else { start };
        let to = starts.get(index + 1).copied().unwrap_or(source.len());
        documents.push(Document { value: tree.value, index, range: from..to, line });
    }
    documents
}

/// The bytes of each object if `source` is JSON: one object, or several with nothing between them. YAML has no
/// such stream; `None` if `source` is not one.
fn json_objects(source: &str) -> Result<Option<Vec<Range<usize>>>, ManifestError> {
    let json = source.trim_start_matches('\u{feff}');
    let offset = source.len() - json.len();
    if !json.trim_start().starts_with('{') {
        return Ok(None);
    }
    let mut objects = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(json).into_iter::<IgnoredAny>();
    let mut end = 0;
    while let Some(next) = stream.next() {
        let rest = json.get(end..).unwrap_or("");
        let start = end + rest.len() - rest.trim_start().len();
        match next {
            Ok(_) => {
                end = stream.byte_offset();
                objects.push(start + offset..end + offset);
            }
            // After one good object another one is JSON too, so that it is the JSON that is broken.
            Err(error) if !objects.is_empty() && rest.trim_start().starts_with('{') => {
                let (line, column) = (error.line(), error.column());
                let document = objects.len() + 1;
                return Err(ManifestError::Syntax { document, line, column, message: json_message(&error) });
            }
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(objects))
}

/// The message without its position, which [`ManifestError`] has as fields.
fn json_message(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.split(" at line ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
