//! Edits of one document, by the function of today.

use gomemlimit_manifest::{self as manifest, Change, Document, ManifestError};

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
