//! Builds trees of documents from the events of the YAML parser, or from tokens of JSON.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::mem;
use std::ops::Range;

use granit_parser::{Event, ScalarStyle, Span, StructureStyle, Tag};
use serde_json::{Map, Value, map::Entry};

use super::flow_scalar;
use super::open::{Key, Open, Values, merge_into};
use crate::alias_budget::AliasBudget;
use crate::error::ManifestError;
use crate::text::{Cursor, first_text, line_end, line_start};
use crate::tree::{KeyPosition, Node, NodeKind, Overridden, Pair, Style, Tree};
use crate::{scalar, template};

/// The prefix of the tags that YAML itself defines.
const YAML_TAGS: &str = "tag:yaml.org,2002:";

pub(super) struct Composer<'s, 'b> {
    source: &'s str,
    /// The part that is read.
    range: Range<usize>,
    /// A place before all that is read.
    place: Cursor<'s>,
    /// Number (from 1) of the first document.
    first: usize,
    pub(super) trees: Vec<Tree>,
    /// First byte of the document being read.
    pub(super) start: usize,
    /// Whether it starts with `---`.
    marked: bool,
    /// Whether a document has begun and not ended.
    pub(super) is_in_document: bool,
    /// The byte up to which the text is read.
    pub(super) seen: usize,
    pub(super) open: Vec<Open>,
    anchors: HashMap<usize, Value>,
    referenced: HashSet<usize>,
    /// Keys of the document that their mapping has already, and the bytes at which they are.
    duplicates: Vec<(usize, String)>,
    overridden: Vec<Overridden>,
    /// Whether the trees get their nodes.
    keeps_nodes: bool,
    budget: &'b mut AliasBudget,
}

impl<'s, 'b> Composer<'s, 'b> {
    pub(super) fn new(
        source: &'s str,
        range: Range<usize>,
        place: Cursor<'s>,
        first: usize,
        keeps_nodes: bool,
        budget: &'b mut AliasBudget,
    ) -> Self {
        Self {
            source,
            place,
            first,
            trees: Vec::new(),
            start: range.start,
            marked: false,
            is_in_document: false,
            seen: range.start,
            open: Vec::new(),
            anchors: HashMap::new(),
            referenced: HashSet::new(),
            duplicates: Vec::new(),
            overridden: Vec::new(),
            keeps_nodes,
            budget,
            range,
        }
    }

    pub(super) fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), ManifestError> {
        let range = span.byte_range().unwrap_or_default();
        // The last line may have got a line break.
        let in_text = |at: usize| (at + self.range.start).min(self.range.end);
        let (start, end) = (in_text(range.start), in_text(range.end));
        let node = |kind, anchor, tagged| Node { start, end, anchor, tagged, kind };
        match event {
            Event::DocumentStart(marked, _) => {
                self.start = if marked { start } else { self.unmarked_start(start) };
                self.marked = marked;
                self.is_in_document = true;
                self.anchors.clear();
                self.referenced.clear();
            }
            Event::DocumentEnd => self.is_in_document = false,
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(start..end, text, style, tag.as_deref())?;
                self.close(node(NodeKind::Scalar(own_style(style)), anchor, tag.is_some()), value)?;
            }
            Event::Alias(id) => {
                let value = self.alias(id, start)?;
                self.close(node(NodeKind::Alias(id), 0, false), value)?;
            }
            Event::SequenceStart(style, anchor, tag) => {
                let kind = NodeKind::Sequence { flow: style == StructureStyle::Flow, items: Vec::new() };
                self.open.push(Open::new(node(kind, anchor, tag.is_some())));
            }
            Event::MappingStart(style, anchor, tag) => {
                let kind = NodeKind::Mapping { flow: style == StructureStyle::Flow, pairs: Vec::new() };
                self.open.push(Open::new(node(kind, anchor, tag.is_some())));
            }
            Event::Anchor(_, name) => self.anchor_name(start, &name)?,
            Event::SequenceEnd | Event::MappingEnd => self.end_collection(end)?,
            // Comments are not asked for, and the other events carry nothing that is needed here.
            _ => {}
        }
        self.seen = self.seen.max(end);
        Ok(())
    }

    /// First byte of a document without `---`, which for the parser starts at `start`: if it is a block scalar, after the line
    /// of its `|` or `>`.
    fn unmarked_start(&self, start: usize) -> usize {
        let mut text = first_text(self.source, self.seen);
        while text < start && self.source.get(text..).is_some_and(|rest| rest.starts_with("...")) {
            text = first_text(self.source, line_end(self.source, text));
        }
        text.min(start)
    }

    /// Refuses a name that go-yaml ends at a `:` or `?`, at which its value then begins.
    fn anchor_name(&self, at: usize, name: &str) -> Result<(), ManifestError> {
        if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
            return Ok(());
        }
        let message = "kubectl reads this anchor otherwise; use letters, digits, - and _ only";
        Err(self.syntax(at, message.to_owned()))
    }

    pub(super) fn end_collection(&mut self, end: usize) -> Result<(), ManifestError> {
        let Some(Open { mut node, values }) = self.open.pop() else {
            return Err(self.syntax(end, "a list or mapping ends that did not begin".to_owned()));
        };
        node.end = end;
        let value = match values {
            Values::Sequence(items) => Value::Array(items),
            Values::Mapping { map, merged, .. } => {
                self.add_overridden(&node, &map, merged);
                Value::Object(map)
            }
        };
        self.close(node, value)
    }

    /// Adds the pairs of a mapping that its merge keys override.
    fn add_overridden(
        &mut self,
        mapping: &Node,
        map: &Map<String, Value>,
        merged: HashMap<String, Option<Value>>,
    ) {
        let mut values: HashMap<_, _> =
            merged.into_iter().filter_map(|(key, own)| Some((key, own?))).collect();
        for pair in mapping.pairs().iter().rev().filter(|pair| !pair.merge) {
            if values.is_empty() {
                return;
            }
            let Some((key, value)) = values.remove_entry(&pair.key) else { continue };
            let Cursor { line, column, .. } = self.place.forward(pair.start);
            let is_same = map.get(&key) == Some(&value);
            let differs = (!is_same).then_some(KeyPosition { line, column, key });
            self.overridden.push(Overridden { start: pair.start, value, differs });
        }
    }

    /// Adds a complete node to the innermost open list or mapping, or makes it the root.
    pub(super) fn close(&mut self, node: Node, value: Value) -> Result<(), ManifestError> {
        if node.anchor != 0 {
            if !self.budget.take(&value) {
                return Err(self.too_many_aliases(node.start));
            }
            self.anchors.insert(node.anchor, value.clone());
        }
        match self.open.last_mut() {
            None => {
                let referenced = mem::take(&mut self.referenced);
                let duplicate_keys = self.duplicate_keys();
                let mut overridden = mem::take(&mut self.overridden);
                overridden.sort_unstable_by_key(|pair| pair.start);
                let (start, marked) = (self.start, self.marked);
                self.is_in_document = false;
                self.trees.push(Tree {
                    value,
                    start,
                    marked,
                    root: node,
                    referenced,
                    duplicate_keys,
                    overridden,
                });
                Ok(())
            }
            Some(Open { node: parent, values: Values::Sequence(values) }) => {
                values.push(value);
                if let (true, NodeKind::Sequence { items, .. }) = (self.keeps_nodes, &mut parent.kind) {
                    items.push(node);
                }
                Ok(())
            }
            Some(Open { values: Values::Mapping { key, .. }, .. }) => match key.take() {
                None => self.key(&node, value),
                Some(key) => self.pair(key, node, value),
            },
        }
    }

    fn key(&mut self, node: &Node, value: Value) -> Result<(), ManifestError> {
        let written = self.source.get(node.start..node.end).unwrap_or("");
        let (text, other) = match value {
            Value::String(text) => (text, None),
            Value::Bool(_) => (value.to_string(), Some(value)),
            Value::Number(ref number) => {
                let text = scalar::number_key(number).ok_or_else(|| {
                    let message = format!("kubectl writes the key {written} otherwise; put it in quotes");
                    self.syntax(node.start, message)
                })?;
                (text, Some(value))
            }
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
            *key = Some(Key { text, other, start: node.start, end: node.end, merge });
        }
        Ok(())
    }

    fn pair(&mut self, key: Key, node: Node, value: Value) -> Result<(), ManifestError> {
        let Key { text, other, start, end: key_end, merge } = key;
        let Some(Open { node: parent, values: Values::Mapping { map, merged, others, .. } }) =
            self.open.last_mut()
        else {
            return Err(self.syntax(start, "this entry is in no mapping".to_owned()));
        };
        if let (true, NodeKind::Mapping { pairs, .. }) = (self.keeps_nodes, &mut parent.kind) {
            pairs.push(Pair { key: text.clone(), start, key_end, merge, value: node });
        }
        if merge {
            return merge_into(map, merged, value).map_err(|message| self.syntax(start, message.to_owned()));
        }
        match map.entry(text) {
            Entry::Vacant(entry) => {
                if let Some(other) = other {
                    others.insert(entry.key().clone(), other);
                }
                entry.insert(value);
            }
            Entry::Occupied(mut entry) => {
                entry.insert(value);
                let text = entry.key();
                if matches!(merged.remove(text), Some(None)) {
                    if let Some(other) = other {
                        others.insert(text.clone(), other);
                    }
                    return Ok(());
                }
                if others.get(text) == other.as_ref() {
                    self.duplicates.push((start, text.clone()));
                } else {
                    let message = format!("kubectl takes one of the two keys {text} by chance; remove one");
                    return Err(self.syntax(start, message));
                }
            }
        }
        Ok(())
    }

    fn scalar(
        &self,
        range: Range<usize>,
        text: Cow<'_, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
    ) -> Result<Value, ManifestError> {
        let at = range.start;
        if self.is_key_in_flow() && flow_scalar::is_key_over_lines(self.source, &range) {
            return Err(self.syntax(at, flow_scalar::KEY_OVER_LINES.to_owned()));
        }
        let plain = |text: &str| {
            scalar::resolve(text)
                .ok_or_else(|| self.syntax(at, format!("{text} is a number that Kubernetes cannot hold")))
        };
        let is_plain_in_flow = style == ScalarStyle::Plain && self.is_in_flow();
        if is_plain_in_flow && flow_scalar::is_split(self.source, &range, tag.is_some()) {
            return Err(self.syntax(at, flow_scalar::SPLIT.to_owned()));
        }
        let Some(tag) = tag else {
            return if style == ScalarStyle::Plain { plain(&text) } else { Ok(Value::String(text.into())) };
        };
        match tag.suffix_in_namespace(YAML_TAGS).as_deref() {
            Some("null" | "bool" | "int" | "float") => plain(&text),
            Some(suffix @ ("binary" | "merge")) => {
                let message = format!("the tag !!{suffix} is not supported; write the value that it means");
                Err(self.syntax(at, message))
            }
            _ => Ok(Value::String(text.into())),
        }
    }

    fn is_in_flow(&self) -> bool {
        self.open.last().is_some_and(|open| open.node.is_flow())
    }

    fn is_key_in_flow(&self) -> bool {
        let is_key = |open: &Open| matches!(open.values, Values::Mapping { key: None, .. });
        self.open.last().is_some_and(|open| open.node.is_flow() && is_key(open))
    }

    fn too_many_aliases(&self, at: usize) -> ManifestError {
        ManifestError::TooManyAliases { document: self.document(), line: self.place.forward(at).line }
    }

    /// The duplicate keys of the document, in their order.
    fn duplicate_keys(&mut self) -> Vec<KeyPosition> {
        let mut keys = mem::take(&mut self.duplicates);
        keys.sort_unstable();
        let mut place = self.place;
        keys.into_iter()
            .map(|(at, key)| {
                place = place.forward(at);
                KeyPosition { line: place.line, column: place.column, key }
            })
            .collect()
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
        self.first + self.trees.len()
    }

    pub(super) fn syntax(&self, at: usize, message: String) -> ManifestError {
        let document = self.document();
        // What was read before is no reason for an error behind it.
        let suspect = line_start(self.source, self.seen.min(at)).max(self.range.start);
        let text = self.source.get(suspect..line_end(self.source, at)).unwrap_or("");
        if let Some(offset) = template::first_line(text) {
            let line = self.place.forward(suspect + offset).line;
            let is_helm = template::is_helm(self.source.get(self.range.clone()).unwrap_or(""));
            return ManifestError::Template { document, line, is_helm };
        }
        let Cursor { line, column, .. } = self.place.forward(at);
        ManifestError::Syntax { document, line, column, message }
    }
}

fn own_style(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    }
}
