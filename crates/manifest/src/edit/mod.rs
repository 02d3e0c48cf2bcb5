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
use crate::tree::NodeKind;
use anchors::Anchors;
use context::EditContext;
use draft::Draft;
use splice::Splice;
use written::Written;

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
    let mut notes = Vec::new();
    while !pending.is_empty() {
        let (mut now, later) = rounds::split(pending);
        let all = sharing::settle(&mut draft, &mut now, &mut expected, &mut notes)?;
        let others = other_reading::edits(&draft, &all);
        let splices = plan(&draft, &now)?;
        draft.splice(splices)?;
        for edit in &others {
            other_reading::make(&mut draft, edit);
        }
        pending = later;
    }
    Ok(Edited { text: draft.finish(&expected)?, notes })
}

fn plan(draft: &Draft<'_>, edits: &[Edit]) -> Result<Vec<Splice>, ManifestError> {
    let anchors = Anchors::new(&draft.tree);
    let mut splices = Vec::new();
    for edit in edits {
        splices.extend(plan_one(&EditContext::new(draft, &anchors, edit)?, edit)?);
    }
    Ok(splices)
}

fn plan_one(context: &EditContext<'_>, edit: &Edit) -> Result<Vec<Splice>, ManifestError> {
    let container = context.container()?;
    let last = edit.path.last().map_or("", String::as_str);
    let value = match &edit.change {
        Change::Add(value) | Change::Replace(value) => &Written::from(value),
        Change::Remove => &Written::List(Vec::new()),
    };
    match &container.kind {
        NodeKind::Mapping { .. } if edit.change != Change::Remove => {
            match context.anchors.own(container, last) {
                Some(pair) => slot::set(context, &pair.value, Some(pair), value),
                None => pair::insert(context, container, last, value),
            }
        }
        NodeKind::Sequence { flow, items } => {
            let at = last.parse::<usize>().ok().filter(|at| *at < items.len());
            match (&edit.change, at, flow) {
                (Change::Add(_), Some(at), _) => item::insert_before(context, container, at, value),
                (Change::Add(_), None, true) => flow::insert(context, container, None, value),
                (Change::Add(_), None, false) => block::append_item(context, container, value),
                (Change::Replace(_), Some(at), _) => item::replace(context, container, at, value),
                (Change::Remove, Some(at), _) => item::remove(context, container, at),
                (_, None, _) => Err(context.not_found()),
            }
        }
        _ => Err(context.not_found()),
    }
}

#[cfg(test)]
mod tests;
