//! The `results` of a `ResourceList`, by which kustomize and kpt show what was done.

use gomemlimit_core::Reason;
use gomemlimit_manifest::{Change, Document, Edit};
use serde_json::{Value, json};

use super::report::outcome;
use crate::cli::{
    manifest_files::{Problem, Severity},
    manifests::{Decided, DecidedDocument},
    resource_list::{self, is_resource_list, result},
};

/// The results about the pods of a document: about each container, or, if `quiet`, about what is wrong. Empty if this is no
/// `ResourceList`. They come after those of earlier functions.
pub(super) fn results(
    problems: &[Problem],
    document: &Document,
    one: &DecidedDocument,
    quiet: bool,
) -> Vec<Value> {
    let list = &document.value;
    if !is_resource_list(list) {
        return Vec::new();
    }
    let earlier = list.get("results").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let of_pods = one.decided.iter().flat_map(|one| of_pod(list, one, quiet));
    // A second run says nothing twice.
    unreadable(problems).chain(of_pods).filter(|result| !earlier.contains(result)).collect()
}

/// The edits that write them: a single one, if there are none yet.
pub(super) fn edits(list: &Value, results: Vec<Value>) -> Vec<Edit> {
    let edit = |path: &[&str], value| Edit {
        path: path.iter().map(|&token| token.to_owned()).collect(),
        change: Change::Add(value),
    };
    let is_empty = |earlier: &Value| earlier.is_null() || earlier.as_array().is_some_and(Vec::is_empty);
    if results.is_empty() {
        Vec::new()
    } else if list.get("results").is_none_or(is_empty) {
        vec![edit(&["results"], Value::Array(results))]
    } else {
        results.into_iter().map(|result| edit(&["results", "-"], result)).collect()
    }
}

fn unreadable(problems: &[Problem]) -> impl Iterator<Item = Value> {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    errors
        .map(|problem| json!({"message": problem.text, "severity": resource_list::Severity::Error.as_str()}))
}

fn of_pod(list: &Value, one: &Decided, quiet: bool) -> Vec<Value> {
    use resource_list::Severity::{Info, Warning};
    let warnings = &one.decision.warnings;
    let containers = one.decision.containers.iter().filter_map(|container| {
        let severity = if container.outcome.reason == Reason::InvalidLimit { Warning } else { Info };
        let path = ["spec", container.list.as_str(), &container.index.to_string()].map(String::from);
        let text = format!("container {}: {}", container.label(), outcome(container, warnings));
        (severity == Warning || !quiet).then(|| result(list, &one.location, &path, severity, &text))
    });
    let warnings = warnings.iter().map(|warning| result(list, &one.location, &[], Warning, &warning.text));
    containers.chain(warnings).collect()
}
