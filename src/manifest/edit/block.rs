//! Insertions into block style: entries and items on lines of their own.

use serde_json::Value;

use super::Splice;
use super::flow::FlowStyle;
use super::quote;
use super::site::Site;
use crate::manifest::error::ManifestError;
use crate::manifest::text::{column, indentation, is_blank_or_comment, line_end, line_start, next_line};
use crate::manifest::tree::{Entry, Kind, Node};

/// How the document around a place is indented.
pub(super) struct BlockStyle {
    /// Columns from a key to the keys below it.
    mapping: usize,
    /// Columns from a key to the dashes below it.
    sequence: usize,
    /// Columns from a dash to its value.
    dash: usize,
}

impl BlockStyle {
    /// The same with values so many columns from their dashes.
    pub(super) fn with_dash(self, dash: usize) -> Self {
        Self { dash, ..self }
    }

    /// Takes the style from the nearest places that show it.
    pub(super) fn around(site: &Site<'_>) -> Self {
        let (mut mapping, mut sequence) = (None, None);
        for entry in site.trail.iter().rev().filter(|node| !node.is_flow()).flat_map(|node| node.entries()) {
            let key = column(site.source, entry.start);
            if mapping.is_none() && !entry.value.is_flow() {
                let first = entry.value.entries().first();
                mapping = first.map(|first| column(site.source, first.start).saturating_sub(key));
            }
            if sequence.is_none()
                && let Some((dash, gap)) = dashes(site.source, &entry.value)
            {
                sequence = Some((dash.saturating_sub(key), gap));
            }
        }
        let (sequence, dash) = sequence.unwrap_or((0, 2));
        Self { mapping: mapping.filter(|columns| *columns > 0).unwrap_or(2), sequence, dash }
    }

    /// Writes what stands below a key at column `key`, each line with its line break before it.
    pub(super) fn children(&self, value: &Value, key: usize) -> String {
        let lines: Vec<String> = match value {
            Value::Array(items) => {
                let (dash, gap) = (key + self.sequence, self.dash.saturating_sub(1));
                let item =
                    |item| format!("{}-{}{}", spaces(dash), spaces(gap), self.item(item, dash + gap + 1));
                items.iter().map(item).collect()
            }
            Value::Object(map) => {
                let column = key + self.mapping;
                let entry = |(key, value): (&String, _)| {
                    format!("{}{}", spaces(column), self.entry(key, value, column))
                };
                map.iter().map(entry).collect()
            }
            other => return format!(" {}", quote::scalar_or_plain(other)),
        };
        format!("\n{}", lines.join("\n"))
    }

    /// Writes `key: value` for a place at column `column`.
    fn entry(&self, key: &str, value: &Value, column: usize) -> String {
        let key = quote::plain(key);
        match value {
            Value::Array(items) if items.is_empty() => format!("{key}: []"),
            Value::Object(map) if map.is_empty() => format!("{key}: {{}}"),
            value => format!("{key}:{}", self.children(value, column)),
        }
    }

    /// Writes an item whose value is at column `column`.
    pub(super) fn item(&self, value: &Value, column: usize) -> String {
        match value {
            Value::Object(map) if !map.is_empty() => {
                let lines: Vec<String> =
                    map.iter().map(|(key, value)| self.entry(key, value, column)).collect();
                lines.join(&format!("\n{}", spaces(column)))
            }
            value => FlowStyle::yaml().write(value, None),
        }
    }
}

pub(super) fn spaces(count: usize) -> String {
    " ".repeat(count)
}

/// The column of the dashes of a block list below a key, and how far from them its values are.
pub(super) fn dashes(source: &str, sequence: &Node) -> Option<(usize, usize)> {
    let Kind::Sequence { flow: false, items } = &sequence.kind else { return None };
    // The parser does not say where the dash is; below a key, it is the first thing on its line.
    let dash = line_start(source, sequence.start) + indentation(source, sequence.start).len();
    if !source.get(dash..)?.starts_with('-') {
        return None;
    }
    let first = items.first().map_or(dash, |item| item.start);
    let gap = source.get(dash + 1..first).unwrap_or("");
    let same_line = !gap.is_empty() && gap.bytes().all(|byte| byte == b' ');
    Some((column(source, dash), if same_line { gap.len() + 1 } else { 2 }))
}

/// Adds the entry `key` to the block mapping `mapping`.
pub(super) fn insert_entry(
    site: &Site<'_>,
    mapping: &Node,
    key: &str,
    value: &Value,
) -> Result<Vec<Splice>, ManifestError> {
    let (Some(first), Some(last)) = (mapping.entries().first(), mapping.entries().last()) else {
        return Err(site.unsupported(mapping.start, "this mapping has no entries"));
    };
    let at = column(site.source, first.start);
    let before = site.source.get(line_start(site.source, first.start)..first.start).unwrap_or("");
    if before.contains(|char| char != ' ' && char != '-') {
        return Err(
            site.unsupported(first.start, "a question mark, tag or anchor stands before its first key")
        );
    }
    let text = BlockStyle::around(site).entry(key, value, at);
    // In pods and templates `metadata` goes before `spec`, where everybody looks for it.
    let spec = mapping.entries().iter().find(|entry| key == "metadata" && entry.key == "spec");
    if let Some(spec) = spec {
        return Ok(vec![insert_before(site, spec, at, &text)]);
    }
    if ends_without_line_break(site.source, &last.value) {
        return Ok(vec![insert_before(site, last, at, &text)]);
    }
    let end = end_of(site.source, &last.value)
        .ok_or_else(|| site.unsupported(last.start, "an empty block scalar stands last in this mapping"))?;
    let end = after_comments(site, end, at)?;
    Ok(vec![site.splice(end..end, &format!("\n{}{text}", spaces(at)))])
}

/// Adds `value` to the end of the block list `sequence`.
pub(super) fn append_item(
    site: &Site<'_>,
    sequence: &Node,
    value: &Value,
) -> Result<Vec<Splice>, ManifestError> {
    let parent = site.trail.iter().rev().nth(1);
    let dashes =
        parent.filter(|parent| !parent.entries().is_empty()).and_then(|_| dashes(site.source, sequence));
    let (Some((dash, gap)), Some(last)) = (dashes, sequence.items().last()) else {
        return Err(site.unsupported(sequence.start, "this list does not stand below a key"));
    };
    if ends_without_line_break(site.source, last) {
        return Err(
            site.unsupported(last.start, "the block scalar at the end of the file lacks its line break")
        );
    }
    let text = if last.is_flow() && !last.entries().is_empty() {
        FlowStyle::around(site).write(value, None)
    } else {
        BlockStyle::around(site).with_dash(gap).item(value, dash + gap)
    };
    let end = end_of(site.source, last)
        .ok_or_else(|| site.unsupported(last.start, "an empty block scalar stands last in this list"))?;
    // A comment in the column of a dash belongs to the list only if the key of the list is further left.
    let key = parent
        .and_then(|parent| parent.entries().first())
        .map_or(0, |entry| column(site.source, entry.start));
    let end = after_comments(site, end, if dash > key { dash } else { dash + 1 })?;
    Ok(vec![site.splice(end..end, &format!("\n{}-{}{text}", spaces(dash), spaces(gap - 1)))])
}

/// Writes the entry `text` before `entry` and the comments that stand right above it.
fn insert_before(site: &Site<'_>, entry: &Entry, at: usize, text: &str) -> Splice {
    let indent = spaces(at);
    let mut start = line_start(site.source, entry.start);
    if indentation(site.source, entry.start).len() != at {
        // It is the first one, right after a dash.
        return site.splice(entry.start..entry.start, &format!("{text}\n{indent}"));
    }
    while let Some(above) = start.checked_sub(1).map(|above| line_start(site.source, above)) {
        let comment = site.source.get(above..start).unwrap_or("");
        if indentation(site.source, above) != indent || !comment.trim_start().starts_with('#') {
            break;
        }
        start = above;
    }
    site.splice(start..start, &format!("{indent}{text}\n"))
}

/// The end of the line of `end`, or of the last one of the comment lines right below it that are indented by
/// at least `indent` columns: those belong to what stands above them.
fn after_comments(site: &Site<'_>, end: usize, indent: usize) -> Result<usize, ManifestError> {
    let mut line = line_end(site.source, end);
    let rest = site.source.get(end..line).unwrap_or("");
    // After a key without a value there is still its colon.
    if !is_blank_or_comment(rest.trim_start().strip_prefix(':').unwrap_or(rest)) {
        return Err(site.unsupported(end, "something else stands on the same line"));
    }
    while let Some(next) = next_line(site.source, line) {
        let end = line_end(site.source, next);
        let text = site.source.get(next..end).unwrap_or("");
        if !text.trim_start().starts_with('#') || indentation(site.source, next).len() < indent {
            break;
        }
        line = end;
    }
    Ok(line)
}

/// Where the last line of a value ends, or a byte before that on the same line; `None` for a block scalar
/// without any line.
pub(super) fn end_of(source: &str, node: &Node) -> Option<usize> {
    match &node.kind {
        Kind::Sequence { flow: false, items } => end_of(source, items.last()?),
        Kind::Mapping { flow: false, entries } => end_of(source, &entries.last()?.value),
        _ if node.is_block_scalar() => block_scalar_end(source, node),
        _ => Some(node.end),
    }
}

/// Where the text of a block scalar ends, without the empty lines after it unless they are part of it.
pub(super) fn block_scalar_end(source: &str, node: &Node) -> Option<usize> {
    let text = source.get(node.start..node.end).filter(|text| !text.is_empty())?;
    // After the last line break comes the indentation of the next key, or else, at the end of the file, a last
    // line that has no line break.
    let Some((lines, "")) = text.trim_end_matches(' ').rsplit_once('\n') else { return Some(node.end) };
    let lines = lines.strip_suffix('\r').unwrap_or(lines);
    let lines = if header_has(source, node, '+') { lines } else { lines.trim_end_matches(['\n', '\r']) };
    Some(node.start + lines.len())
}

/// The bytes of the `|` or `>` of a block scalar with the indicators after it.
pub(super) fn header(source: &str, node: &Node) -> Option<(usize, usize)> {
    let before = source.get(..line_start(source, node.start))?.trim_end();
    let line = line_start(source, before.len());
    let text = before.get(line..)?;
    // The one that only a comment follows; quotes and comments before it may have these characters, too.
    text.match_indices(['|', '>']).find_map(|(at, _)| {
        let rest = text.get(at + 1..)?;
        let indicators =
            rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '+' || c == '-').len();
        let start_of_word = text.get(..at)?.ends_with(' ');
        let end = at + 1 + indicators;
        (start_of_word && is_blank_or_comment(rest.get(indicators..)?)).then_some((line + at, line + end))
    })
}

fn header_has(source: &str, node: &Node, indicator: char) -> bool {
    let header = header(source, node).and_then(|(start, end)| source.get(start..end));
    header.is_some_and(|header| header.contains(indicator))
}

/// Whether the value ends in a block scalar whose last line has no line break, so that adding one would
/// change it.
fn ends_without_line_break(source: &str, node: &Node) -> bool {
    match &node.kind {
        Kind::Sequence { flow: false, items } => {
            items.last().is_some_and(|item| ends_without_line_break(source, item))
        }
        Kind::Mapping { flow: false, entries } => {
            entries.last().is_some_and(|entry| ends_without_line_break(source, &entry.value))
        }
        _ => {
            let ends_text = node.is_block_scalar() && node.end == source.len() && !source.ends_with('\n');
            ends_text && !header_has(source, node, '-')
        }
    }
}

/// Puts `value` below the key of `entry`, whose own value (nothing, null, `[]` or `{}`) is taken away.
pub(super) fn fill_entry(site: &Site<'_>, entry: &Entry, colon: usize, value: &Value) -> Option<Vec<Splice>> {
    let end = if entry.value.is_omitted() { colon } else { entry.value.end };
    let line = line_end(site.source, colon);
    let gap = site.source.get(colon..entry.value.start.max(colon))?;
    let after = site.source.get(end..line)?;
    if !gap.trim().is_empty() || !is_blank_or_comment(after) {
        return None;
    }
    let children = BlockStyle::around(site).children(value, column(site.source, entry.start));
    Some(vec![site.splice(colon..end, ""), site.splice(line..line, &children)])
}
