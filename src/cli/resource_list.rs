//! KRM functions: `kind: ResourceList`, in which kustomize and kpt hand over objects, with settings in `functionConfig`, and
//! take them back, with `results` (<https://github.com/kubernetes-sigs/kustomize/blob/master/cmd/config/docs/api-conventions/functions-spec.md>).

use std::borrow::Cow;

use gomemlimit_core::{
    Policy,
    settings::{Setting, SettingError, Words},
};
use gomemlimit_manifest::{Document, PodLocation, key_position, position};
use serde_json::{Map, Value, json};

const ENV_FROM: &str = "env-from";
const INIT_CONTAINERS: &str = "init-containers";

/// A `functionConfig` that is not understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum FunctionConfigError {
    /// `data` or `spec` is something else than a mapping.
    #[error("functionConfig: {0} is not a mapping of names of settings to their values")]
    NotAMapping(&'static str),
    /// No setting has this name.
    #[error("functionConfig: {field}: there is no setting {name:?}; one of {}", names().join(", "))]
    Unknown {
        /// `data` or `spec`.
        field: &'static str,
        /// The name.
        name: String,
    },
    /// A value is no text and no number.
    #[error("functionConfig: {field}: {name} is neither a text nor a number")]
    NotText {
        /// `data` or `spec`.
        field: &'static str,
        /// Name of the setting.
        name: String,
    },
    /// A setting has no such value.
    #[error("functionConfig: {field}: {name}: {text:?}: {problem}")]
    Setting {
        /// `data` or `spec`.
        field: &'static str,
        /// Name of the setting.
        name: String,
        /// The text.
        text: String,
        /// What is wrong with it.
        problem: SettingError,
    },
}

impl FunctionConfigError {
    /// Line and column, both from 1, of what is not understood in the document of `source`: the key of a setting that there is
    /// not, or else the value.
    pub(super) fn position(&self, source: &str, document: &Document) -> (usize, usize) {
        let path = |field: &str| ["functionConfig", field].map(str::to_owned).to_vec();
        let of = |field: &str, name: &String| [path(field), vec![name.clone()]].concat();
        let found = match self {
            Self::NotAMapping(field) => position(source, document, &path(field)),
            Self::Unknown { field, name } => key_position(source, document, &of(field, name)),
            Self::NotText { field, name } | Self::Setting { field, name, .. } => {
                position(source, document, &of(field, name))
            }
        };
        found.unwrap_or((document.line, 1))
    }
}

/// Names of settings, as flags, annotations and policy files have them.
fn names() -> Vec<&'static str> {
    Setting::ALL.iter().map(|setting| setting.as_str()).chain([ENV_FROM, INIT_CONTAINERS]).collect()
}

/// Whether this is the input of a KRM function.
pub(super) fn is_resource_list(value: &Value) -> bool {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    text("kind") == "ResourceList" && text("apiVersion").starts_with("config.kubernetes.io/")
}

/// The policy for the pods of a document. In a `ResourceList` settings of its `functionConfig` are stronger than flags and
/// weaker than annotations: `data` of a ConfigMap, `spec` of any other kind. Names are those of flags (`min-limit`), or of
/// a policy file (`minLimit`).
///
/// # Errors
///
/// If a setting is not known or has an invalid value.
pub(super) fn policy<'p>(
    document: &Value,
    flags: &'p Policy,
) -> Result<Cow<'p, Policy>, FunctionConfigError> {
    match document.get("functionConfig").filter(|_| is_resource_list(document)) {
        None => Ok(Cow::Borrowed(flags)),
        Some(config) => {
            let mut policy = flags.clone();
            configure(config, &mut policy)?;
            Ok(Cow::Owned(policy))
        }
    }
}

fn configure(config: &Value, policy: &mut Policy) -> Result<(), FunctionConfigError> {
    let is_config_map = config.get("kind").and_then(Value::as_str) == Some("ConfigMap");
    let field = if is_config_map { "data" } else { "spec" };
    let settings = match config.get(field) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(settings)) => settings,
        Some(_) => return Err(FunctionConfigError::NotAMapping(field)),
    };
    for (name, value) in settings {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err(FunctionConfigError::NotText { field, name: name.clone() }),
        };
        let known = Setting::ALL.iter().find(|one| one.as_str() == name || one.camel_case() == *name);
        let set = match (known, name.as_str()) {
            (Some(&setting), _) => policy.defaults.set(setting, &text),
            (None, ENV_FROM | "envFrom") => read(&text, &mut policy.env_from),
            (None, INIT_CONTAINERS | "initContainers") => read(&text, &mut policy.init_containers),
            _ => return Err(FunctionConfigError::Unknown { field, name: name.clone() }),
        };
        set.map_err(|problem| FunctionConfigError::Setting { field, name: name.clone(), text, problem })?;
    }
    Ok(())
}

fn read<T: Words>(text: &str, word: &mut T) -> Result<(), SettingError> {
    *word = T::read_word(text)?;
    Ok(())
}

/// How much a result matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Info,
    Warning,
    Error,
}

impl Severity {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One of `results`: a sentence about a pod of the list, or about the value at `path` below it.
pub(super) fn result(
    list: &Value,
    location: &PodLocation,
    path: &[String],
    severity: Severity,
    message: &str,
) -> Value {
    // `items`, and the position in it.
    let (item, rest) = location.path.split_at_checked(2).unwrap_or_default();
    let mut object = Map::from_iter([
        ("apiVersion".to_owned(), json!(location.api_version)),
        ("kind".to_owned(), json!(location.kind)),
        ("name".to_owned(), json!(location.name)),
    ]);
    object.extend(location.namespace.iter().map(|namespace| ("namespace".to_owned(), json!(namespace))));
    let mut result = Map::from_iter([
        ("message".to_owned(), json!(message)),
        ("severity".to_owned(), json!(severity.as_str())),
        ("resourceRef".to_owned(), Value::Object(object)),
        ("field".to_owned(), json!({"path": field_path(rest.iter().chain(path))})),
    ]);
    let annotations = item.iter().try_fold(list, |value, token| child(value, token));
    let annotations = annotations.and_then(|item| item.pointer("/metadata/annotations"));
    if let Some(file) = annotations.and_then(Value::as_object).and_then(file) {
        result.insert("file".to_owned(), file);
    }
    Value::Object(result)
}

/// The value at a token of a JSON pointer.
pub(super) fn child<'v>(value: &'v Value, token: &str) -> Option<&'v Value> {
    value.get(token).or_else(|| value.get(token.parse::<usize>().ok()?))
}

/// The file that kustomize or kpt read the object from, by the annotations that they add.
fn file(annotations: &Map<String, Value>) -> Option<Value> {
    let text = |name: &str| {
        let names = [format!("internal.config.kubernetes.io/{name}"), format!("config.kubernetes.io/{name}")];
        names.iter().find_map(|name| annotations.get(name)?.as_str())
    };
    let index = text("index").and_then(|index| index.parse::<usize>().ok()).unwrap_or(0);
    Some(json!({"path": text("path")?, "index": index}))
}

/// `spec.template.spec.containers[0]`.
fn field_path<'t>(tokens: impl Iterator<Item = &'t String>) -> String {
    tokens.fold(String::new(), |path, token| match token.parse::<usize>() {
        Ok(index) => format!("{path}[{index}]"),
        Err(_) if path.is_empty() => token.clone(),
        Err(_) => format!("{path}.{token}"),
    })
}
