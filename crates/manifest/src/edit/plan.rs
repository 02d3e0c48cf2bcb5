//! The replacements of bytes that make edits.

use super::anchors::Anchors;
use super::block;
use super::change::{Change, Edit};
use super::context::EditContext;
use super::draft::Draft;
use super::flow;
use super::item;
use super::pair;
use super::slot;
use super::splice::Splice;
use super::written::Written;
use crate::error::ManifestError;
use crate::tree::NodeKind;

/// The replacements for edits of one pass.
pub(super) fn all(draft: &Draft<'_>, edits: &[Edit]) -> Result<Vec<Splice>, ManifestError> {
    let anchors = Anchors::new(&draft.tree);
    let mut splices = Vec::new();
    for edit in edits {
        splices.extend(one(&EditContext::new(draft, &anchors, edit)?, edit)?);
    }
    Ok(splices)
}

/// The replacements for one edit.
pub(super) fn one(context: &EditContext<'_>, edit: &Edit) -> Result<Vec<Splice>, ManifestError> {
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
