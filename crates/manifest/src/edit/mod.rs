//! Edits a manifest in place: every byte that an edit does not need to change stays as it is.

mod anchors;
mod block;
mod change;
mod context;
mod draft;
mod edit_tree;
mod flow;
mod item;
mod merge;
mod other_reading;
mod pair;
mod plan;
mod pointer;
mod properties;
mod quote;
mod rounds;
mod sharing;
mod slot;
mod splice;
mod written;

use crate::documents::Document;
use crate::error::ManifestError;
use draft::Draft;

pub use change::{Change, Edit};

/// A document after its edits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The text of the document's range.
    pub text: String,
    /// What was changed beside the edits, with lines of the input: aliases and merge keys that are written out.
    pub notes: Vec<String>,
}

/// Applies `edits`, in their order, to a document of the text `source`. Reads nothing if there are no edits.
///
/// # Errors
///
/// If a path does not exist, or has a notation that is not supported. The result is read again and compared with the edits
/// applied to the document's values; a difference is [`ManifestError::ChangedMore`].
pub fn edit(source: &str, document: &Document, edits: &[Edit]) -> Result<Edited, ManifestError> {
    if edits.is_empty() {
        let text = source.get(document.range.clone()).unwrap_or("").to_owned();
        return Ok(Edited { text, notes: Vec::new() });
    }
    let text = source.get(document.range.clone()).unwrap_or("");
    if text.contains('\r') && !text.contains('\n') {
        return edit_between_carriage_returns(text, document, edits);
    }
    let mut expected = document.value.clone();
    let mut pending = Vec::with_capacity(edits.len());
    for edit in edits {
        pending.push(pointer::apply(&mut expected, edit, document.index + 1)?);
    }
    let mut draft = Draft::new(source, document)?;
    let mut notes = Vec::new();
    while !pending.is_empty() {
        let (mut now, later) = rounds::split(pending);
        let all = sharing::settle(&mut draft, &mut now, &mut expected, &mut notes)?;
        let others = other_reading::edits(&draft, &all);
        let splices = plan::all(&draft, &now)?;
        draft.splice(splices)?;
        for edit in &others {
            other_reading::make(&mut draft, edit);
        }
        pending = later;
    }
    Ok(Edited { text: draft.finish(&expected)?, notes })
}

/// The same for a text whose lines end with carriage returns alone.
fn edit_between_carriage_returns(
    text: &str,
    document: &Document,
    edits: &[Edit],
) -> Result<Edited, ManifestError> {
    let alone = Document { range: 0..text.len(), ..document.clone() };
    let edited = edit(&text.replace('\r', "\n"), &alone, edits)?;
    Ok(Edited { text: edited.text.replace('\n', "\r"), notes: edited.notes })
}

#[cfg(test)]
mod tests;
