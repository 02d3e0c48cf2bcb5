//! Documents and edits one at a time, by the functions of today.

use std::ops::Range;

use gomemlimit_manifest::{self as manifest, AliasBudget, Change, ManifestError};
use serde_json::Value;

#[derive(Debug)]
pub(in crate::cli) struct Document {
    pub(in crate::cli) value: Value,
    pub(in crate::cli) index: usize,
    pub(in crate::cli) range: Range<usize>,
    pub(in crate::cli) line: usize,
    pub(in crate::cli) is_json: bool,
}

#[derive(Debug)]
pub(in crate::cli) struct UnreadableDocument {
    pub(in crate::cli) range: Range<usize>,
    pub(in crate::cli) line: usize,
    pub(in crate::cli) error: ManifestError,
}

#[derive(Clone, Debug)]
pub(in crate::cli) struct Edit {
    pub(in crate::cli) path: Vec<String>,
    pub(in crate::cli) change: Change,
}

#[derive(Debug)]
pub(in crate::cli) struct Edited {
    pub(in crate::cli) text: String,
    pub(in crate::cli) notes: Vec<String>,
}

pub(in crate::cli) fn read(
    source: &str,
    budget: &mut AliasBudget,
) -> Vec<Result<Document, UnreadableDocument>> {
    let is_json = source.trim_start_matches('\u{feff}').trim_start().starts_with('{');
    match manifest::parse_within(source, budget) {
        Ok(documents) => documents
            .into_iter()
            .map(|one| {
                let manifest::Document { value, index, range, line } = one;
                Ok(Document { value, index, range, line, is_json })
            })
            .collect(),
        Err(error) => vec![Err(UnreadableDocument { range: 0..source.len(), line: 1, error })],
    }
}

pub(in crate::cli) fn edit(
    source: &str,
    document: &Document,
    edits: &[Edit],
) -> Result<Edited, ManifestError> {
    let edits: Vec<_> = edits
        .iter()
        .map(|edit| manifest::Edit { document: 0, path: edit.path.clone(), change: edit.change.clone() })
        .collect();
    let text = manifest::apply(source.get(document.range.clone()).unwrap_or_default(), &edits)?;
    Ok(Edited { text, notes: Vec::new() })
}
