//! The same edits for programs that read a pair which a merge key (`<<`) after it overrides for kubectl.

use serde_json::Value;

use super::anchors::Anchors;
use super::change::{Change, Edit};
use super::context::EditContext;
use super::draft::Draft;
use super::plan;
use super::slot;
use super::written::Written;
use crate::json_pointer::json_pointer;
use crate::tree::{Node, Pair};

/// The field of a container, or of a pod, with the memory limit, by which the value is computed.
const RESOURCES: &str = "resources";

/// The edits of overridden pairs that do the same to them as `edits` do to the values that kubectl reads, as far as that is
/// possible: a variable goes to another list, unless it is there already.
pub(super) fn edits(draft: &Draft<'_>, edits: &[Edit]) -> Vec<Edit> {
    if draft.tree.overridden.is_empty() {
        return Vec::new();
    }
    let anchors = Anchors::new(&draft.tree);
    edits.iter().flat_map(|edit| of_pair(draft, &anchors, edit)).collect()
}

/// Makes such an edit, if it changes nothing for kubectl.
pub(super) fn make(draft: &mut Draft<'_>, edit: &Edit) {
    let anchors = Anchors::new(&draft.tree);
    let trail = trail(&draft.tree.root, &edit.path);
    let splices = trail.and_then(|trail| {
        let context = EditContext::along(draft, &anchors, edit, trail.clone());
        let place = trail.last().zip(edit.path.last()).and_then(|(node, token)| node.pair(token));
        match (place, &edit.change) {
            (Some(pair), Change::Add(value) | Change::Replace(value)) => {
                slot::set(&context, &pair.value, Some(pair), &Written::from(value)).ok()
            }
            _ => plan::one(&context, edit).ok(),
        }
    });
    if let Some(splices) = splices {
        draft.splice_if_same(splices);
    }
}

/// The nodes from the root to the list or mapping that an edit is in, as a program other than kubectl reads them.
fn trail<'t>(root: &'t Node, path: &[String]) -> Option<Vec<&'t Node>> {
    let mut trail = vec![root];
    for token in path.get(..path.len().checked_sub(1)?)? {
        trail.push(trail.last()?.child(token)?);
    }
    Some(trail)
}

/// The edits of the first overridden pair on the path of an edit.
fn of_pair(draft: &Draft<'_>, anchors: &Anchors<'_>, edit: &Edit) -> Vec<Edit> {
    let mut node = &draft.tree.root;
    for (depth, token) in edit.path.iter().enumerate() {
        if let (Some(pair), None) = (node.pair(token), anchors.own(node, token)) {
            let overridden = |pair: &Pair| draft.tree.overridden.iter().find(|own| own.start == pair.start);
            let has_other_limit =
                node.pair(RESOURCES).and_then(overridden).is_some_and(|own| own.differs.is_some());
            let own = overridden(pair).filter(|_| !has_other_limit);
            let (path, rest) = edit.path.split_at(depth + 1);
            let read = draft.tree.value.pointer(&json_pointer(path));
            let Some((own, read)) = own.zip(read) else { return Vec::new() };
            let mut path = path.to_vec();
            let mut found = Vec::new();
            follow(&own.value, read, &mut path, rest, &edit.change, &mut found);
            return found;
        }
        let Some(next) = node.child(token) else { return Vec::new() };
        node = next;
    }
    Vec::new()
}

/// Adds the edits at `path` of the value `own`, in the place of which kubectl has `read`; `rest` leads from there to the change.
fn follow(
    own: &Value,
    read: &Value,
    path: &mut Vec<String>,
    rest: &[String],
    change: &Change,
    found: &mut Vec<Edit>,
) {
    let edit = |path: &[String], token: Option<&str>, change: Change| {
        let path = path.iter().cloned().chain(token.map(str::to_owned)).collect();
        Edit { path, change }
    };
    let Some((token, rest)) = rest.split_first() else {
        return match (change, own) {
            _ if own == read => found.push(edit(path, None, change.clone())),
            (Change::Add(Value::Array(new)), Value::Array(items)) => {
                let new = new.iter().filter(|item| !has_name_of(items, item));
                found.extend(new.map(|item| edit(path, Some("-"), Change::Add(item.clone()))));
            }
            (Change::Add(Value::Object(new)), Value::Object(map)) => {
                let new = new.iter().filter(|(key, _)| !map.contains_key(*key));
                found.extend(new.map(|(key, value)| edit(path, Some(key), Change::Add(value.clone()))));
            }
            _ => {}
        };
    };
    let is_list = own.is_array();
    match (own, change) {
        (Value::Array(items), Change::Add(new)) if rest.is_empty() => {
            // Before the same item, or at the end.
            let is_same = token.parse::<usize>().is_ok_and(|at| at == 0 || own.get(at) == read.get(at));
            if (is_same || token == "-") && !has_name_of(items, new) {
                found.push(edit(path, Some(token), change.clone()));
            }
        }
        (Value::Object(map), Change::Add(_)) if rest.is_empty() && !map.contains_key(token) => {
            found.push(edit(path, Some(token), change.clone()));
        }
        _ => {
            // Of a list, only the same item is the one that is meant.
            let is_same = |(own, read): &(&Value, &Value)| !is_list || own == read;
            let next = value_at(own, token).zip(value_at(read, token)).filter(is_same);
            let Some((own, read)) = next else { return };
            path.push(token.clone());
            follow(own, read, path, rest, change, found);
            path.pop();
        }
    }
}

fn value_at<'v>(value: &'v Value, token: &str) -> Option<&'v Value> {
    match value {
        Value::Array(items) => items.get(token.parse::<usize>().ok()?),
        value => value.get(token),
    }
}

/// Whether a list has an item with the name of this one, such as a variable that a user set.
fn has_name_of(items: &[Value], new: &Value) -> bool {
    let name = |item: &Value| item.get("name").cloned();
    name(new).is_some() && items.iter().any(|item| name(item) == name(new))
}
