//! Builds the trees of a YAML stream from the events of the parser.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle, Tag, options};
use serde_json::{Map, Value};

use crate::alias_budget::AliasBudget;
use crate::error::ManifestError;
use crate::tree::{Node, NodeKind, Pair, Style, Tree};
use crate::{scalar, text};

/// The prefix of the tags that YAML itself defines.
const YAML_TAGS: &str = "tag:yaml.org,2002:";

/// Reads all documents of the YAML stream `source.get(offset..end)`; `first` is the index of its first one.
pub(crate) fn compose(
    source: &str,
    offset: usize,
    end: usize,
    first: usize,
    budget: &mut AliasBudget,
) -> Result<Vec<Tree>, ManifestError> {
    // kubectl.rs has refused the line breaks of YAML 1.1.
    let options = options! { emit_comments: false, emit_anchor_events: true };
    let mut composer = Composer::new(source, offset, first, budget);
    for next in Parser::new_from_str_with_options(source.get(offset..end).unwrap_or(""), options) {
        match next {
            Ok((event, span)) => composer.event(event, span)?,
            Err(error) => {
                let at = error.marker().byte_offset().map_or(end, |at| at + offset);
                return Err(composer.syntax(at, error.info()));
            }
        }
    }
    Ok(composer.trees)
}

/// A list or mapping that has been opened but not closed yet.
struct Open {
    node: Node,
    values: Values,
}

enum Values {
    Sequence(Vec<Value>),
    Mapping {
        map: Map<String, Value>,
        /// Keys that only a merge has set: they may still be written out.
        merged: HashSet<String>,
        key: Option<Key>,
    },
}

struct Key {
    text: String,
    start: usize,
    end: usize,
    merge: bool,
}

struct Composer<'s> {
    source: &'s str,
    offset: usize,
    first: usize,
    trees: Vec<Tree>,
    /// First byte of the document being read.
    start: usize,
    /// Whether it starts with `---`.
    marked: bool,
    open: Vec<Open>,
    anchors: HashMap<usize, Value>,
    referenced: HashSet<usize>,
    budget: &'s mut AliasBudget,
}

impl<'s> Composer<'s> {
    fn new(source: &'s str, offset: usize, first: usize, budget: &'s mut AliasBudget) -> Self {
        Self {
            source,
            offset,
            first,
            trees: Vec::new(),
            start: offset,
            marked: false,
            open: Vec::new(),
            anchors: HashMap::new(),
            referenced: HashSet::new(),
            budget,
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), ManifestError> {
        let range = span.byte_range().unwrap_or_default();
        let (start, end) = (range.start + self.offset, range.end + self.offset);
        let node = |kind, anchor, tagged| Node { start, end, anchor, tagged, kind };
        match event {
            Event::DocumentStart(marked, _) => {
                self.start = start;
                self.marked = marked;
                self.anchors.clear();
                self.referenced.clear();
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(start..end, &text, style, tag.as_deref())?;
                self.close(node(NodeKind::Scalar(own_style(style)), anchor, tag.is_some()), value)?;
            }
            Event::Alias(id) => {
                let value = self.alias(id, start)?;
                self.close(node(NodeKind::Alias(id), 0, false), value)?;
            }
            Event::SequenceStart(style, anchor, tag) => {
                let kind = NodeKind::Sequence { flow: style == StructureStyle::Flow, items: Vec::new() };
                self.open.push(Open {
                    node: node(kind, anchor, tag.is_some()),
                    values: Values::Sequence(Vec::new()),
                });
            }
            Event::MappingStart(style, anchor, tag) => {
                let kind = NodeKind::Mapping { flow: style == StructureStyle::Flow, pairs: Vec::new() };
                let values = Values::Mapping { map: Map::new(), merged: HashSet::new(), key: None };
                self.open.push(Open { node: node(kind, anchor, tag.is_some()), values });
            }
            Event::Anchor(_, name) => self.anchor_name(start, &name)?,
            Event::SequenceEnd | Event::MappingEnd => self.end_collection(end)?,
            // Comments are not asked for, and the other events carry nothing that is needed here.
            _ => {}
        }
        Ok(())
    }

    /// Refuses a name that go-yaml ends at a `:` or `?`, at which its value then begins.
    fn anchor_name(&self, at: usize, name: &str) -> Result<(), ManifestError> {
        if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
            return Ok(());
        }
        let message = "kubectl reads this anchor otherwise; use letters, digits, - and _ only";
        Err(self.syntax(at, message.to_owned()))
    }

    fn end_collection(&mut self, end: usize) -> Result<(), ManifestError> {
        let Some(Open { mut node, values }) = self.open.pop() else {
            return Err(self.syntax(end, "a list or mapping ends that did not begin".to_owned()));
        };
        node.end = end;
        let value = match values {
            Values::Sequence(items) => Value::Array(items),
            Values::Mapping { map, .. } => Value::Object(map),
        };
        self.close(node, value)
    }

    /// Adds a complete node to the innermost open list or mapping, or makes it the root.
    fn close(&mut self, node: Node, value: Value) -> Result<(), ManifestError> {
        if node.anchor != 0 {
            if !self.budget.take(&value) {
                return Err(self.too_many_aliases(node.start));
            }
            self.anchors.insert(node.anchor, value.clone());
        }
        match self.open.last_mut() {
            None => {
                let referenced = std::mem::take(&mut self.referenced);
                self.trees.push(Tree {
                    value,
                    start: self.start,
                    marked: self.marked,
                    root: node,
                    referenced,
                });
                Ok(())
            }
            Some(Open { node: parent, values: Values::Sequence(values) }) => {
                values.push(value);
                if let NodeKind::Sequence { items, .. } = &mut parent.kind {
                    items.push(node);
                }
                Ok(())
            }
            Some(Open { values: Values::Mapping { key, .. }, .. }) => match key.take() {
                None => self.key(&node, &value),
                Some(key) => self.pair(key, node, value),
            },
        }
    }

    fn key(&mut self, node: &Node, value: &Value) -> Result<(), ManifestError> {
        let written = self.source.get(node.start..node.end).unwrap_or("");
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) => value.to_string(),
            Value::Number(number) => scalar::number_key(number).ok_or_else(|| {
                self.syntax(
                    node.start,
                    format!("kubectl writes the key {written} otherwise; put it in quotes"),
                )
            })?,
            Value::Null => {
                return Err(self.syntax(node.start, "a null key is no key for Kubernetes".to_owned()));
            }
            Value::Array(_) | Value::Object(_) => {
                return Err(
                    self.syntax(node.start, "a key must be a text, not a list or a mapping".to_owned())
                );
            }
        };
        if text == "<<" && node.tagged {
            let message =
                "a merge key (<<) with a tag means different things to YAML parsers; remove the tag";
            return Err(self.syntax(node.start, message.to_owned()));
        }
        let merge = written == "<<";
        if let Some(Open { values: Values::Mapping { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(Key { text, start: node.start, end: node.end, merge });
        }
        Ok(())
    }

    fn pair(&mut self, key: Key, node: Node, value: Value) -> Result<(), ManifestError> {
        let Some(Open { values: Values::Mapping { map, merged, .. }, .. }) = self.open.last_mut() else {
            return Err(self.syntax(key.start, "this entry is in no mapping".to_owned()));
        };
        if key.merge {
            merge_into(map, merged, value).map_err(|message| self.syntax(key.start, message.to_owned()))?;
        } else if map.insert(key.text.clone(), value).is_some() && !merged.remove(&key.text) {
            return Err(ManifestError::DuplicateKey {
                document: self.document(),
                line: text::line_number(self.source, key.start),
                column: text::column_number(self.source, key.start),
                key: key.text,
            });
        }
        if let Some(Open { node: Node { kind: NodeKind::Mapping { pairs, .. }, .. }, .. }) =
            self.open.last_mut()
        {
            let (start, key_end) = (key.start, key.end);
            pairs.push(Pair { key: key.text, start, key_end, merge: key.merge, value: node });
        }
        Ok(())
    }

    fn scalar(
        &self,
        range: Range<usize>,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
    ) -> Result<Value, ManifestError> {
        let at = range.start;
        let string = || Value::String(text.to_owned());
        let plain = || {
            scalar::resolve(text)
                .ok_or_else(|| self.syntax(at, format!("{text} is a number that Kubernetes cannot hold")))
        };
        if style == ScalarStyle::Plain && self.is_in_flow() {
            self.flow_scalar(&range, tag.is_some())?;
        }
        let Some(tag) = tag else {
            return if style == ScalarStyle::Plain { plain() } else { Ok(string()) };
        };
        match tag.suffix_in_namespace(YAML_TAGS).as_deref() {
            Some("null" | "bool" | "int" | "float") => plain(),
            Some(suffix @ ("binary" | "merge")) => {
                let message = format!("the tag !!{suffix} is not supported; write the value that it means");
                Err(self.syntax(at, message))
            }
            _ => Ok(string()),
        }
    }

    fn is_in_flow(&self) -> bool {
        self.open.last().is_some_and(|open| open.node.is_flow())
    }

    /// Refuses an unquoted scalar between brackets that go-yaml splits otherwise (its `yaml_parser_fetch_next_token`
    /// and `yaml_parser_scan_plain_scalar`): a `:` or `?` without white space beside it, and a tag, into
    /// which it takes the comma.
    fn flow_scalar(&self, range: &Range<usize>, tagged: bool) -> Result<(), ManifestError> {
        let written = self.source.get(range.clone()).unwrap_or("");
        let after = self.source.get(range.end..).unwrap_or("");
        let question = written.starts_with('?')
            || written.match_indices('?').any(|(at, _)| {
                self.source
                    .get(range.start + at + 1..)
                    .is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n']))
            });
        let colon = written.starts_with(':')
            || after.strip_prefix(':').is_some_and(|rest| rest.starts_with([',', '[', ']', '{', '}']));
        if question || colon || (tagged && written.is_empty()) {
            let message = "YAML parsers disagree about this text between brackets; put it in quotes";
            return Err(self.syntax(range.start, message.to_owned()));
        }
        Ok(())
    }

    fn too_many_aliases(&self, at: usize) -> ManifestError {
        ManifestError::TooManyAliases { document: self.document(), line: text::line_number(self.source, at) }
    }

    fn alias(&mut self, id: usize, at: usize) -> Result<Value, ManifestError> {
        self.referenced.insert(id);
        let Some(value) = self.anchors.get(&id) else {
            return Err(self.syntax(at, "this alias is inside the very value that it refers to".to_owned()));
        };
        if self.budget.take(value) { Ok(value.clone()) } else { Err(self.too_many_aliases(at)) }
    }

    /// Number (from 1) of the document being read.
    fn document(&self) -> usize {
        self.first + self.trees.len() + 1
    }

    fn syntax(&self, at: usize, message: String) -> ManifestError {
        let at = self.source.floor_char_boundary(at);
        let line = text::line_number(self.source, at);
        let read = self.source.get(self.start..text::line_end(self.source, at)).unwrap_or("");
        if let Some(position) = template_line(read) {
            let line = text::line_number(self.source, self.start) + position;
            return ManifestError::Template { document: self.document(), line };
        }
        let column = text::column_number(self.source, at);
        ManifestError::Syntax { document: self.document(), line, column, message }
    }
}

/// Merges the value of `<<`: as in kubectl's parser, it wins over the pairs before it, and in a list of
/// mappings the earlier ones win.
fn merge_into(
    map: &mut Map<String, Value>,
    merged: &mut HashSet<String>,
    value: Value,
) -> Result<(), &'static str> {
    let mappings = match value {
        Value::Array(items) => items,
        other => vec![other],
    };
    for mapping in mappings.into_iter().rev() {
        let Value::Object(mapping) = mapping else {
            return Err("a merge key (<<) must have a mapping or a list of mappings");
        };
        for (key, value) in mapping {
            if map.insert(key.clone(), value).is_none() {
                merged.insert(key);
            }
        }
    }
    Ok(())
}

/// Which line of `read`, the text up to a syntax error, makes it a template and no YAML. The forms looked for
/// cannot occur in a manifest, while `{{` in quotes can; on the line of the error any place is suspect.
fn template_line(read: &str) -> Option<usize> {
    let last = read.lines().count().saturating_sub(1);
    read.lines().enumerate().position(|(number, line)| {
        let value = [": {{", "- {{"].iter().any(|form| line.contains(form));
        let unquoted = line.split_once("{{").is_some_and(|(before, _)| {
            ['"', '\''].iter().all(|quote| before.matches(*quote).count() % 2 == 0)
        });
        let comment = line.trim_start().starts_with('#');
        unquoted && !comment && (line.trim_start().starts_with("{{") || value || number == last)
    })
}

fn own_style(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    }
}
