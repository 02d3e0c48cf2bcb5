//! Items of lists: one put before another, replaced as a whole, or taken out.

use serde_json::Value;

use super::Splice;
use super::block::{self, BlockStyle, spaces};
use super::flow::{self, FlowStyle};
use super::site::Site;
use super::slot;
use crate::manifest::error::ManifestError;
use crate::manifest::text::{column, line_end, line_start, next_line};
use crate::manifest::tree::Node;

/// Puts `value` before the item at `place`. A comment above that item stays above both.
pub(super) fn insert_before(
    site: &Site<'_>,
    sequence: &Node,
    place: usize,
    value: &Value,
) -> Result<Vec<Splice>, ManifestError> {
    let item = sequence.items().get(place).ok_or_else(|| site.not_found())?;
    if sequence.is_flow() {
        return Ok(flow::insert_before(site, sequence, item, value));
    }
    let line = line_of_dash(site, item)?;
    let Some((dash, gap)) = block::dashes(site.source, sequence) else {
        return Err(site.unsupported(item.start, "this list does not stand below a key"));
    };
    let text = if item.is_flow() {
        FlowStyle::around(site).write(value, None)
    } else {
        BlockStyle::around(site).with_dash(gap).item(value, dash + gap)
    };
    let indent = spaces(dash);
    Ok(vec![site.splice(line..line, &format!("{indent}-{}{text}\n", spaces(gap - 1)))])
}

/// Puts `value` in the place of the item at `place`.
pub(super) fn replace(
    site: &Site<'_>,
    sequence: &Node,
    place: usize,
    value: &Value,
) -> Result<Vec<Splice>, ManifestError> {
    let item = sequence.items().get(place).ok_or_else(|| site.not_found())?;
    if !item.is_collection() || item.is_empty_collection() {
        return slot::set(site, item, None, value);
    }
    site.must_be_own(item)?;
    if item.is_flow() {
        return Ok(flow::replace_item(site, sequence, item, value));
    }
    line_of_dash(site, item)?;
    let text = BlockStyle::around(site).item(value, column(site.source, item.start));
    Ok(vec![site.splice(item.start..end(site, item)?, &text)])
}

/// Takes out the item at `place`, with the comment at its end; those above the next item stay.
pub(super) fn remove(site: &Site<'_>, sequence: &Node, place: usize) -> Result<Vec<Splice>, ManifestError> {
    let items = sequence.items();
    let item = items.get(place).ok_or_else(|| site.not_found())?;
    let (before, next) = (place.checked_sub(1).and_then(|before| items.get(before)), items.get(place + 1));
    site.must_be_own(item)?;
    if before.is_none() && next.is_none() {
        return Err(site.unsupported(item.start, "the only item of a list is not taken out"));
    }
    let range = match (sequence.is_flow(), before, next) {
        (true, _, Some(next)) => item.start..next.start,
        (true, Some(before), None) => before.end..item.end,
        _ => {
            let line = line_of_dash(site, item)?;
            let end = end(site, item)?;
            if let Some(next) = next_line(site.source, end) {
                line..next
            } else {
                // The last line of the file: what goes is the line break before it.
                let before = site.source.get(..line).unwrap_or("");
                let before = before.strip_suffix('\n').unwrap_or(before);
                before.strip_suffix('\r').unwrap_or(before).len()..line_end(site.source, end)
            }
        }
    };
    Ok(vec![site.splice(range, "")])
}

fn end(site: &Site<'_>, item: &Node) -> Result<usize, ManifestError> {
    block::end_of(site.source, item)
        .ok_or_else(|| site.unsupported(item.start, "an empty block scalar stands last in this item"))
}

/// Where the line starts on which the dash of an item of a block list stands, with nothing before it.
fn line_of_dash(site: &Site<'_>, item: &Node) -> Result<usize, ManifestError> {
    let line = line_start(site.source, item.start);
    match site.source.get(line..item.start).map(str::trim) {
        Some("-") => Ok(line),
        _ => {
            Err(site
                .unsupported(item.start, "the dash, and nothing else, has to stand before it on its line"))
        }
    }
}
