//! Insertions into block style: pairs and items on lines of their own.

use super::context::EditContext;
use super::flow::FlowStyle;
use super::properties;
use super::quote;
use super::splice::Splice;
use super::written::Written;
use crate::error::ManifestError;
use crate::text::{
    column, indentation, is_blank_or_comment, line_break_before, line_end, line_start, next_line,
};
use crate::tree::{Node, NodeKind, Pair};

/// The indentation of the document around an edit.
pub(super) struct BlockStyle {
    /// Columns from a key to the keys below it.
    mapping: usize,
    /// Columns from a key to the dashes below it.
    sequence: usize,
    /// Columns from a dash to its value.
    dash: usize,
}

impl BlockStyle {
    /// The same style with `dash` columns from a dash to its value.
    pub(super) fn with_dash(self, dash: usize) -> Self {
        Self { dash, ..self }
    }

    /// Takes the style from the nearest nodes that show it.
    pub(super) fn around(context: &EditContext<'_>) -> Self {
        let (mut mapping, mut sequence) = (None, None);
        for pair in context.trail.iter().rev().filter(|node| !node.is_flow()).flat_map(|node| node.pairs()) {
            let key = column(context.source, pair.start);
            if mapping.is_none() && !pair.value.is_flow() {
                let first = pair.value.pairs().first();
                mapping = first.map(|first| column(context.source, first.start).saturating_sub(key));
            }
            if sequence.is_none()
                && let Some((dash, gap)) = dashes(context.source, &pair.value)
            {
                sequence = Some((dash.saturating_sub(key), gap));
            }
        }
        let (sequence, dash) = sequence.unwrap_or((0, 2));
        Self { mapping: mapping.filter(|columns| *columns > 0).unwrap_or(2), sequence, dash }
    }

    /// Writes a value below a key at column `key`, each line with its line break before it.
    pub(super) fn children(&self, value: &Written<'_>, key: usize) -> String {
        let lines: Vec<String> = match value {
            Written::List(items) => {
                let (dash, gap) = (key + self.sequence, self.dash.saturating_sub(1));
                let item =
                    |item| format!("{}-{}{}", spaces(dash), spaces(gap), self.item(item, dash + gap + 1));
                items.iter().map(item).collect()
            }
            Written::Mapping(pairs) => {
                let column = key + self.mapping;
                let pair =
                    |(key, value): &(&str, _)| format!("{}{}", spaces(column), self.pair(key, value, column));
                pairs.iter().map(pair).collect()
            }
            Written::Copy(copied) => return format!(" {}", copied.in_block(key + self.mapping)),
            scalar @ Written::Scalar(_) => return format!(" {}", quote::scalar_or_plain(scalar)),
        };
        format!("\n{}", lines.join("\n"))
    }

    /// Writes `key: value` at column `column`.
    pub(super) fn pair(&self, key: &str, value: &Written<'_>, column: usize) -> String {
        let key = quote::plain(key);
        match value {
            Written::List(items) if items.is_empty() => format!("{key}: []"),
            Written::Mapping(pairs) if pairs.is_empty() => format!("{key}: {{}}"),
            value => format!("{key}:{}", self.children(value, column)),
        }
    }

    /// Writes an item whose value is at column `column`.
    pub(super) fn item(&self, value: &Written<'_>, column: usize) -> String {
        match value {
            Written::Mapping(pairs) if !pairs.is_empty() => {
                let lines: Vec<String> =
                    pairs.iter().map(|(key, value)| self.pair(key, value, column)).collect();
                lines.join(&format!("\n{}", spaces(column)))
            }
            Written::Copy(copied) => copied.in_block(column),
            value => FlowStyle::yaml().write(value, None),
        }
    }
}

pub(super) fn spaces(count: usize) -> String {
    " ".repeat(count)
}

/// The column of the dashes of a block list below a key, and how far from them its values are.
pub(super) fn dashes(source: &str, sequence: &Node) -> Option<(usize, usize)> {
    let NodeKind::Sequence { flow: false, items } = &sequence.kind else { return None };
    // The parser reports no position of the dash; below a key, it is the first character on its line.
    let dash = line_start(source, sequence.start) + indentation(source, sequence.start).len();
    if !source.get(dash..)?.starts_with('-') {
        return None;
    }
    let first = items.first().map_or(dash, |item| item.start);
    let gap = source.get(dash + 1..first).unwrap_or("");
    let same_line = !gap.is_empty() && gap.bytes().all(|byte| byte == b' ');
    Some((column(source, dash), if same_line { gap.len() + 1 } else { 2 }))
}

/// Adds the pair `key` to the block mapping `mapping`.
pub(super) fn insert_pair(
    context: &EditContext<'_>,
    mapping: &Node,
    key: &str,
    value: &Written<'_>,
) -> Result<Vec<Splice>, ManifestError> {
    let (Some(first), Some(last)) = (mapping.pairs().first(), mapping.pairs().last()) else {
        return Err(context.unsupported(mapping.start, "this mapping has no entries"));
    };
    // The column of the question mark, the tag or the anchor of its first key, if there is one.
    let before = context.source.get(line_start(context.source, first.start)..first.start).unwrap_or("");
    let at = before.len() - before.trim_start_matches([' ', '-']).len();
    let text = BlockStyle::around(context).pair(key, value, at);
    // In pods and templates `metadata` goes before `spec`, as people expect; but not before a merge key, which overrides it.
    let pairs = mapping.pairs();
    let merges = pairs.iter().rposition(|pair| pair.merge).map_or(0, |last| last + 1);
    let spec = pairs.iter().skip(merges).find(|pair| key == "metadata" && pair.key == "spec");
    if let Some(spec) = spec {
        return Ok(vec![insert_before(context, spec, at, &text)]);
    }
    let end = end_of(context.source, &last.value).ok_or_else(|| {
        context.unsupported(last.start, "the last value of this mapping is an empty block scalar")
    })?;
    let end = after_comments(context, end, at)?;
    Ok(vec![context.splice(end..end, &format!("\n{}{text}", spaces(at)))])
}

/// Adds `value` to the end of the block list `sequence`.
pub(super) fn append_item(
    context: &EditContext<'_>,
    sequence: &Node,
    value: &Written<'_>,
) -> Result<Vec<Splice>, ManifestError> {
    let parent = context.trail.iter().rev().nth(1);
    let dashes =
        parent.filter(|parent| !parent.pairs().is_empty()).and_then(|_| dashes(context.source, sequence));
    let (Some((dash, gap)), Some(last)) = (dashes, sequence.items().last()) else {
        return Err(context.unsupported(sequence.start, "this list is not below a key"));
    };
    let text = if last.is_flow() && !last.pairs().is_empty() {
        FlowStyle::around(context).write(value, None)
    } else {
        BlockStyle::around(context).with_dash(gap).item(value, dash + gap)
    };
    let end = end_of(context.source, last).ok_or_else(|| {
        context.unsupported(last.start, "the last item of this list is an empty block scalar")
    })?;
    // A comment in the column of a dash belongs to the list only if the key of the list is further left.
    let key =
        parent.and_then(|parent| parent.pairs().first()).map_or(0, |pair| column(context.source, pair.start));
    let end = after_comments(context, end, if dash > key { dash } else { dash + 1 })?;
    Ok(vec![context.splice(end..end, &format!("\n{}-{}{text}", spaces(dash), spaces(gap - 1)))])
}

/// Writes the pair `text` before `pair` and the comments right above it.
fn insert_before(context: &EditContext<'_>, pair: &Pair, at: usize, text: &str) -> Splice {
    let indent = spaces(at);
    let mut start = line_start(context.source, pair.start);
    if indentation(context.source, pair.start).len() != at {
        // It is the first one, right after a dash.
        return context.splice(pair.start..pair.start, &format!("{text}\n{indent}"));
    }
    while let Some(above) = start.checked_sub(1).map(|above| line_start(context.source, above)) {
        let comment = context.source.get(above..start).unwrap_or("");
        if indentation(context.source, above) != indent || !comment.trim_start().starts_with('#') {
            break;
        }
        start = above;
    }
    context.splice(start..start, &format!("{indent}{text}\n"))
}

/// The end of the line of `end`, or of the last one of the comment lines right below it that are indented by
/// at least `indent` columns: those belong to the lines above them.
fn after_comments(context: &EditContext<'_>, end: usize, indent: usize) -> Result<usize, ManifestError> {
    let mut line = line_end(context.source, end);
    let rest = context.source.get(end..line).unwrap_or("");
    // After a key without a value there is still its colon.
    if !is_blank_or_comment(rest.trim_start().strip_prefix(':').unwrap_or(rest)) {
        return Err(context.unsupported(end, "something else is on the same line"));
    }
    while let Some(next) = next_line(context.source, line) {
        let end = line_end(context.source, next);
        let text = context.source.get(next..end).unwrap_or("");
        if !text.trim_start().starts_with('#') || indentation(context.source, next).len() < indent {
            break;
        }
        line = end;
    }
    Ok(line)
}

/// The end of the last line of a value, or a byte before it on the same line; `None` for a block scalar without any
/// line.
pub(super) fn end_of(source: &str, node: &Node) -> Option<usize> {
    match &node.kind {
        NodeKind::Sequence { flow: false, items } => end_of(source, items.last()?),
        NodeKind::Mapping { flow: false, pairs } => end_of(source, &pairs.last()?.value),
        _ if node.is_block_scalar() => block_scalar_end(source, node),
        // After `? key` the parser finds nothing in the line below only.
        _ if node.is_omitted() => source.get(..node.end).map(|text| text.trim_end().len()),
        _ => Some(node.end),
    }
}

/// The end of the text of a block scalar, without the empty lines after it unless they are part of it.
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

/// Puts `value` below the key of `pair`, whose own value (nothing, null, `[]`, `{}` or an alias) is taken away; its anchor and
/// its tag stay.
pub(super) fn fill_pair(
    context: &EditContext<'_>,
    pair: &Pair,
    colon: usize,
    value: &Written<'_>,
) -> Option<Vec<Splice>> {
    let source = context.source;
    let head = properties::end(source, colon);
    let (start, end) =
        if pair.value.is_omitted() { (head, head) } else { (pair.value.start, pair.value.end) };
    let line = line_end(source, end);
    let after = source.get(end..line)?;
    let mut gap = source.get(head..start)?.split('\n');
    let first = gap.next()?;
    let is_free = match gap.next_back() {
        None => first.trim().is_empty(),
        Some(last) => {
            let is_comment = |line: &str| is_blank_or_comment(&format!(" {line}"));
            is_blank_or_comment(first) && gap.all(is_comment) && last.trim().is_empty()
        }
    };
    if !is_free || !is_blank_or_comment(after) {
        return None;
    }
    let removed = match (start <= line_end(source, head), after.trim().is_empty()) {
        (true, _) => head..end,
        // A value on a line of its own goes with its line, unless there is a comment.
        (false, true) => line_break_before(source, line_start(source, start))..line,
        (false, false) => start..end,
    };
    let children = BlockStyle::around(context).children(value, column(source, pair.start));
    Some(vec![context.splice(removed, ""), context.splice(line..line, &children)])
}
