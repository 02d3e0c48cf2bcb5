//! Edits a manifest in place: every byte that an edit does not need to change stays as it is.

mod block;
mod change;
mod context;
mod flow;
mod item;
mod pointer;
mod quote;
mod slot;
mod splice;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::mem;

use serde_json::Value;

use crate::documents;
use crate::error::ManifestError;
use crate::text;
use crate::tree::{NodeKind, Tree};
use context::EditContext;
use splice::{Splice, splice};

pub use change::{Change, Edit};

/// Applies `edits`, in their order, to the text `source`.
///
/// # Errors
///
/// If the text cannot be read, or if a path does not exist, is shared by an anchor, an alias or a merge key, or has a
/// notation that is not supported. The result is parsed again and compared with the edits applied to the original
/// values; a difference is [`ManifestError::ChangedMore`].
pub fn apply(source: &str, edits: &[Edit]) -> Result<String, ManifestError> {
    let mut trees = documents::trees(source)?;
    let starts: Vec<usize> = trees.iter().map(|tree| tree.start).collect();
    let mut expected: Vec<Value> = trees.iter_mut().map(|tree| mem::take(&mut tree.value)).collect();
    let mut pending = Vec::with_capacity(edits.len());
    for edit in edits {
        let missing = ManifestError::NoSuchDocument { document: edit.document + 1 };
        pending.push(pointer::apply(expected.get_mut(edit.document).ok_or(missing)?, edit)?);
    }
    let changed_more = |document: usize| {
        let line = starts.get(document).map_or(1, |start| text::line_number(source, *start));
        ManifestError::ChangedMore { document: document + 1, line }
    };
    let suspect = edits.first().map_or(0, |edit| edit.document);
    let mut result = source.to_owned();
    while !pending.is_empty() {
        let (now, later) = split_round(pending);
        let splices = plan(&result, &trees, &now)?;
        result = splice(&result, splices).ok_or_else(|| changed_more(suspect))?;
        trees = documents::trees(&result)
            .map_err(|error| changed_more(document_of(&error).unwrap_or(suspect)))?;
        pending = later;
    }
    if edits.is_empty() {
        return Ok(result);
    }
    if trees.len() != expected.len() {
        return Err(changed_more(suspect));
    }
    match trees.iter().zip(&expected).position(|(tree, value)| tree.value != *value) {
        Some(document) => Err(changed_more(document)),
        None => Ok(result),
    }
}

/// Takes out the edits that can be made in one pass over the text as it is: those that neither touch the same list or
/// mapping nor lie within each other. The rest waits until the text is parsed again.
fn split_round(edits: Vec<Edit>) -> (Vec<Edit>, Vec<Edit>) {
    let mut containers: HashSet<(usize, Vec<String>)> = HashSet::new();
    let mut targets: HashSet<(usize, Vec<String>)> = HashSet::new();
    let mut ancestors: HashSet<(usize, Vec<String>)> = HashSet::new();
    // Lists whose items have other positions after an edit.
    let mut shifted: HashSet<(usize, Vec<String>)> = HashSet::new();
    let (mut now, mut later) = (Vec::new(), Vec::new());
    for edit in edits {
        let prefix =
            |length: usize| (edit.document, edit.path.iter().take(length).cloned().collect::<Vec<_>>());
        let length = edit.path.len();
        let container = prefix(length.saturating_sub(1));
        let waits = containers.contains(&container)
            || ancestors.contains(&prefix(length))
            || (0..=length)
                .any(|length| targets.contains(&prefix(length)) || shifted.contains(&prefix(length)));
        if !matches!(edit.change, Change::Replace(_)) {
            shifted.insert(container.clone());
        }
        ancestors.extend((0..length).map(prefix));
        targets.insert(prefix(length));
        containers.insert(container);
        if waits { later.push(edit) } else { now.push(edit) }
    }
    (now, later)
}

fn plan(source: &str, trees: &[Tree], edits: &[Edit]) -> Result<Vec<Splice>, ManifestError> {
    let mut splices = Vec::new();
    for edit in edits {
        let missing = ManifestError::NoSuchDocument { document: edit.document + 1 };
        let context = EditContext::new(source, trees.get(edit.document).ok_or(missing)?, edit)?;
        splices.extend(plan_one(&context, edit)?);
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
        NodeKind::Scalar(_) | NodeKind::Alias => Err(context.not_found()),
    }
}

/// Position (from 0) of the document that an error about the edited text names.
fn document_of(error: &ManifestError) -> Option<usize> {
    let (ManifestError::Syntax { document, .. } | ManifestError::Template { document, .. }) = error else {
        return None;
    };
    document.checked_sub(1)
}

#[cfg(test)]
mod tests;
