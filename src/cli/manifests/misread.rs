//! Values of Namespaces and `LimitRanges` that the API server refuses. Here they would decide nothing, without a word.

use gomemlimit_core::quantity;
use serde_json::Value;

use crate::cli::manifest_files::Severity;

/// The fields of a `LimitRange` with quantities that count for limits.
const FIELDS: [&str; 4] = ["max", "min", "default", "defaultRequest"];

/// A value that is refused.
pub(super) struct Misread {
    /// Its path in the object: tokens of a JSON pointer.
    pub(super) path: Vec<String>,
    /// A text that is no quantity may be one that is not filled in yet: a warning, as for pods.
    pub(super) severity: Severity,
    /// The object, the field and the problem.
    pub(super) text: String,
}

/// What is refused of a Namespace or a `LimitRange`.
pub(super) fn misread(object: &Value) -> Vec<Misread> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let kind = text("/kind");
    let name = Some(text("/metadata/name")).filter(|name| !name.is_empty()).unwrap_or("(without a name)");
    let found = if kind == "Namespace" { annotations(object) } else { limits(object) };
    let misread = |Bad { path, field, severity, problem }| Misread {
        path,
        severity,
        text: format!("{kind} {name}: {field}: {problem}"),
    };
    found.into_iter().map(misread).collect()
}

/// A value that is refused, before the object is named.
struct Bad {
    path: Vec<String>,
    field: String,
    severity: Severity,
    problem: String,
}

impl Bad {
    fn of_type(path: &[&str], field: String, expected: &str, value: &Value) -> Self {
        let problem = format!("expected {expected}, not {}", shown(value));
        Self { path: owned(path), field, severity: Severity::Error, problem }
    }
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|token| (*token).to_owned()).collect()
}

fn annotations(namespace: &Value) -> Vec<Bad> {
    let path = ["metadata", "annotations"];
    match namespace.pointer("/metadata/annotations") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(map)) => {
            let wrong = map.iter().filter(|(_, value)| !value.is_string() && !value.is_null());
            let bad = |(key, value): (&String, &Value)| {
                let [metadata, annotations] = path;
                let field = format!("metadata.annotations: {key}");
                let mut bad = Bad::of_type(&[metadata, annotations, key], field, "a string", value);
                if value.is_boolean() || value.is_number() {
                    bad.problem += "; write it in quotes";
                }
                bad
            };
            wrong.map(bad).collect()
        }
        Some(other) => vec![Bad::of_type(&path, path.join("."), "an object", other)],
    }
}

fn limits(limit_range: &Value) -> Vec<Bad> {
    let items = match limit_range.pointer("/spec/limits") {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(items)) => items,
        Some(other) => {
            return vec![Bad::of_type(&["spec", "limits"], "spec.limits".to_owned(), "a list", other)];
        }
    };
    let fields = items.iter().enumerate().flat_map(|(index, item)| {
        FIELDS.iter().filter_map(move |field| Some((index, *field, item.get(field)?)))
    });
    fields.filter_map(|(index, field, value)| resources(index, field, value)).collect()
}

fn resources(index: usize, field: &str, value: &Value) -> Option<Bad> {
    let (at, name) = (index.to_string(), format!("spec.limits[{index}].{field}"));
    let path = ["spec", "limits", &at, field, "memory"];
    let memory = match value {
        Value::Null => return None,
        Value::Object(resources) => resources.get("memory")?,
        other => return Some(Bad::of_type(path.get(..4).unwrap_or(&path), name, "an object", other)),
    };
    let name = format!("{name}.memory");
    let error = match memory {
        Value::Null => return None,
        Value::String(text) => quantity::parse_hinted(text).err()?,
        Value::Number(number) => quantity::parse_hinted(&number.to_string()).err()?,
        other => return Some(Bad::of_type(&path, name, "a quantity such as 512Mi", other)),
    };
    let problem = format!("{} {error}", shown(memory));
    Some(Bad { path: owned(&path), field: name, severity: Severity::Warning, problem })
}

/// A value for people, or what it is.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        value => value.to_string(),
    }
}
