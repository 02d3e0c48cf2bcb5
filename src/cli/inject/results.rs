//! The `results` of a ResourceList, by which kustomize and kpt show what was done.

use gomemlimit_core::Reason;
use gomemlimit_manifest::Change;
use serde_json::{Value, json};

use super::report::outcome;
use crate::cli::{
    manifests::{Decided, DecidedDocument, DecidedInput, Document, Edit, Severity},
    resource_list::{self, is_resource_list, result},
};

/// The results of earlier functions, and those about the pods of a document: about each container, or, if `quiet`, about
/// what is wrong. None if this is no ResourceList, or if there is nothing to add.
pub(super) fn results(
    input: &DecidedInput,
    document: &Document,
    one: &DecidedDocument,
    quiet: bool,
) -> Option<Value> {
    let list = Some(&document.value).filter(|value| is_resource_list(value))?;
    let added: Vec<_> =
        unreadable(input).chain(one.decided.iter().flat_map(|one| of_pod(list, one, quiet))).collect();
    if added.is_empty() {
        return None;
    }
    let mut all = list.get("results").and_then(Value::as_array).cloned().unwrap_or_default();
    all.extend(added);
    Some(Value::Array(all))
}

/// The edit that writes them.
pub(super) fn edit(document: &Document, results: Value) -> Edit {
    let is_there = document.value.get("results").is_some();
    let change = if is_there { Change::Replace(results) } else { Change::Add(results) };
    Edit { path: vec!["results".to_owned()], change }
}

fn unreadable(input: &DecidedInput) -> impl Iterator<Item = Value> {
    let errors = input.problems.iter().filter(|problem| problem.severity == Severity::Error);
    errors.map(|problem| json!({"message": problem.text, "severity": "error"}))
}

fn of_pod(list: &Value, one: &Decided, quiet: bool) -> Vec<Value> {
    use resource_list::Severity::{Info, Warning};
    let warnings = &one.decision.warnings;
    let containers = one.decision.containers.iter().filter_map(|container| {
        let severity = if container.outcome.reason == Reason::InvalidLimit { Warning } else { Info };
        let path = ["spec", container.list.as_str(), &container.index.to_string()].map(String::from);
        let text = format!("container {}: {}", container.name(), outcome(container, warnings));
        (severity == Warning || !quiet).then(|| result(list, &one.location, &path, severity, &text))
    });
    let warnings = warnings.iter().map(|warning| result(list, &one.location, &[], Warning, &warning.text));
    containers.chain(warnings).collect()
}
