//! Anchors outside of everything that Kubernetes reads, such as `x-common: &common`: they are edited if all their users want
//! the same edits.

use std::collections::BTreeSet;

use super::sites::{Definition, Site, Sites};
use crate::edit::anchors::Giver;
use crate::edit::change::{Change, Edit};
use crate::edit::edit_tree::EditTree;
use crate::tree::NodeKind;

/// The edits of the first such anchor that get all that its users want. An anchor within another one gets those of the outer
/// one only.
pub(super) fn edits(sites: &Sites<'_>) -> Vec<Edit> {
    let mut outer: Vec<&Vec<String>> = Vec::new();
    for (id, definition) in &sites.definitions {
        let Some(path) = definition.path.as_ref().filter(|path| is_outside(path)) else { continue };
        if outer.iter().any(|outer| path.starts_with(outer)) {
            continue;
        }
        outer.push(path);
        if definition.is_gone || definition.edits.is_some() {
            continue;
        }
        let wanted = wanted(sites, *id, definition);
        if !wanted.is_empty() {
            let at = |edit: Edit| Edit { path: [path.clone(), edit.path].concat(), ..edit };
            return wanted.into_iter().map(at).collect();
        }
    }
    Vec::new()
}

/// Whether a path begins with a key of an object that is no field: those have names of letters and digits (API conventions of
/// Kubernetes).
fn is_outside(path: &[String]) -> bool {
    let is_field = |key: &String| key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match path {
        [items, position, key, ..] if items == "items" && position.parse::<usize>().is_ok() => !is_field(key),
        [key, ..] => !is_field(key),
        [] => false,
    }
}

/// The edits that all users of an anchor want, as paths from its value.
fn wanted(sites: &Sites<'_>, id: usize, definition: &Definition<'_>) -> Vec<Edit> {
    let is_alias = |site: &&Site<'_>| matches!(site.node.kind, NodeKind::Alias(own) if own == id);
    let aliases: Vec<_> = sites.aliases.iter().filter(is_alias).collect();
    let merging: Vec<_> = sites.merging.iter().filter(|site| merged(sites, site).contains(&id)).collect();
    let Some(first) = aliases.iter().chain(&merging).find_map(|site| site.edits) else { return Vec::new() };
    if merging.is_empty() {
        let is_same = aliases.iter().all(|site| site.edits == Some(first));
        return if is_same && first.change != Some(&Change::Remove) { first.edits() } else { Vec::new() };
    }
    let mut edits = Vec::new();
    let users = aliases.iter().chain(&merging);
    let keys = users.filter_map(|site| site.edits).flat_map(|edits| edits.below.keys());
    for key in keys.collect::<BTreeSet<_>>() {
        let givers = merging.iter().filter(|site| !has_another(sites, id, site, key));
        let mut all = aliases.iter().chain(givers).map(|site| wanted_of(sites, site, key));
        let Some(Some(first)) = all.next() else { continue };
        let is_new = !sites.anchors.has(definition.node, key);
        if all.all(|other| other == Some(first)) && (!is_new || first.change.is_some()) {
            edits.extend(first.edits().into_iter().map(|mut edit| {
                edit.path.insert(0, (*key).to_owned());
                edit
            }));
        }
    }
    edits
}

/// The anchors that the merge keys of a mapping refer to.
fn merged(sites: &Sites<'_>, site: &Site<'_>) -> Vec<usize> {
    let merges = site.node.pairs().iter().filter(|pair| pair.merge);
    merges.flat_map(|pair| sites.anchors.merged(&pair.value)).map(|mapping| mapping.anchor).collect()
}

/// Whether a mapping with a merge key has another value for the key than that of the anchor.
fn has_another(sites: &Sites<'_>, id: usize, site: &Site<'_>, key: &str) -> bool {
    let entries = sites.anchors.entries(site.node);
    entries
        .iter()
        .find(|entry| entry.key == key)
        .is_some_and(|entry| !matches!(entry.giver, Giver::Merge { mapping, .. } if mapping.anchor == id))
}

/// The edits that a user of an anchor wants for a key. With more than one merged mapping a new key is added to the mapping
/// itself.
fn wanted_of<'t>(sites: &Sites<'t>, site: &Site<'t>, key: &str) -> Option<&'t EditTree<'t>> {
    let is_own = merged(sites, site).len() > 1 && !sites.anchors.has(site.node, key);
    site.edits.filter(|_| !is_own).and_then(|edits| edits.at(key))
}
