//! Edits a manifest in place: every byte that an edit does not need to change stays as it is.

mod block;
mod change;
mod context;
mod draft;
mod flow;
mod item;
mod pointer;
mod quote;
mod rounds;
mod slot;
mod splice;

use std::cmp::Reverse;

use crate::documents::Document;
use crate::error::ManifestError;
use crate::tree::NodeKind;
use context::EditContext;
use draft::Draft;
use splice::Splice;

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
    let mut expected = document.value.clone();
    let mut pending = Vec::with_capacity(edits.len());
    for edit in edits {
        pending.push(pointer::apply(&mut expected, edit, document.index + 1)?);
    }
    let mut draft = Draft::new(source, document)?;
    while !pending.is_empty() {
        let (now, later) = rounds::split(pending);
        let splices = plan(&draft, &now)?;
        draft.splice(splices)?;
        pending = later;
    }
    Ok(Edited { text: draft.finish(&expected)?, notes: Vec::new() })
}

fn plan(draft: &Draft<'_>, edits: &[Edit]) -> Result<Vec<Splice>, ManifestError> {
    let mut splices = Vec::new();
    for edit in edits {
        splices.extend(plan_one(&EditContext::new(draft, edit)?, edit)?);
    }
    splices.sort_by_key(|splice| (splice.range.start, Reverse(splice.depth)));
    Ok(splices)
}

fn plan_one(context: &EditContext<'_>, edit: &Edit) -> Result<Vec<Splice>, ManifestError> {
    let container = context.container()?;
    let last = edit.path.last().map_or("", String::as_str);
    match &container.kind {
        NodeKind::Mapping { flow, pairs } => {
            let pair = pairs.iter().find(|pair| pair.key == last && !pair.merge);
            if let (Some(pair), Change::Add(value) | Change::Replace(value)) = (pair, &edit.change) {
                return slot::set(context, &pair.value, Some(pair), value);
            }
            let merge = pairs.iter().find(|pair| pair.merge);
            match (&edit.change, merge, flow) {
                (Change::Add(value), _, true) => flow::insert(context, container, Some(last), value),
                (Change::Add(value), _, false) => block::insert_pair(context, container, last, value),
                (_, Some(merge), _) => Err(context.shared(merge.start, "the merge key <<")),
                (_, None, _) => Err(context.not_found()),
            }
        }
        NodeKind::Sequence { flow, items } => {
            let at = last.parse::<usize>().ok().filter(|at| *at < items.len());
            match (&edit.change, at, flow) {
                (Change::Add(value), Some(at), _) => item::insert_before(context, container, at, value),
                (Change::Add(value), None, true) => flow::insert(context, container, None, value),
                (Change::Add(value), None, false) => block::append_item(context, container, value),
                (Change::Replace(value), Some(at), _) => item::replace(context, container, at, value),
                (Change::Remove, Some(at), _) => item::remove(context, container, at),
                (_, None, _) => Err(context.not_found()),
            }
        }
        NodeKind::Scalar(_) | NodeKind::Alias(_) => Err(context.not_found()),
    }
}

#[cfg(test)]
mod tests;
