//! Items of lists: one put before another, replaced as a whole, or removed.

use super::block::{self, BlockStyle, spaces};
use super::context::EditContext;
use super::flow::{self, FlowStyle};
use super::properties;
use super::slot;
use super::splice::Splice;
use super::written::Written;
use crate::error::ManifestError;
use crate::text::{column, line_break_before, line_end, line_start, next_line};
use crate::tree::Node;

/// Puts `value` before the item at `place`. A comment above that item stays above both.
pub(super) fn insert_before(
    context: &EditContext<'_>,
    sequence: &Node,
    place: usize,
    value: &Written<'_>,
) -> Result<Vec<Splice>, ManifestError> {
    let item = sequence.items().get(place).ok_or_else(|| context.not_found())?;
    if sequence.is_flow() {
        return Ok(flow::insert_before(context, sequence, item, value));
    }
    let line = line_of_dash(context, item)?;
    let Some((dash, gap)) = block::dashes(context.source, sequence) else {
        return Err(context.unsupported(item.start, "this list is not below a key"));
    };
    let text = if item.is_flow() {
        FlowStyle::around(context).write(value, None)
    } else {
        BlockStyle::around(context).with_dash(gap).item(value, dash + gap)
    };
    let indent = spaces(dash);
    Ok(vec![context.splice(line..line, &format!("{indent}-{}{text}\n", spaces(gap - 1)))])
}

/// Puts `value` in the place of the item at `place`.
pub(super) fn replace(
    context: &EditContext<'_>,
    sequence: &Node,
    place: usize,
    value: &Written<'_>,
) -> Result<Vec<Splice>, ManifestError> {
    let item = sequence.items().get(place).ok_or_else(|| context.not_found())?;
    if !item.is_collection() || item.is_empty_collection() {
        return slot::set(context, item, None, value);
    }
    if item.is_flow() {
        return Ok(flow::replace_item(context, sequence, item, value));
    }
    line_of_dash(context, item)?;
    let text = BlockStyle::around(context).item(value, column(context.source, item.start));
    Ok(vec![context.splice(item.start..end(context, item)?, &text)])
}

/// Removes the item at `place`, with the comment at its end; those above the next item stay.
pub(super) fn remove(
    context: &EditContext<'_>,
    sequence: &Node,
    place: usize,
) -> Result<Vec<Splice>, ManifestError> {
    let items = sequence.items();
    let item = items.get(place).ok_or_else(|| context.not_found())?;
    let (before, next) = (place.checked_sub(1).and_then(|before| items.get(before)), items.get(place + 1));
    if before.is_none() && next.is_none() {
        return Err(context.unsupported(item.start, "the only item of a list is not removed"));
    }
    let range = match (sequence.is_flow(), before, next) {
        (true, _, Some(next)) => {
            properties::start(context.source, item)..properties::start(context.source, next)
        }
        (true, Some(before), None) => before.end..item.end,
        _ => {
            let line = line_of_dash(context, item)?;
            let end = end(context, item)?;
            if let Some(next) = next_line(context.source, end) {
                line..next
            } else {
                // The last line of the file: the line break before it is removed.
                line_break_before(context.source, line)..line_end(context.source, end)
            }
        }
    };
    Ok(vec![context.splice(range, "")])
}

fn end(context: &EditContext<'_>, item: &Node) -> Result<usize, ManifestError> {
    block::end_of(context.source, item).ok_or_else(|| {
        context.unsupported(item.start, "the last value of this item is an empty block scalar")
    })
}

/// The start of the line with the dash of an item of a block list, which has nothing before it. The item may begin on a
/// later line.
fn line_of_dash(context: &EditContext<'_>, item: &Node) -> Result<usize, ManifestError> {
    let start = properties::start(context.source, item);
    let mut line = line_start(context.source, start);
    let mut before = context.source.get(line..start).unwrap_or("").trim();
    while before.is_empty() && line > 0 {
        line = line_start(context.source, line - 1);
        let whole = context.source.get(line..line_end(context.source, line)).unwrap_or("").trim();
        before = whole.split_once('#').map_or(whole, |(before, _)| before).trim_end();
    }
    let mut words = before.split_whitespace();
    if words.next() == Some("-") && words.all(|word| word.starts_with(['&', '!'])) {
        return Ok(line);
    }
    Err(context.unsupported(item.start, "only the dash may be before it on its line"))
}
