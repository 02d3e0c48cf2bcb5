//! Keys that a merge key (`<<`) gives to a mapping.

use super::block::{self, spaces};
use super::context::EditContext;
use super::flow::FlowStyle;
use super::properties;
use super::splice::Splice;
use super::written::{Written, is_free};
use crate::text::line_start;
use crate::tree::{Node, NodeKind, Pair};

/// Lets the last merge key of `mapping` give it `key`: `<<: *base` becomes `<<: [{key: value}, *base]`, of which the first one
/// counts. So a pair before the merge key stays, which kubectl does not read then, and other programs do. `None` if there is no
/// merge key, or one with a mapping or a list over several lines.
pub(super) fn give(
    context: &EditContext<'_>,
    mapping: &Node,
    key: &str,
    value: &Written<'_>,
) -> Option<Splice> {
    let merged = &mapping.pairs().iter().rev().find(|pair| pair.merge)?.value;
    let style = FlowStyle::around(context);
    let given = format!("{{{}}}", style.pair(key, value, None));
    match &merged.kind {
        NodeKind::Sequence { items, flow } => {
            let first = items.first()?;
            if let ([Pair { key: own, merge: false, value: old, .. }], true, 0) =
                (first.pairs(), first.is_flow(), first.anchor)
                && own == key
                && !old.is_omitted()
                && is_free(old)
            {
                return Some(context.splice(old.start..old.end, &style.write(value, None)));
            }
            if *flow {
                let start = properties::start(context.source, first);
                return Some(context.splice(start..start, &format!("{given}{}", style.comma)));
            }
            let (dash, gap) = block::dashes(context.source, merged)?;
            let line = line_start(context.source, first.start);
            Some(context.splice(line..line, &format!("{}-{}{given}\n", spaces(dash), spaces(gap - 1))))
        }
        NodeKind::Mapping { flow: false, .. } | NodeKind::Scalar(_) => None,
        NodeKind::Mapping { .. } | NodeKind::Alias(_) => {
            let start = properties::start(context.source, merged);
            let old = context.source.get(start..merged.end)?;
            Some(context.splice(start..merged.end, &format!("[{given}{}{old}]", style.comma)))
        }
    }
}
