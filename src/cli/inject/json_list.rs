//! `-o json`: one object, or a List that is written an input at a time.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    report::Report,
    stdout::{NotWritten, write},
};
use crate::cli::output::{self, json_text};

/// With the keys in the order in which [`json_text`] writes them, so that a second run prints the same.
const BEGIN: &str = "{\n  \"apiVersion\": \"v1\",\n  \"items\": [";
const END: &str = "],\n  \"kind\": \"List\"\n}\n";

/// The key of the objects in a list, and it without any in a list of several lines.
const ITEMS: &str = "items";
const NO_ITEMS: &str = "\n  \"items\": []";

/// A note about a list among several objects.
const ITEMS_LEFT_OUT: &str =
    "items of this list are left out, because they are no objects: kubectl reads no List that has them";

/// An object as JSON of several lines.
pub(super) enum JsonObject {
    One(String),
    /// A list that has items without a kind, and what is an object of it: a single list in a List, and kubectl reads
    /// nothing of all.
    Doubtful {
        text: String,
        items: Vec<String>,
        /// About what is left out of a List.
        note: Option<String>,
    },
    /// The list without its items, and these, each with kind and version: kubectl reads no List in a List.
    List {
        frame: String,
        items: Vec<String>,
    },
}

impl JsonObject {
    /// `place` is that of the object in a message.
    pub(super) fn new(mut object: Value, place: impl FnOnce() -> String) -> Self {
        let Some(list) = list_of(&object) else { return Self::One(json_text(&object)) };
        let mut found = Items { texts: Vec::new(), have_kinds: true, are_objects: true };
        found.add(&object, list);
        let Items { texts: items, have_kinds, are_objects } = found;
        if !have_kinds {
            let note = (!are_objects).then(|| format!("{}: {ITEMS_LEFT_OUT}", place()));
            return Self::Doubtful { text: json_text(&object), items, note };
        }
        if let Some(items) = object.get_mut(ITEMS) {
            *items = Value::Array(Vec::new());
        }
        Self::List { frame: json_text(&object), items }
    }

    /// Approximate size, in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::One(text) => text.len(),
            Self::Doubtful { text: frame, items, .. } | Self::List { frame, items } => {
                frame.len() + items.iter().map(String::len).sum::<usize>()
            }
        }
    }

    /// Writes it as the only object.
    fn write_alone(self) -> Result<(), NotWritten> {
        match self {
            Self::One(text) | Self::Doubtful { text, .. } => write(&text),
            Self::List { frame, items } => {
                // The first line with this indentation: no text of JSON has a line end.
                let Some((before, after)) = frame.split_once(NO_ITEMS).filter(|_| !items.is_empty()) else {
                    return write(&frame);
                };
                write(&format!("{before}{}", NO_ITEMS.trim_end_matches(']')))?;
                for (index, item) in items.iter().enumerate() {
                    write_item(item, index == 0)?;
                }
                write(&format!("\n  ]{after}"))
            }
        }
    }

    /// What it is in a List, and a note about what is left out.
    fn into_items(self) -> (Vec<String>, Option<String>) {
        match self {
            Self::One(text) => (vec![text], None),
            Self::List { items, .. } => (items, None),
            Self::Doubtful { items, note, .. } => (items, note),
        }
    }
}

fn list_of(object: &Value) -> Option<&Vec<Value>> {
    object.get(ITEMS)?.as_array()
}

/// The objects of a list and of the lists in it.
struct Items {
    texts: Vec<String>,
    /// Whether each has its kind, and is an object: others do not come into `texts`.
    have_kinds: bool,
    are_objects: bool,
}

impl Items {
    /// Adds those of `items`, which are the items of `list`. Those of a `PodList` need not repeat their kind for kubectl, but in
    /// a List they do.
    fn add(&mut self, list: &Value, items: &[Value]) {
        for item in items {
            let item = with_kind(item, list);
            let has = |key: &str| item.get(key).is_some_and(Value::is_string);
            self.have_kinds &= has("kind") && has("apiVersion");
            match list_of(&item) {
                Some(inner) => self.add(&item, inner),
                None if item.is_object() => self.texts.push(json_text(&item)),
                None => self.are_objects = false,
            }
        }
    }
}

/// An item with the kind and API version that its list implies, if it has neither.
fn with_kind<'v>(item: &'v Value, list: &Value) -> Cow<'v, Value> {
    let text = |key: &str| list.get(key).and_then(Value::as_str);
    let kind = text("kind").and_then(|kind| kind.strip_suffix("List")).filter(|kind| !kind.is_empty());
    match (item, kind.zip(text("apiVersion"))) {
        (Value::Object(item), Some((kind, version)))
            if !item.contains_key("kind") && !item.contains_key("apiVersion") =>
        {
            let mut item = item.clone();
            item.extend(
                [("kind", kind), ("apiVersion", version)].map(|(key, text)| (key.to_owned(), text.into())),
            );
            Cow::Owned(item.into())
        }
        _ => Cow::Borrowed(item),
    }
}

#[derive(Default)]
pub(super) struct JsonList {
    /// The first object: alone it is no List.
    first: Option<JsonObject>,
    reports: Vec<Report>,
    is_list: bool,
    has_items: bool,
}

impl JsonList {
    pub(super) fn take(
        &mut self,
        objects: Vec<JsonObject>,
        report: Report,
        quiet: bool,
    ) -> Result<(), NotWritten> {
        for object in objects {
            if let Some(first) = self.first.take() {
                write(BEGIN)?;
                self.is_list = true;
                self.put(first, quiet)?;
            }
            if self.is_list {
                self.put(object, quiet)?;
            } else {
                self.first = Some(object);
            }
        }
        self.reports.push(report);
        // Before there is a List, nothing is written.
        if self.is_list {
            self.print(quiet);
        }
        Ok(())
    }

    fn put(&mut self, object: JsonObject, quiet: bool) -> Result<(), NotWritten> {
        let (items, note) = object.into_items();
        for item in items {
            write_item(&item, !self.has_items)?;
            self.has_items = true;
        }
        if let Some(note) = note.filter(|_| !quiet) {
            output::note(&note);
        }
        Ok(())
    }

    pub(super) fn finish(mut self, quiet: bool) -> Result<(), NotWritten> {
        match self.first.take() {
            Some(object) => object.write_alone()?,
            None if self.has_items => write(&format!("\n  {END}"))?,
            None if self.is_list => write(END)?,
            None => write(&format!("{BEGIN}{END}"))?,
        }
        self.print(quiet);
        Ok(())
    }

    fn print(&mut self, quiet: bool) {
        self.reports.drain(..).for_each(|report| report.print(quiet));
    }
}

/// Writes an item of a List.
fn write_item(item: &str, is_first: bool) -> Result<(), NotWritten> {
    let mut text = String::with_capacity(item.len() * 3 / 2);
    // No text of JSON has a line end.
    for (index, line) in item.lines().enumerate() {
        text += if index == 0 && !is_first { ",\n    " } else { "\n    " };
        text += line;
    }
    write(&text)
}
