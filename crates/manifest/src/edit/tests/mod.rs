//! Texts before and after edits, by the style that the text is written in.

mod annotations;
mod block;
mod copies;
mod flow;
mod item;
mod overridden;
mod properties;
mod refused;
mod sharing;
mod sharing_elsewhere;
mod sharing_properties;
mod streams;
mod styles;
mod values;

use serde_json::{Value, json};

use super::*;
use crate::{AliasBudget, read};

/// The documents of a text, or the first error.
fn parse(source: &str) -> Result<Vec<Document>, ManifestError> {
    let documents = read(source, &mut AliasBudget::default()).into_iter();
    documents.map(|document| document.map_err(|unreadable| unreadable.error)).collect()
}

/// An edit of the first document; `path` is a JSON pointer.
fn edit(path: &str, change: Change) -> Edit {
    let tokens = path.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"));
    Edit { path: tokens.collect(), change }
}

fn add(path: &str, value: Value) -> Edit {
    edit(path, Change::Add(value))
}

fn replace(path: &str, value: &str) -> Edit {
    edit(path, Change::Replace(json!(value)))
}

fn variable() -> Value {
    json!({"name": "GOMEMLIMIT", "value": "966367641"})
}

/// The `env` of a container that has none, or has it empty.
fn add_env(container: &str) -> Edit {
    add(&format!("{container}/env"), json!([variable()]))
}

/// One more variable for a container that has some.
fn append_env(container: &str) -> Edit {
    add(&format!("{container}/env/-"), variable())
}

/// The annotation that the webhook sets, on the pod at the root.
fn annotate() -> Edit {
    add("/metadata/annotations/gomemlimit.dev~1status", json!(r#"{"app":"it's 90%"}"#))
}

/// The text with the line ends of Windows.
fn windows(text: &str) -> String {
    text.replace('\n', "\r\n")
}

/// The text with edits of its first document.
fn edited(source: &str, edits: &[Edit]) -> Result<String, ManifestError> {
    let edits: Vec<_> = edits.iter().map(|edit| (0, edit.clone())).collect();
    edited_stream(source, &edits)
}

/// The text with edits, each with the position of its document.
fn edited_stream(source: &str, edits: &[(usize, Edit)]) -> Result<String, ManifestError> {
    let mut text = String::new();
    let mut of_document: Vec<Vec<Edit>> = Vec::new();
    for (document, edit) in edits {
        of_document.resize(of_document.len().max(document + 1), Vec::new());
        of_document[*document].push(edit.clone());
    }
    for document in parse(source)? {
        let edits = of_document.get(document.index).map_or(&[][..], Vec::as_slice);
        text += &super::edit(source, &document, edits)?.text;
    }
    Ok(text)
}

#[track_caller]
fn check(before: &str, edits: &[Edit], after: &str) {
    match edited(before, edits) {
        Ok(text) if text == after => {}
        Ok(text) => panic!("--- got\n{text}\n--- expected\n{after}\n{text:?}"),
        Err(error) => panic!("{error}\n{before}"),
    }
}
