//! Anchors (`&a`), aliases (`*a`) and merge keys (`<<: *a`). If all places that share a value get the same edits, the value is
//! edited once; else it is written out in the places that differ from that of the anchor.

mod fix;
mod held;
mod sites;
mod write_out;

use std::cmp::Reverse;

use serde_json::Value;

use super::anchors::Giver;
use super::change::{Change, Edit};
use super::draft::Draft;
use super::edit_tree::EditTree;
use super::pointer;
use crate::error::ManifestError;
use crate::tree::{Node, NodeKind};
use fix::Fix;
use sites::{Definition, Site, Sites};

/// Maximum number of passes over a document, in each of which a mapping has one value written out.
const MAX_PASSES: usize = 1000;

/// Writes values out until no edit changes another place than its own, and takes away the edits that another one makes, too.
/// Gives all edits, also those.
pub(super) fn settle(
    draft: &mut Draft<'_>,
    edits: &mut Vec<Edit>,
    expected: &mut Value,
    notes: &mut Vec<String>,
) -> Result<Vec<Edit>, ManifestError> {
    for _ in 0..MAX_PASSES {
        let tree = EditTree::new(edits);
        let sites = Sites::new(&draft.tree, &tree);
        if sites.aliases.is_empty() && sites.merging.is_empty() && sites.hidden.is_empty() {
            return Ok(edits.clone());
        }
        let held = held::edits(&sites);
        if !held.is_empty() {
            for edit in held {
                edits.push(pointer::apply(expected, &edit, draft.number())?);
            }
            continue;
        }
        let fixes = sites.fixes();
        if fixes.is_empty() {
            let is_made: Vec<bool> = edits.iter().map(|edit| sites.is_made_elsewhere(edit)).collect();
            let all = edits.clone();
            let mut is_made = is_made.into_iter();
            edits.retain(|_| is_made.next() != Some(true));
            return Ok(all);
        }
        let splices = |keeps_style| {
            let splices = fixes.iter().map(|fix| write_out::write(draft, &sites, fix, keeps_style));
            splices.collect::<Result<Vec<_>, _>>().map(|splices| splices.concat())
        };
        let (styled, plain) = (splices(true)?, splices(false)?);
        notes.extend(fixes.iter().map(|fix| write_out::note(draft, &sites, fix)));
        // A comment may follow that a block scalar would take in.
        if !draft.splice_if_same(styled) {
            draft.splice(plain)?;
        }
    }
    Err(draft.changed_more())
}

/// The edits that a value gets by those of its anchor.
#[derive(PartialEq)]
enum Given<'t> {
    Edits(Option<&'t EditTree<'t>>),
    /// The value is removed, or replaced by another one.
    Other,
}

impl<'t> Sites<'t> {
    fn fixes(&self) -> Vec<Fix<'_, 't>> {
        let aliases = self.aliases.iter().filter(|site| !self.is_as_edited(site)).map(Fix::Alias);
        // One for each mapping: the others are found when the text is read again.
        let merges =
            self.merging.iter().filter_map(|site| self.inherited(site).or_else(|| self.gained(site)));
        let fixes: Vec<_> = aliases.chain(merges).collect();
        if !fixes.is_empty() {
            return fixes;
        }
        let is_lost = |site: &&Site<'t>| match site.node.kind {
            NodeKind::Alias(id) => self.definitions.get(&id).is_some_and(Definition::is_away),
            _ => false,
        };
        self.hidden.iter().filter(is_lost).map(Fix::Alias).collect()
    }

    /// Whether an alias gets its edits by those of its anchor, or is replaced itself.
    fn is_as_edited(&self, site: &Site<'t>) -> bool {
        if site.edits.is_some_and(|edits| edits.change.is_some()) {
            return true;
        }
        let NodeKind::Alias(id) = site.node.kind else { return true };
        let Some(definition) = self.definitions.get(&id) else { return true };
        match definition.path {
            Some(_) => !definition.is_away() && definition.edits == site.edits,
            None => site.edits.is_none() && !definition.is_away() && !self.is_touched(definition.node),
        }
    }

    /// What a mapping must have written out because of the keys that its merge keys give it.
    fn inherited<'s>(&'s self, site: &'s Site<'t>) -> Option<Fix<'s, 't>> {
        self.anchors.entries(site.node).into_iter().find_map(|entry| {
            let Giver::Merge { pair, mapping } = entry.giver else { return None };
            let wanted = site.edits.and_then(|edits| edits.at(entry.key));
            if self.anchors.given_here(site.node, entry.key).is_some() {
                return None;
            }
            match self.given(mapping, entry.key, entry.value) {
                Given::Other => Some(Fix::Merge(site, pair)),
                Given::Edits(given) if given == wanted => None,
                // It gets a value of its own.
                Given::Edits(_) if wanted.is_some_and(|edits| edits.change.is_some()) => None,
                Given::Edits(_) => Some(Fix::Key(site, entry.key)),
            }
        })
    }

    /// What a mapping must have written out because of the keys that its merge keys are going to give it.
    fn gained<'s>(&'s self, site: &'s Site<'t>) -> Option<Fix<'s, 't>> {
        let entries = self.anchors.entries(site.node);
        let merges = site.node.pairs().iter().enumerate().filter(|(_, pair)| pair.merge);
        merges.into_iter().find_map(|(position, pair)| {
            self.anchors.merged(&pair.value).into_iter().find_map(|mapping| {
                let edits = self.definition(mapping).and_then(|definition| definition.edits)?;
                let mut all = edits
                    .below
                    .iter()
                    .filter(|(key, edits)| edits.change.is_some() && !self.anchors.has(mapping, key));
                all.find_map(|(key, gained)| {
                    let wanted = site.edits.and_then(|edits| edits.at(key)).and_then(|edits| edits.change);
                    match entries.iter().find(|entry| entry.key == *key) {
                        None if wanted.is_some() => None,
                        None => Some(Fix::Merge(site, position)),
                        Some(entry) => {
                            let is_needless = match entry.giver {
                                // After it, or it becomes the same.
                                Giver::Own(own) => {
                                    own > position || (wanted.is_some() && wanted == gained.change)
                                }
                                Giver::Merge { pair, mapping: giver } => {
                                    wanted.is_some()
                                        || self.is_before(site, (pair, giver), (position, mapping))
                                }
                            };
                            (!is_needless).then_some(Fix::Key(site, entry.key))
                        }
                    }
                })
            })
        })
    }

    /// Whether of two merged mappings, each with the position of its merge key, the first one counts.
    fn is_before(&self, site: &Site<'t>, one: (usize, &Node), other: (usize, &Node)) -> bool {
        let place = |(position, mapping): (usize, &Node)| {
            let merged = site.node.pairs().get(position).map(|pair| self.anchors.merged(&pair.value));
            let index = merged.into_iter().flatten().position(|one| one.start == mapping.start);
            (Reverse(position), index)
        };
        place(one) < place(other)
    }

    /// The edits of the value that a merged mapping gives to a key.
    fn given(&self, mapping: &Node, key: &str, value: &'t Node) -> Given<'t> {
        match self.definition(mapping) {
            Some(definition) if definition.is_away() || definition.is_replaced() => Given::Other,
            Some(definition) => Given::Edits(definition.edits.and_then(|edits| edits.at(key))),
            None if self.definitions.get(&mapping.anchor).is_some_and(Definition::is_away) => Given::Other,
            None if self.is_touched(value) => Given::Other,
            None => Given::Edits(None),
        }
    }

    /// The definition of a mapping that has an anchor and a path.
    fn definition(&self, mapping: &Node) -> Option<&Definition<'t>> {
        self.definitions.get(&mapping.anchor).filter(|definition| definition.path.is_some())
    }

    /// Whether a value has an alias of a value that is edited.
    fn is_touched(&self, node: &Node) -> bool {
        let NodeKind::Alias(id) = node.kind else {
            return node.children().any(|child| self.is_touched(child));
        };
        self.definitions.get(&id).is_some_and(|definition| definition.is_gone || definition.edits.is_some())
    }

    /// Whether an edit is made by another one of the value that an alias or a merge key on its path refers to.
    fn is_made_elsewhere(&self, edit: &Edit) -> bool {
        let Some((last, parents)) = edit.path.split_last() else { return false };
        let mut container = self.root;
        for token in parents {
            match self.anchors.child(container, token) {
                Some(child) if !matches!(child.kind, NodeKind::Alias(_)) => container = child,
                _ => return true,
            }
        }
        let is_item = matches!(container.kind, NodeKind::Sequence { .. });
        let change = match self.anchors.child(container, last) {
            Some(_) if is_item && !matches!(edit.change, Change::Replace(_)) => None,
            Some(child) => match child.kind {
                NodeKind::Alias(id) => self.definitions.get(&id).and_then(Definition::change),
                _ => None,
            },
            None => self.change_by_merge(container, last),
        };
        change == Some(&edit.change)
    }

    /// The change of a key by the merge key that gives it, or is going to.
    fn change_by_merge(&self, mapping: &'t Node, key: &str) -> Option<&'t Change> {
        let merges = mapping.pairs().iter().rev().filter(|pair| pair.merge);
        let mut givers = merges.flat_map(|pair| self.anchors.merged(&pair.value));
        let giver = givers.find_map(|giver| {
            let definition = self.definition(giver);
            let change = definition
                .filter(|definition| !definition.is_away())
                .and_then(|definition| definition.edits?.at(key)?.change);
            (change.is_some() || self.anchors.has(giver, key)).then_some(change)
        });
        giver.flatten()
    }
}

impl<'t> Definition<'t> {
    /// The change of the value itself, if it stays.
    fn change(&self) -> Option<&'t Change> {
        self.edits.filter(|_| !self.is_away()).and_then(|edits| edits.change)
    }

    fn is_replaced(&self) -> bool {
        self.change().is_some()
    }

    /// Whether the anchor goes away.
    fn is_away(&self) -> bool {
        self.is_gone || self.edits.is_some_and(|edits| edits.change == Some(&Change::Remove))
    }
}
