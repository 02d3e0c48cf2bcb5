//! `-o json`: one object, or a List that is written an input at a time.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    report::Report,
    stdout::{NotWritten, write},
};
use crate::cli::output::json_text;

/// With the keys in the order in which [`json_text`] writes them, so that a second run prints the same.
const BEGIN: &str = "{\n  \"apiVersion\": \"v1\",\n  \"items\": [";
const END: &str = "],\n  \"kind\": \"List\"\n}\n";

/// An object as JSON of several lines.
pub(super) struct JsonObject {
    text: String,
    /// The items of a list, each with kind and version: kubectl reads no List in a List.
    items: Option<Vec<String>>,
}

impl JsonObject {
    pub(super) fn new(object: &Value) -> Self {
        Self { text: json_text(object), items: items(object) }
    }

    /// Approximate size, in bytes.
    pub(super) fn size(&self) -> usize {
        self.text.len() + self.items.iter().flatten().map(String::len).sum::<usize>()
    }

    fn into_items(self) -> Vec<String> {
        self.items.unwrap_or_else(|| vec![self.text])
    }
}

/// The objects of a list and of the lists in it; none if it is no list, or if one of them lacks its kind. Those of a
/// `PodList` need not repeat it for kubectl, but in a List they do.
fn items(list: &Value) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for item in list.get("items")?.as_array()? {
        let item = with_kind(item, list);
        let has = |key: &str| item.get(key).is_some_and(Value::is_string);
        if !has("kind") || !has("apiVersion") {
            return None;
        }
        match items(&item) {
            Some(inner) => all.extend(inner),
            None => all.push(json_text(&item)),
        }
    }
    Some(all)
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
                self.put(first)?;
            }
            if self.is_list {
                self.put(object)?;
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

    fn put(&mut self, object: JsonObject) -> Result<(), NotWritten> {
        for item in object.into_items() {
            let before = if self.has_items { "," } else { "" };
            write(&format!("{before}\n{}", indented(&item)))?;
            self.has_items = true;
        }
        Ok(())
    }

    pub(super) fn finish(mut self, quiet: bool) -> Result<(), NotWritten> {
        match self.first.take() {
            Some(object) => write(&object.text)?,
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

/// An item of the List; no text of JSON has a line end.
fn indented(object: &str) -> String {
    let lines: Vec<_> = object.lines().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}
