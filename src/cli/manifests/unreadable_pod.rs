//! The sentence about a pod that cannot be decided: its object, the container, the field and the advice.

use gomemlimit_core::Pod;
use gomemlimit_manifest::{PodLocation, first_bad};
use serde_json::Value;

/// A pod with a value of another type than its field has.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(in crate::cli) struct UnreadablePod {
    /// Path of the value in its object: tokens of a JSON pointer.
    pub(super) path: Vec<String>,
    text: String,
}

impl UnreadablePod {
    /// For an error of [`Pod::parse`] of this pod.
    pub(super) fn new(location: &PodLocation, pod: &Value, error: &serde_json::Error) -> Self {
        let path = first_bad(pod, |pod| Pod::parse(&pod.to_string()).is_ok());
        let place = format!(" at line {} column {}", error.line(), error.column());
        let problem = error.to_string();
        let problem = problem.strip_suffix(&place).unwrap_or(&problem);
        let name = if location.name.is_empty() { "(without a name)" } else { &location.name };
        let object = format!("{} {name}", location.kind);
        let in_object = location.path.iter().chain(&path);
        let text = match container(pod, &path) {
            // The sentence names the variable.
            Some((container, _)) if problem.starts_with("the value of variable ") => {
                format!("{object}, {container}: {}", in_words(problem, pod, &path))
            }
            Some((container, field)) if !field.is_empty() => {
                format!("{object}, {container}: {}: {}", dotted(field.iter()), in_words(problem, pod, &path))
            }
            _ => format!("{object}: {}: {}", dotted(in_object), in_words(problem, pod, &path)),
        };
        Self { path: location.path.iter().chain(&path).cloned().collect(), text }
    }
}

/// The container that a path leads into, and the rest of the path.
fn container<'p>(pod: &Value, path: &'p [String]) -> Option<(String, &'p [String])> {
    let [spec, list, index, field @ ..] = path else { return None };
    let what = match list.as_str() {
        _ if spec != "spec" => return None,
        "containers" => "container",
        "initContainers" => "init container",
        "ephemeralContainers" => "ephemeral container",
        _ => return None,
    };
    let container = pod.get(spec)?.get(list)?.get(index.parse::<usize>().ok()?)?;
    let name = container.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.map_or_else(|| format!("{list}[{index}]"), str::to_owned);
    Some((format!("{what} {name}"), field))
}

/// `env[0].value`.
fn dotted<'p>(path: impl Iterator<Item = &'p String>) -> String {
    let mut text = String::new();
    for token in path {
        if token.bytes().all(|byte| byte.is_ascii_digit()) {
            text.extend(["[", token, "]"]);
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text += token;
        }
    }
    text
}

/// The problem in words of YAML, with the advice that it lacks.
fn in_words(problem: &str, pod: &Value, path: &[String]) -> String {
    if let Some((found, expected)) =
        problem.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    {
        let found = match found {
            "sequence" => "a list".to_owned(),
            "map" => "an object".to_owned(),
            other => other.replace('`', ""),
        };
        return format!("expected {expected}, not {found}");
    }
    let value = path.iter().try_fold(pod, |value, token| match value {
        Value::Array(items) => items.get(token.parse::<usize>().ok()?),
        value => value.get(token),
    });
    let is_unquoted = value.is_some_and(|value| value.is_boolean() || value.is_number());
    if is_unquoted && problem.ends_with("is not a string") {
        return format!("{problem}; put it in quotes");
    }
    problem.to_owned()
}
