//! Pairs of mappings: a value replaced, or a key added.

use super::block;
use super::context::EditContext;
use super::flow;
use super::splice::Splice;
use super::written::Written;
use crate::error::ManifestError;
use crate::tree::Node;

/// Adds the pair `key` to a mapping that has the key from a merge key, or not at all.
pub(super) fn insert(
    context: &EditContext<'_>,
    mapping: &Node,
    key: &str,
    value: &Written<'_>,
) -> Result<Vec<Splice>, ManifestError> {
    let mut splices = remove_overridden(context, mapping, |other| other == key);
    splices.extend(if mapping.is_flow() {
        flow::insert(context, mapping, Some(key), value)?
    } else {
        block::insert_pair(context, mapping, key, value)?
    });
    Ok(splices)
}

/// Removes the pairs with these keys, each of which a merge key after it overrides; but not an anchor that has aliases: of
/// pairs with the same key the last one counts.
pub(super) fn remove_overridden(
    context: &EditContext<'_>,
    mapping: &Node,
    is_overridden: impl Fn(&str) -> bool,
) -> Vec<Splice> {
    let pairs = mapping.pairs();
    let with_next = pairs.iter().zip(pairs.iter().skip(1));
    let overridden = with_next.filter(|(pair, _)| {
        !pair.merge && is_overridden(&pair.key) && !context.has_referenced_anchor(&pair.value)
    });
    overridden.map(|(pair, next)| context.splice(pair.start..next.start, "")).collect()
}
