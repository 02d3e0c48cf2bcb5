//! Insertions into flow style (`[a, b]`, `{a: b}`), which includes JSON.

use super::context::EditContext;
use super::properties;
use super::quote::{self, Quote};
use super::splice::Splice;
use super::written::Written;
use crate::error::ManifestError;
use crate::text::{indentation, is_blank_or_comment, line_end};
use crate::tree::{Node, Pair};

/// The flow style around an edit.
pub(super) struct FlowStyle {
    /// Whether keys and values are quoted as in JSON.
    pub(super) json: bool,
    colon: &'static str,
    pub(super) comma: &'static str,
    /// Whether there are spaces inside the braces.
    padded: bool,
}

/// Indentation of a value over several lines.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    /// Of the line on which the value starts.
    indent: String,
    /// Additional indentation of each level.
    unit: String,
}

impl FlowStyle {
    /// The usual style of flow mappings in YAML.
    pub(super) fn yaml() -> Self {
        Self { json: false, colon: ": ", comma: ", ", padded: false }
    }

    /// Takes the style from the nearest flow mapping that shows it.
    pub(super) fn around(context: &EditContext<'_>) -> Self {
        // An empty mapping does not show it.
        let mut style = Self { json: context.is_json(), ..Self::yaml() };
        let inner = context.trail.last().and_then(|node| node.items().last());
        let nodes = inner.into_iter().chain(context.trail.iter().rev().copied());
        let Some((node, pair)) =
            nodes.filter(|node| node.is_flow()).find_map(|node| Some((node, own_pair(node)?)))
        else {
            return style;
        };
        let text = |from: usize, to: usize| context.source.get(from..to).unwrap_or("");
        style.padded = text(node.start, node.start + 2) == "{ ";
        style.json = text(pair.start, pair.key_end).starts_with('"');
        if style.json {
            style.colon = match text(pair.key_end, pair.value.start) {
                ":" => ":",
                " : " => " : ",
                _ => ": ",
            };
            let next = node.pairs().iter().find(|next| next.start > pair.start);
            let next = next.map(|next| text(pair.value.end, next.start));
            let compact = next.map_or(style.colon == ":", |between| between == ",");
            style.comma = if compact { "," } else { ", " };
        }
        style
    }

    /// Writes a value; over several lines, with the indentation `lines`, if there is one.
    pub(super) fn write(&self, value: &Written<'_>, lines: Option<&Lines>) -> String {
        let inner =
            lines.map(|lines| Lines { indent: format!("{}{}", lines.indent, lines.unit), ..lines.clone() });
        let (open, close, parts) = match value {
            Written::List(items) if !items.is_empty() => {
                ("[", "]", items.iter().map(|item| self.write(item, inner.as_ref())).collect::<Vec<_>>())
            }
            Written::Mapping(pairs) if !pairs.is_empty() => {
                ("{", "}", pairs.iter().map(|(key, value)| self.pair(key, value, inner.as_ref())).collect())
            }
            Written::Copy(copied) => {
                return copied
                    .in_flow(self.json)
                    .map_or_else(|| self.write(&Written::from(copied.value), None), str::to_owned);
            }
            other if self.json => return quote::scalar(other, Quote::Double),
            other => return quote::scalar_or_plain(other),
        };
        match (lines, inner) {
            (Some(Lines { indent, .. }), Some(Lines { indent: deeper, .. })) => {
                format!("{open}\n{deeper}{}\n{indent}{close}", parts.join(&format!(",\n{deeper}")))
            }
            _ if self.padded && open == "{" => format!("{{ {} }}", parts.join(self.comma)),
            _ => format!("{open}{}{close}", parts.join(self.comma)),
        }
    }

    pub(super) fn pair(&self, key: &str, value: &Written<'_>, lines: Option<&Lines>) -> String {
        let key = if self.json { quote::quoted(key, Quote::Double) } else { quote::plain(key) };
        format!("{key}{}{}", self.colon, self.write(value, lines))
    }
}

/// The first pair of a mapping that shows its style, which `<<` does not.
fn own_pair(mapping: &Node) -> Option<&Pair> {
    mapping.pairs().iter().find(|pair| !pair.merge)
}

/// Adds `value` to the end of a flow list, or of a flow mapping with the key `key`.
pub(super) fn insert(
    context: &EditContext<'_>,
    node: &Node,
    key: Option<&str>,
    value: &Written<'_>,
) -> Result<Vec<Splice>, ManifestError> {
    if !context.source.get(node.start..).is_some_and(|text| text.starts_with(['{', '['])) {
        return Err(context.unsupported(node.start, "this mapping has no braces of its own"));
    }
    if node.pairs().last().is_some_and(|pair| pair.value.is_omitted()) {
        return Err(context.unsupported(node.start, "the last key of this mapping has no value"));
    }
    let style = FlowStyle::around(context);
    let lines = match key {
        Some(_) => lines_below(context, &style),
        None => lines_of_item(context, node),
    };
    let text = match key {
        Some(key) => style.pair(key, value, lines.as_ref()),
        None => style.write(value, lines.as_ref()),
    };
    let Some((first, end)) = bounds(node) else {
        // Comments between the brackets stay behind the new value.
        return Ok(vec![context.splice(node.start + 1..node.start + 1, &text)]);
    };
    let before_bracket = node.end.saturating_sub(1);
    let Some(indent) = own_line(context.source, node.start, first) else {
        return Ok(vec![context.splice(end..end, &format!("{}{text}", style.comma))]);
    };
    let line = line_end(context.source, end);
    let rest = context.source.get(end..line).unwrap_or("");
    let after_comma = rest.trim_start().strip_prefix(',');
    if line > before_bracket || !is_blank_or_comment(after_comma.unwrap_or(rest)) {
        // The bracket or a comma of the next line is in the way: the new value follows the last one directly.
        return Ok(vec![context.splice(end..end, &format!(",\n{indent}{text}"))]);
    }
    if after_comma.is_some() {
        return Ok(vec![context.splice(line..line, &format!("\n{indent}{text},"))]);
    }
    Ok(vec![context.splice(end..end, ","), context.splice(line..line, &format!("\n{indent}{text}"))])
}

/// Puts `value` before the item `item` of a flow list.
pub(super) fn insert_before(
    context: &EditContext<'_>,
    sequence: &Node,
    item: &Node,
    value: &Written<'_>,
) -> Vec<Splice> {
    let style = FlowStyle::around(context);
    let text = style.write(value, lines_of_item(context, sequence).as_ref());
    let between = match own_line(context.source, sequence.start, properties::start(context.source, item)) {
        Some(indent) => format!(",\n{indent}"),
        None => style.comma.to_owned(),
    };
    let start = properties::start(context.source, item);
    vec![context.splice(start..start, &format!("{text}{between}"))]
}

/// Writes `value` in the place of the item `item`, which is in flow style.
pub(super) fn replace_item(
    context: &EditContext<'_>,
    sequence: &Node,
    item: &Node,
    value: &Written<'_>,
) -> Vec<Splice> {
    let lines = lines_of_item(context, sequence).filter(|_| is_over_lines(context.source, item));
    let text = FlowStyle::around(context).write(value, lines.as_ref());
    vec![context.splice(item.start..item.end, &text)]
}

/// Puts `value` into the empty list or mapping `node` of the same kind.
pub(super) fn fill(
    context: &EditContext<'_>,
    node: &Node,
    value: &Written<'_>,
) -> Result<Vec<Splice>, ManifestError> {
    let text = FlowStyle::around(context).write(value, None);
    let same_kind = context.source.get(node.start..=node.start) == text.get(..1);
    let parts = text.strip_suffix(['}', ']']).and_then(|text| text.get(1..)).filter(|_| same_kind);
    let Some(parts) = parts else {
        return Err(context.unsupported(node.start, "there are comments between its brackets"));
    };
    Ok(vec![context.splice(node.start + 1..node.start + 1, parts)])
}

/// Writes a value right after a key.
pub(super) fn write_below(context: &EditContext<'_>, style: &FlowStyle, value: &Written<'_>) -> String {
    style.write(value, lines_below(context, style).as_ref())
}

/// Whether and how a new value in the flow mapping at the end of the trail goes over several lines: as those
/// beside it do, or as the mapping itself does in JSON.
fn lines_below(context: &EditContext<'_>, style: &FlowStyle) -> Option<Lines> {
    let mapping = context.trail.last().filter(|node| node.is_flow())?;
    let (first, _) = bounds(mapping)?;
    let indent = own_line(context.source, mapping.start, first)?;
    let mut beside =
        mapping.pairs().iter().map(|pair| &pair.value).filter(|node| bounds(node).is_some()).peekable();
    let over_lines = match beside.peek() {
        None => style.json,
        Some(_) => beside.any(|node| is_over_lines(context.source, node)),
    };
    over_lines.then(|| Lines { indent: indent.to_owned(), unit: unit(context.source, mapping.start, indent) })
}

/// As [`lines_below`] for an item of a list: as the item before it.
fn lines_of_item(context: &EditContext<'_>, sequence: &Node) -> Option<Lines> {
    let last = sequence.items().last().filter(|last| is_over_lines(context.source, last))?;
    let (first, _) = bounds(last)?;
    let indent = indentation(context.source, last.start).to_owned();
    let unit = unit(context.source, last.start, indentation(context.source, first));
    Some(Lines { indent, unit })
}

fn is_over_lines(source: &str, node: &Node) -> bool {
    bounds(node).is_some_and(|(first, _)| node.is_flow() && own_line(source, node.start, first).is_some())
}

/// The part of `deeper` beyond the indentation of the line of `at`; two spaces if it has none.
fn unit(source: &str, at: usize, deeper: &str) -> String {
    deeper.strip_prefix(indentation(source, at)).filter(|unit| !unit.is_empty()).unwrap_or("  ").to_owned()
}

/// Start of the first and end of the last part of a list or mapping.
fn bounds(node: &Node) -> Option<(usize, usize)> {
    if let (Some(first), Some(last)) = (node.pairs().first(), node.pairs().last()) {
        return Some((first.start, last.value.end.max(last.key_end)));
    }
    Some((node.items().first()?.start, node.items().last()?.end))
}

/// The indentation of `part`, if it is the first one on a line below that of `start`.
fn own_line(source: &str, start: usize, part: usize) -> Option<&str> {
    // Looked for in this order, as the line may be a whole file of compact JSON.
    let (_, indent) = source.get(start..part)?.rsplit_once('\n')?;
    indent.trim_start_matches([' ', '\t']).is_empty().then_some(indent)
}
