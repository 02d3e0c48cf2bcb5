//! Puts a value into a place that has one already, be it null or nothing after the colon.

use serde_json::Value;

use super::Splice;
use super::block;
use super::flow::{self, FlowStyle};
use super::quote::{self, Quote};
use super::site::Site;
use crate::manifest::error::ManifestError;
use crate::manifest::text::line_start;
use crate::manifest::tree::{Entry, Kind, Node};

/// Replaces `node`, which is the value of `entry` or else an item of a list.
pub(super) fn set(
    site: &Site<'_>,
    node: &Node,
    entry: Option<&Entry>,
    value: &Value,
) -> Result<Vec<Splice>, ManifestError> {
    // An alias itself may be replaced: what it refers to stays.
    if !matches!(node.kind, Kind::Alias) {
        site.must_be_own(node)?;
    }
    if node.tagged {
        return Err(site.unsupported(node.start, "the value has a tag (!)"));
    }
    if node.is_collection() && !node.is_empty_collection() {
        return Err(site.unsupported(node.start, "a list or mapping that is not empty cannot be replaced"));
    }
    let collection = is_filled_collection(value);
    let colon = entry.map(|entry| after_colon(site, entry)).transpose()?;
    let in_block = !site.container()?.is_flow();
    let vacant = !has_comment(site, node);
    if let (true, true, true, Some(entry), Some(colon)) = (collection, in_block, vacant, entry, colon)
        && !node.is_block_scalar()
        && let Some(splices) = block::fill_entry(site, entry, colon, value)
    {
        return Ok(splices);
    }
    if node.is_block_scalar() {
        return if collection {
            Err(site.unsupported(node.start, "the value is a block scalar"))
        } else {
            replace_block_scalar(site, node, value)
        };
    }
    if !vacant {
        return flow::fill(site, node, value);
    }
    let style = FlowStyle::around(site);
    let text = match (&node.kind, value) {
        (_, value) if collection => flow::write_below(site, &style, value),
        (_, value) if style.json => quote::scalar(value, Quote::Double),
        (Kind::Scalar(own), value) => quote::scalar(value, Quote::from(*own)),
        (_, value) => quote::scalar(value, Quote::Readable),
    };
    match (node.is_omitted(), colon) {
        (false, _) => Ok(vec![site.splice(node.start..node.end, &text)]),
        (true, Some(colon)) => Ok(vec![site.splice(colon..colon, &format!(" {text}"))]),
        (true, None) => Err(site.unsupported(node.start, "the item has no value")),
    }
}

/// Puts the scalar `value` in the place of a `|` or `>` scalar; a comment after its header stays.
fn replace_block_scalar(site: &Site<'_>, node: &Node, value: &Value) -> Result<Vec<Splice>, ManifestError> {
    let places = block::header(site.source, node).zip(block::block_scalar_end(site.source, node));
    let Some(((start, end), last)) = places else {
        return Err(site.unsupported(node.start, "the value is an empty block scalar"));
    };
    // From the line break after the header on, so that the one after the text is left.
    let header_line = site.source.get(..line_start(site.source, node.start)).unwrap_or("").trim_end().len();
    let text = quote::scalar(value, Quote::Readable);
    Ok(vec![site.splice(start..end, &text), site.splice(header_line..last, "")])
}

/// The byte after the colon of an entry.
fn after_colon(site: &Site<'_>, entry: &Entry) -> Result<usize, ManifestError> {
    let rest = site.source.get(entry.key_end..).unwrap_or("");
    let trimmed = rest.trim_start();
    if !trimmed.starts_with(':') {
        return Err(site.unsupported(entry.start, "the key has no colon"));
    }
    Ok(entry.key_end + rest.len() - trimmed.len() + 1)
}

/// Whether comments stand between the brackets of an empty list or mapping.
fn has_comment(site: &Site<'_>, node: &Node) -> bool {
    node.is_empty_collection()
        && site
            .source
            .get(node.start + 1..node.end.saturating_sub(1))
            .is_some_and(|text| !text.trim().is_empty())
}

fn is_filled_collection(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => false,
    }
}
