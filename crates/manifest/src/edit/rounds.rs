//! Which edits can be made in one pass over the text as it is.

use std::collections::HashMap;

use super::change::{Change, Edit};

/// What edits do to the value at a path.
#[derive(Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own, and any of them may hold together"
)]
struct Touched<'e> {
    below: HashMap<&'e str, Touched<'e>>,
    is_target: bool,
    /// Whether one of its own keys or items is a target.
    is_container: bool,
    /// Whether its items have other positions after an edit.
    is_shifted: bool,
    /// Whether something is added to it.
    is_added_to: bool,
    /// Whether something is removed in it, maybe with the last line of it, after which additions go.
    is_removed_from: bool,
}

impl<'e> Touched<'e> {
    /// Notes the edit; whether it must wait for another one.
    fn add(&mut self, edit: &'e Edit) -> bool {
        let Some((last, parents)) = edit.path.split_last() else { return false };
        let is_removal = edit.change == Change::Remove;
        let is_addition = matches!(edit.change, Change::Add(_));
        let mut node = self;
        let mut waits = false;
        for token in parents {
            waits |= node.is_target || node.is_shifted || (is_removal && node.is_added_to);
            node.is_removed_from |= is_removal;
            node = node.below.entry(token).or_default();
        }
        waits |=
            node.is_target || node.is_shifted || node.is_container || (is_addition && node.is_removed_from);
        node.is_container = true;
        node.is_added_to |= is_addition;
        node.is_shifted |= match &edit.change {
            Change::Add(_) => last.parse::<usize>().is_ok(),
            Change::Remove => true,
            Change::Replace(_) => false,
        };
        let target = node.below.entry(last).or_default();
        waits |= target.is_target || target.is_shifted || !target.below.is_empty();
        target.is_target = true;
        waits
    }
}

/// Takes out the edits that can be made in one pass: those that neither touch the same list or mapping nor lie within each
/// other. The rest waits until the text is read again.
pub(super) fn split(edits: Vec<Edit>) -> (Vec<Edit>, Vec<Edit>) {
    let mut touched = Touched::default();
    let waits: Vec<bool> = edits.iter().map(|edit| touched.add(edit)).collect();
    drop(touched);
    let (later, now): (Vec<_>, Vec<_>) = edits.into_iter().zip(waits).partition(|(_, waits)| *waits);
    let edits = |list: Vec<(Edit, bool)>| list.into_iter().map(|(edit, _)| edit).collect();
    (edits(now), edits(later))
}
