//! Replaces a value, which may be null or nothing after the colon.

use serde_json::Value;

use super::block;
use super::context::EditContext;
use super::flow::{self, FlowStyle};
use super::properties;
use super::quote::{self, Quote};
use super::splice::Splice;
use super::written::Written;
use crate::error::ManifestError;
use crate::text::line_start;
use crate::tree::{Node, NodeKind, Pair};

/// Replaces `node`, which is the value of `pair` or else an item of a list.
pub(super) fn set(
    context: &EditContext<'_>,
    node: &Node,
    pair: Option<&Pair>,
    value: &Written<'_>,
) -> Result<Vec<Splice>, ManifestError> {
    if node.tagged && !fits_tag(context, node, value) {
        return Err(context.unsupported(node.start, "the value has a tag (!)"));
    }
    if node.is_collection() && !node.is_empty_collection() {
        return Err(context.unsupported(node.start, "a list or mapping that is not empty cannot be replaced"));
    }
    let collection = value.is_filled_collection();
    let colon = pair.map(|pair| after_colon(context, pair)).transpose()?;
    let in_block = !context.container()?.is_flow();
    let vacant = !has_comment(context, node);
    if let (true, true, true, Some(pair), Some(colon)) = (collection, in_block, vacant, pair, colon)
        && !node.is_block_scalar()
        && let Some(splices) = block::fill_pair(context, pair, colon, value)
    {
        return Ok(splices);
    }
    if node.is_block_scalar() {
        return if collection {
            Err(context.unsupported(node.start, "the value is a block scalar"))
        } else {
            replace_block_scalar(context, node, value)
        };
    }
    if !vacant {
        return flow::fill(context, node, value);
    }
    let style = FlowStyle::around(context);
    let text = match (&node.kind, value) {
        (_, value) if collection => flow::write_below(context, &style, value),
        (_, value) if style.json => quote::scalar(value, Quote::Double),
        (NodeKind::Scalar(own), value) => quote::scalar(value, Quote::from(*own)),
        (_, value) => quote::scalar(value, Quote::Readable),
    };
    match (node.is_omitted(), colon) {
        (false, _) => Ok(vec![context.splice(node.start..node.end, &text)]),
        (true, Some(colon)) => {
            let at = properties::end(context.source, colon);
            Ok(vec![context.splice(at..at, &format!(" {text}"))])
        }
        (true, None) => Err(context.unsupported(node.start, "the item has no value")),
    }
}

/// Puts the scalar `value` in the place of a `|` or `>` scalar; a comment after its header stays.
fn replace_block_scalar(
    context: &EditContext<'_>,
    node: &Node,
    value: &Written<'_>,
) -> Result<Vec<Splice>, ManifestError> {
    let places = block::header(context.source, node).zip(block::block_scalar_end(context.source, node));
    let Some(((start, end), last)) = places else {
        return Err(context.unsupported(node.start, "the value is an empty block scalar"));
    };
    // From the line break after the header on, so that the one after the text is left.
    let header_line =
        context.source.get(..line_start(context.source, node.start)).unwrap_or("").trim_end().len();
    let text = quote::scalar(value, Quote::Readable);
    Ok(vec![context.splice(start..end, &text), context.splice(header_line..last, "")])
}

/// Whether the tag of `node` is that of the new value, too.
fn fits_tag(context: &EditContext<'_>, node: &Node, value: &Written<'_>) -> bool {
    let tag = match value {
        Written::List(_) => "!!seq",
        Written::Mapping(_) => "!!map",
        Written::Scalar(Value::String(_)) => "!!str",
        Written::Scalar(_) | Written::Copy(_) => return false,
    };
    let before = context.source.get(properties::start(context.source, node)..node.start).unwrap_or("");
    before.split_whitespace().any(|word| word == tag)
}

/// The byte after the colon of a pair.
pub(super) fn after_colon(context: &EditContext<'_>, pair: &Pair) -> Result<usize, ManifestError> {
    let rest = context.source.get(pair.key_end..).unwrap_or("");
    let trimmed = rest.trim_start();
    if !trimmed.starts_with(':') {
        return Err(context.unsupported(pair.start, "the key has no colon"));
    }
    Ok(pair.key_end + rest.len() - trimmed.len() + 1)
}

/// Whether there are comments between the brackets of an empty list or mapping.
fn has_comment(context: &EditContext<'_>, node: &Node) -> bool {
    node.is_empty_collection()
        && context
            .source
            .get(node.start + 1..node.end.saturating_sub(1))
            .is_some_and(|text| !text.trim().is_empty())
}
