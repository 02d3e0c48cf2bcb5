//! Values to write, with the keys of each mapping in the order to write them.

use serde_json::Value;

use crate::text::is_printable;
use crate::tree::{Node, NodeKind, Style};

/// A value of an edit, or one that is written out in the place of an alias.
#[derive(Debug)]
pub(super) enum Written<'v> {
    Scalar(&'v Value),
    Copy(Copied<'v>),
    List(Vec<Self>),
    Mapping(Vec<(&'v str, Self)>),
}

/// A value that is written as it is elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copied<'v> {
    pub(super) value: &'v Value,
    /// Its text there; of a block scalar without its header.
    text: &'v str,
    kind: CopyKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CopyKind {
    /// Between quotes, brackets or braces.
    Enclosed,
    /// Without quotes.
    Plain,
    /// A block scalar, which is written as a literal one.
    Block,
}

impl<'v> Copied<'v> {
    /// The text of `node` in `source`, which has `value`, if it is on one line and means the same everywhere: without tags,
    /// anchors and aliases; or a block scalar.
    pub(super) fn new(source: &'v str, node: &Node, value: &'v Value) -> Option<Self> {
        let text = source.get(node.start..node.end)?;
        let kind = match &node.kind {
            NodeKind::Scalar(Style::Block) => CopyKind::Block,
            NodeKind::Scalar(Style::Plain) => CopyKind::Plain,
            NodeKind::Scalar(_) => CopyKind::Enclosed,
            _ if node.is_flow() && text.starts_with(['[', '{']) => CopyKind::Enclosed,
            _ => return None,
        };
        let is_possible = match kind {
            CopyKind::Block => is_literal(value),
            _ => !text.is_empty() && !text.contains(['\n', '\r']) && node.children().all(is_free),
        };
        (is_possible && !node.tagged).then_some(Self { value, text, kind })
    }

    /// The text in block style. Further lines are indented by `indent` columns.
    pub(super) fn in_block(&self, indent: usize) -> String {
        let (CopyKind::Block, Value::String(text)) = (self.kind, self.value) else {
            return self.text.to_owned();
        };
        let header = if text.ends_with('\n') { "|" } else { "|-" };
        let lines = text.lines().map(|line| {
            let indent = if line.is_empty() { 0 } else { indent };
            format!("\n{}{line}", " ".repeat(indent))
        });
        header.to_owned() + &lines.collect::<String>()
    }

    /// The text in flow style, if it means the same there; `is_json`: all texts are in quotes.
    pub(super) fn in_flow(&self, is_json: bool) -> Option<&'v str> {
        let is_possible = match self.kind {
            CopyKind::Enclosed => true,
            CopyKind::Plain => !is_json && is_plain_in_flow(self.text),
            CopyKind::Block => false,
        };
        is_possible.then_some(self.text)
    }
}

/// Whether a value and all in it have no tag, no anchor and no alias.
pub(super) fn is_free(node: &Node) -> bool {
    let is_alias = matches!(node.kind, NodeKind::Alias(_));
    !is_alias && !node.tagged && node.anchor == 0 && node.children().all(is_free)
}

/// Whether a text can be a literal block scalar with `|` or `|-`, without an indicator for its indentation.
fn is_literal(value: &Value) -> bool {
    let Value::String(text) = value else { return false };
    let lines = text.strip_suffix('\n').unwrap_or(text);
    !lines.is_empty()
        && !lines.starts_with(['\n', ' ', '\t'])
        && !lines.ends_with('\n')
        && lines.chars().all(|char| matches!(char, '\n' | '\t') || is_printable(char))
}

/// Whether a text that is plain in block style is plain between brackets, too.
fn is_plain_in_flow(text: &str) -> bool {
    let is_in_word = |(at, _): (usize, &str)| {
        text.get(at + 1..)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/'))
    };
    !text.starts_with(':')
        && !text.contains([',', '[', ']', '{', '}', '?', '#'])
        && text.match_indices(':').all(is_in_word)
}

impl<'v> From<&'v Value> for Written<'v> {
    fn from(value: &'v Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(map) => {
                Self::Mapping(map.iter().map(|(key, value)| (key.as_str(), value.into())).collect())
            }
            scalar => Self::Scalar(scalar),
        }
    }
}

impl Written<'_> {
    /// Whether it is a list or mapping with something in it.
    pub(super) fn is_filled_collection(&self) -> bool {
        match self {
            Self::Scalar(_) | Self::Copy(_) => false,
            Self::List(items) => !items.is_empty(),
            Self::Mapping(pairs) => !pairs.is_empty(),
        }
    }
}
