//! Writes a shared value out: without its comments, and with the keys in the order in which it has them.

use serde_json::Value;

use super::fix::Fix;
use super::sites::{Site, Sites};
use crate::edit::anchors::{Anchors, Giver};
use crate::edit::block::{self, BlockStyle, spaces};
use crate::edit::change::{Change, Edit};
use crate::edit::context::EditContext;
use crate::edit::draft::Draft;
use crate::edit::flow::FlowStyle;
use crate::edit::pair;
use crate::edit::slot;
use crate::edit::splice::Splice;
use crate::edit::written::{Copied, Written};
use crate::error::ManifestError;
use crate::json_pointer::json_pointer;
use crate::text::{column, is_blank_or_comment, line_end};
use crate::tree::{Node, NodeKind, Pair};

/// Writes the value of `fix` out, in the style in which it is written if `keeps_style` is set.
pub(super) fn write(
    draft: &Draft<'_>,
    sites: &Sites<'_>,
    fix: &Fix<'_, '_>,
    keeps_style: bool,
) -> Result<Vec<Splice>, ManifestError> {
    let (site, key) = match *fix {
        Fix::Alias(site) => (site, None),
        Fix::Key(site, key) => (site, Some(key)),
        Fix::Merge(site, _) => (site, Some("<<")),
    };
    let path = site.path.iter().cloned().chain(key.map(str::to_owned)).collect();
    // Only its path counts.
    let edit = Edit { path, change: Change::Remove };
    let context = match &site.trail {
        Some(trail) => EditContext::along(draft, &sites.anchors, &edit, trail.clone()),
        None => EditContext::new(draft, &sites.anchors, &edit)?,
    };
    // Without a path of its own it has the value of its anchor.
    let path = match site.node.kind {
        NodeKind::Alias(id) if site.trail.is_some() => {
            sites.definitions.get(&id).and_then(|one| one.path.as_ref())
        }
        _ => Some(&site.path),
    };
    let value = path.and_then(|path| draft.tree.value.pointer(&json_pointer(path)));
    let value = value.ok_or_else(|| context.not_found())?;
    let source = keeps_style.then_some(&*draft.text);
    let written = written(source, &sites.anchors, site.node, value);
    match *fix {
        Fix::Alias(site) => {
            let mut splices = write_alias(&context, site.node, &written)?;
            // Before a pair that is put after it.
            for splice in &mut splices {
                splice.depth += 1;
            }
            Ok(splices)
        }
        Fix::Key(site, key) => {
            let Written::Mapping(pairs) = &written else { return Err(context.not_found()) };
            let value = pairs.iter().find(|(own, _)| *own == key).ok_or_else(|| context.not_found())?;
            pair::insert(&context, site.node, key, &value.1)
        }
        Fix::Merge(site, position) => {
            let Written::Mapping(mut pairs) = written else { return Err(context.not_found()) };
            let entries = sites.anchors.entries(site.node);
            let given = entries
                .iter()
                .filter(|entry| matches!(entry.giver, Giver::Merge { pair, .. } if pair == position));
            let given: Vec<&str> = given.map(|entry| entry.key).collect();
            pairs.retain(|(key, _)| given.contains(key));
            write_merge(&context, site.node, position, &pairs)
        }
    }
}

/// What is written out, in which line of the input, and why.
pub(super) fn note(draft: &Draft<'_>, sites: &Sites<'_>, fix: &Fix<'_, '_>) -> String {
    let text = |start: usize, end: usize| draft.text.get(start..end).unwrap_or("").to_owned();
    let merge = |site: &Site<'_>, position: usize| {
        let pair = site.node.pairs().get(position)?;
        Some((pair.start, text(pair.start, block::end_of(&draft.text, &pair.value)?)))
    };
    let merged = |site: &Site<'_>, position: usize| {
        let pair = site.node.pairs().get(position);
        let mapping = pair.and_then(|pair| sites.anchors.merged(&pair.value).first().copied());
        mapping.map_or(0, |mapping| mapping.anchor)
    };
    let (what, at, anchor) = match *fix {
        Fix::Alias(site) => {
            let anchor = if let NodeKind::Alias(id) = site.node.kind { id } else { 0 };
            (text(site.node.start, site.node.end), site.node.start, anchor)
        }
        Fix::Key(site, key) => {
            let entries = sites.anchors.entries(site.node);
            let giver = entries.iter().find(|entry| entry.key == key).map(|entry| entry.giver);
            let (position, anchor) = if let Some(Giver::Merge { pair, mapping }) = giver {
                (pair, mapping.anchor)
            } else {
                // The last merge key is going to give it.
                let position = site.node.pairs().iter().rposition(|pair| pair.merge).unwrap_or_default();
                (position, merged(site, position))
            };
            let (at, text) = merge(site, position).unwrap_or_default();
            (format!("{key} of {text}"), at, anchor)
        }
        Fix::Merge(site, position) => {
            let (at, text) = merge(site, position).unwrap_or_default();
            (text, at, merged(site, position))
        }
    };
    let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = draft.line(at);
    match sites.definitions.get(&anchor) {
        Some(definition) => format!(
            "line {line}: {what} is written out here, because it is not edited as line {} is",
            draft.line(definition.node.start)
        ),
        None => format!("line {line}: {what} is written out here, because a merge key (<<) is not edited"),
    }
}

/// The value of `node`, with its keys in their order, and in its style in `source`.
fn written<'v>(source: Option<&'v str>, anchors: &Anchors<'_>, node: &Node, value: &'v Value) -> Written<'v> {
    let node = anchors.resolve(node);
    if let Some(copied) = source.and_then(|source| Copied::new(source, node, value)) {
        return Written::Copy(copied);
    }
    match value {
        Value::Array(items) => {
            let items = items.iter().zip(node.items());
            Written::List(items.map(|(value, item)| written(source, anchors, item, value)).collect())
        }
        Value::Object(map) => {
            let entries = anchors.entries(node);
            let pairs = entries.iter().filter_map(|entry| {
                let (key, value) = map.get_key_value(entry.key)?;
                Some((key.as_str(), written(source, anchors, entry.value, value)))
            });
            Written::Mapping(pairs.collect())
        }
        scalar => Written::Scalar(scalar),
    }
}

fn write_alias(
    context: &EditContext<'_>,
    node: &Node,
    value: &Written<'_>,
) -> Result<Vec<Splice>, ManifestError> {
    let container = context.container()?;
    let is_lines = !container.is_flow() && value.is_filled_collection();
    let pair: Option<&Pair> = container.pairs().iter().find(|pair| pair.value.start == node.start);
    if let (true, Some(pair)) = (is_lines, pair)
        && let Some(splices) = block::fill_pair(context, pair, slot::after_colon(context, pair)?, value)
    {
        return Ok(splices);
    }
    if let (false, Written::Copy(copied), true) = (container.is_flow(), value, ends_line(context, node.end)) {
        let at =
            pair.map_or(column(context.source, node.start), |pair| column(context.source, pair.start) + 2);
        return Ok(over_lines(context, node.start, node.end, &copied.in_block(at)));
    }
    if is_lines && pair.is_none() && ends_line(context, node.end) {
        let text = BlockStyle::around(context).item(value, column(context.source, node.start));
        return Ok(over_lines(context, node.start, node.end, &text));
    }
    Ok(vec![context.splice(node.start..node.end, &FlowStyle::around(context).write(value, None))])
}

/// Puts the pairs in the place of the merge key at `position`.
fn write_merge(
    context: &EditContext<'_>,
    mapping: &Node,
    position: usize,
    pairs: &[(&str, Written<'_>)],
) -> Result<Vec<Splice>, ManifestError> {
    let merge = mapping.pairs().get(position).ok_or_else(|| context.not_found())?;
    let end = block::end_of(context.source, &merge.value).unwrap_or(merge.value.end);
    let is_overriding = pairs.iter().any(|(key, _)| mapping.pair(key).is_some());
    if mapping.is_flow() || is_overriding || pairs.is_empty() {
        let style = FlowStyle::around(context);
        let texts: Vec<String> = pairs.iter().map(|(key, value)| style.pair(key, value, None)).collect();
        let texts = texts.join(style.comma);
        // The pairs that it overrides stay, and so it does, if only as an empty one.
        let text = if is_overriding || pairs.is_empty() { format!("<<: {{{texts}}}") } else { texts };
        return Ok(vec![context.splice(merge.start..end, &text)]);
    }
    if !ends_line(context, end) {
        return Err(context.unsupported(end, "something else is on the same line"));
    }
    let (at, style) = (column(context.source, merge.start), BlockStyle::around(context));
    let texts: Vec<String> = pairs.iter().map(|(key, value)| style.pair(key, value, at)).collect();
    Ok(over_lines(context, merge.start, end, &texts.join(&format!("\n{}", spaces(at)))))
}

fn ends_line(context: &EditContext<'_>, end: usize) -> bool {
    context.source.get(end..line_end(context.source, end)).is_some_and(is_blank_or_comment)
}

/// Puts the first line of `text` in the place of the bytes, and the others below the comment after them.
fn over_lines(context: &EditContext<'_>, start: usize, end: usize, text: &str) -> Vec<Splice> {
    let line = line_end(context.source, end);
    let (first, others) = text.split_at(text.find('\n').unwrap_or(text.len()));
    vec![context.splice(start..end, first), context.splice(line..line, others)]
}
