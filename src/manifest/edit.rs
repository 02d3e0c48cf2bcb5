//! Edits a manifest in place: every byte that an edit does not need to change stays as it is.

mod block;
mod flow;
mod item;
mod pointer;
mod quote;
mod site;
mod slot;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::mem;
use std::ops::Range;

use serde_json::Value;

use super::documents;
use super::error::ManifestError;
use super::text;
use super::tree::{Kind, Tree};
use site::Site;

/// What an [`Edit`] does at its path.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// As `add` of RFC 6902; what is missing or null on the way to the path is made, too.
    Add(Value),
    /// As `replace` of RFC 6902.
    Replace(Value),
    /// As `remove` of RFC 6902, for items of lists.
    Remove,
}

/// One change of one document.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// Position (from 0) of the document in the input, as in [`Document::index`](super::Document::index).
    pub document: usize,
    /// JSON pointer tokens, not escaped; the last one is `-` to append to a list.
    pub path: Vec<String>,
    /// What to do there.
    pub change: Change,
}

/// Bytes to replace by other text.
struct Splice {
    range: Range<usize>,
    text: String,
    /// Length of the path: of two insertions at one place the inner one comes first.
    depth: usize,
}

/// Applies `edits`, in their order, to the text `source`.
///
/// # Errors
///
/// Fails if the text cannot be read, or if a path does not exist or stands in a place that is shared or written
/// in a way that is not supported. The result is read again and compared, so that it never says anything else
/// than the edits applied to the original values; if it did, that is an error, too.
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

/// Takes out the edits that can be placed in one go, in the text as it is: those that neither touch the same
/// list or mapping nor stand within each other. The rest has to wait until the text is read again.
fn split_round(edits: Vec<Edit>) -> (Vec<Edit>, Vec<Edit>) {
    let mut containers: HashSet<(usize, Vec<String>)> = HashSet::new();
    let mut targets: HashSet<(usize, Vec<String>)> = HashSet::new();
    let mut ancestors: HashSet<(usize, Vec<String>)> = HashSet::new();
    // Lists whose items have other places once an edit is done.
    let mut shifted: HashSet<(usize, Vec<String>)> = HashSet::new();
    let (mut now, mut later) = (Vec::new(), Vec::new());
    for edit in edits {
        let place =
            |length: usize| (edit.document, edit.path.iter().take(length).cloned().collect::<Vec<_>>());
        let length = edit.path.len();
        let container = place(length.saturating_sub(1));
        let waits = containers.contains(&container)
            || ancestors.contains(&place(length))
            || (0..=length)
                .any(|length| targets.contains(&place(length)) || shifted.contains(&place(length)));
        if !matches!(edit.change, Change::Replace(_)) {
            shifted.insert(container.clone());
        }
        ancestors.extend((0..length).map(place));
        targets.insert(place(length));
        containers.insert(container);
        if waits { later.push(edit) } else { now.push(edit) }
    }
    (now, later)
}

fn plan(source: &str, trees: &[Tree], edits: &[Edit]) -> Result<Vec<Splice>, ManifestError> {
    let mut splices = Vec::new();
    for edit in edits {
        let missing = ManifestError::NoSuchDocument { document: edit.document + 1 };
        let site = Site::new(source, trees.get(edit.document).ok_or(missing)?, edit)?;
        splices.extend(plan_one(&site, edit)?);
    }
    splices.sort_by_key(|splice| (splice.range.start, Reverse(splice.depth)));
    Ok(splices)
}

fn plan_one(site: &Site<'_>, edit: &Edit) -> Result<Vec<Splice>, ManifestError> {
    let container = site.container()?;
    let last = edit.path.last().map_or("", String::as_str);
    match &container.kind {
        Kind::Mapping { flow, entries } => {
            let entry = entries.iter().find(|entry| entry.key == last && !entry.merge);
            if let (Some(entry), Change::Add(value) | Change::Replace(value)) = (entry, &edit.change) {
                return slot::set(site, &entry.value, Some(entry), value);
            }
            let merge = entries.iter().find(|entry| entry.merge);
            match (&edit.change, merge, flow) {
                (Change::Add(value), _, true) => flow::insert(site, container, Some(last), value),
                (Change::Add(value), _, false) => block::insert_entry(site, container, last, value),
                (_, Some(merge), _) => Err(site.shared(merge.start, "the merge key <<")),
                (_, None, _) => Err(site.not_found()),
            }
        }
        Kind::Sequence { flow, items } => {
            let at = last.parse::<usize>().ok().filter(|at| *at < items.len());
            match (&edit.change, at, flow) {
                (Change::Add(value), Some(at), _) => item::insert_before(site, container, at, value),
                (Change::Add(value), None, true) => flow::insert(site, container, None, value),
                (Change::Add(value), None, false) => block::append_item(site, container, value),
                (Change::Replace(value), Some(at), _) => item::replace(site, container, at, value),
                (Change::Remove, Some(at), _) => item::remove(site, container, at),
                (_, None, _) => Err(site.not_found()),
            }
        }
        Kind::Scalar(_) | Kind::Alias => Err(site.not_found()),
    }
}

/// Carries out the replacements, which are sorted; `None` if they overlap.
fn splice(source: &str, splices: Vec<Splice>) -> Option<String> {
    let mut result =
        String::with_capacity(source.len() + splices.iter().map(|splice| splice.text.len()).sum::<usize>());
    let mut at = 0;
    for splice in splices {
        result.push_str(source.get(at..splice.range.start)?);
        result.push_str(&splice.text);
        at = splice.range.end;
    }
    result.push_str(source.get(at..)?);
    Some(result)
}

/// Position (from 0) of the document that an error about the edited text names.
fn document_of(error: &ManifestError) -> Option<usize> {
    let (ManifestError::Syntax { document, .. }
    | ManifestError::Template { document, .. }
    | ManifestError::DuplicateKey { document, .. }) = error
    else {
        return None;
    };
    document.checked_sub(1)
}

#[cfg(test)]
mod tests;
