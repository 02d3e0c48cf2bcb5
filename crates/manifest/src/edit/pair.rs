//! Pairs of mappings: a value replaced, or a key added.

use super::block;
use super::context::EditContext;
use super::flow;
use super::merge;
use super::splice::Splice;
use super::written::Written;
use crate::error::ManifestError;
use crate::tree::Node;

/// Gives the key `key` to a mapping that has it from a merge key, or not at all. A pair that the merge key overrides stays.
pub(super) fn insert(
    context: &EditContext<'_>,
    mapping: &Node,
    key: &str,
    value: &Written<'_>,
) -> Result<Vec<Splice>, ManifestError> {
    if mapping.pair(key).is_some()
        && let Some(splice) = merge::give(context, mapping, key, value)
    {
        return Ok(vec![splice]);
    }
    if mapping.is_flow() {
        flow::insert(context, mapping, Some(key), value)
    } else {
        block::insert_pair(context, mapping, key, value)
    }
}
