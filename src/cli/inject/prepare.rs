//! The result for one input, ready to be written. Runs on several threads.

use std::{fs::Metadata, mem};

use gomemlimit_manifest::{Document, edit};
use serde_json::Value;

use super::{json_list::JsonObject, report::Report, results, yaml};
use crate::cli::{
    diff,
    manifest_files::{Encoding, Problem, Severity, Source, is_kustomization},
    manifests::{Decided, DecidedDocument, DecidedInput},
};

/// What becomes of the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    AsWritten,
    Yaml,
    Json,
    Diff,
    InPlace,
}

/// One input, done.
pub(super) struct Prepared {
    pub(super) source: Source,
    pub(super) file: Option<Metadata>,
    pub(super) encoding: Encoding,
    /// Whether a container of it gets a value, or has one of this program.
    pub(super) has_values: bool,
    /// Whether it may be a kustomization that changes pods of others.
    pub(super) may_patch: bool,
    pub(super) output: Output,
    pub(super) report: Report,
}

/// In the form that the mode needs.
pub(super) enum Output {
    Texts(Pieces),
    Objects(Vec<JsonObject>),
    Diff(String),
    /// The text to be written; none if it is as before.
    File(Option<String>),
}

/// The text of one input.
pub(super) enum Pieces {
    Whole(String),
    /// An input of several JSON objects, each with what is after it.
    Json(Vec<String>),
}

impl Prepared {
    /// Approximate size, in bytes.
    pub(super) fn size(&self) -> usize {
        match &self.output {
            Output::Texts(Pieces::Whole(text)) | Output::Diff(text) | Output::File(Some(text)) => text.len(),
            Output::Texts(Pieces::Json(texts)) => texts.iter().map(String::len).sum(),
            Output::Objects(objects) => objects.iter().map(JsonObject::size).sum(),
            Output::File(None) => 0,
        }
    }
}

/// Makes the changes of all documents; one that cannot be changed stays as it is, which is an error of the input.
pub(super) fn prepare(input: &mut DecidedInput, mode: Mode, quiet: bool) -> Prepared {
    let has_values = input.decided().any(has_value);
    let may_patch = may_patch(input);
    let is_json = is_json(input);
    let mut report = Report::default();
    let mut texts = Vec::with_capacity(input.documents.len());
    let mut objects = Vec::new();
    for mut one in mem::take(&mut input.documents) {
        let as_written = || input.text.get(one.range.clone()).unwrap_or_default().to_owned();
        let Some(document) = one.document.take() else {
            texts.push(as_written());
            continue;
        };
        let line = document.line;
        let results = results::results(&input.problems, &document, &one, quiet);
        let is_value = mode == Mode::Json || mode == Mode::Yaml && document.is_json;
        let done = if is_value {
            changed_value(document, &one.decided, &results).map(|value| {
                match mode {
                    Mode::Json if value.is_object() => {
                        objects.push(JsonObject::new(value, || format!("{}: line {line}", input.source)));
                    }
                    Mode::Json if value.is_null() => {}
                    Mode::Json => return vec![no_object(line)],
                    _ => texts.push(yaml::text(&value)),
                }
                Vec::new()
            })
        } else {
            changed_text(&input.text, &document, &one, results).map(|(text, notes)| {
                texts.push(text);
                notes
            })
        };
        match done {
            Ok(notes) => {
                one.decided.iter().for_each(|one| report.add(input, one));
                let notes = notes.into_iter().map(|note| format!("{}: {note}", input.source));
                input.problems.extend(notes.map(|note| Problem::new(Severity::Note, note)));
            }
            Err(sentence) => {
                texts.push(as_written());
                let text = format!("{}: {sentence}", input.source);
                input.problems.push(Problem::new(Severity::Error, text));
            }
        }
    }
    let output = match mode {
        Mode::Json => Output::Objects(objects),
        Mode::AsWritten if is_json => Output::Texts(Pieces::Json(texts)),
        Mode::Yaml if is_json => Output::Texts(Pieces::Whole(texts.join("---\n"))),
        Mode::AsWritten | Mode::Yaml => Output::Texts(Pieces::Whole(whole(input, &texts))),
        Mode::Diff => {
            let name = input.source.path().map_or_else(|| input.source.to_string().into_bytes(), diff::name);
            Output::Diff(diff::unified(&name, &input.text, &whole(input, &texts)))
        }
        Mode::InPlace => Output::File(Some(whole(input, &texts)).filter(|text| *text != input.text)),
    };
    if matches!(&output, Output::Diff(diff) if !diff.is_empty()) && input.encoding != Encoding::Utf8 {
        let warning = format!(
            "{}: it is UTF-16, and the diff is UTF-8: --in-place changes it, patch and git apply do not",
            input.source
        );
        input.problems.push(Problem::new(Severity::Warning, warning));
    }
    let (source, file, encoding) = (input.source.clone(), input.file.take(), input.encoding);
    Prepared { source, file, encoding, has_values, may_patch, output, report }
}

fn has_value(one: &Decided) -> bool {
    one.decision.containers.iter().any(|container| container.outcome.reason.is_set())
}

/// Whether something in a kustomization may change the pods of its resources.
fn may_patch(input: &DecidedInput) -> bool {
    input.source.path().is_some_and(is_kustomization)
        && ["patch", "replacements", "components", "transformers", "generators"]
            .iter()
            .any(|key| input.text.contains(key))
}

fn no_object(line: usize) -> String {
    format!("line {line}: this is left out, because it is no object: kubectl reads no List that has it")
}

fn is_json(input: &DecidedInput) -> bool {
    let first = input.documents.iter().find_map(|one| one.document.as_ref());
    first.is_some_and(|document| document.is_json)
}

/// An input of nothing but comments has no documents.
fn whole(input: &DecidedInput, texts: &[String]) -> String {
    if texts.is_empty() { input.text.clone() } else { texts.concat() }
}

fn changed_text(
    source: &str,
    document: &Document,
    one: &DecidedDocument,
    results: Vec<Value>,
) -> Result<(String, Vec<String>), String> {
    let edits: Result<Vec<_>, _> = one.decided.iter().map(Decided::edits).collect();
    let mut edits = edits.map_err(|error| error.to_string())?.concat();
    edits.extend(results::edits(&document.value, results));
    if edits.is_empty() {
        return Ok((source.get(document.range.clone()).unwrap_or_default().to_owned(), Vec::new()));
    }
    let edited = edit(source, document, &edits).map_err(|error| error.to_string())?;
    Ok((edited.text, edited.notes))
}

/// The value of the document with the patches of its pods; anchors do not matter in it.
fn changed_value(document: Document, decided: &[Decided], results: &[Value]) -> Result<Value, String> {
    let mut value = document.value;
    for one in decided {
        let Some(pod) = value.pointer_mut(&one.location.pointer()) else { continue };
        let patch =
            serde_json::to_value(&one.operations).and_then(serde_json::from_value::<json_patch::Patch>);
        let patch = patch.map_err(|error| error.to_string())?;
        json_patch::patch(pod, &patch).map_err(|error| format!("{}: {error}", one.object()))?;
    }
    if let (false, Some(list)) = (results.is_empty(), value.as_object_mut()) {
        let all = list.entry("results").or_insert_with(|| Value::Array(Vec::new()));
        all.as_array_mut().into_iter().for_each(|all| all.extend_from_slice(results));
    }
    Ok(value)
}
