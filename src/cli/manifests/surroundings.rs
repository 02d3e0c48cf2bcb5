//! What counts for pods beside themselves: the Namespace and `LimitRange` objects among the manifests.

use std::{borrow::Cow, collections::HashMap, mem};

use gomemlimit_core::{LimitRanges, NamespaceAnnotations, limit_range::DefaultLimit};
use serde_json::Value;

/// The objects that [`Surroundings::add`] takes.
const KINDS: [&str; 2] = ["Namespace", "LimitRange"];

/// What the manifests have for each namespace.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    namespaces: HashMap<String, NamespaceAnnotations>,
    no_annotations: NamespaceAnnotations,
    limit_ranges: LimitRanges,
}

impl Surroundings {
    /// Adds an object that [`objects`] found; of several with one name the last counts. `default_namespace` is that of objects
    /// that name none.
    pub(super) fn add(&mut self, object: &Value, default_namespace: &str) {
        self.limit_ranges.add(object, default_namespace);
        let metadata = |key: &str| object.get("metadata")?.get(key);
        let (Some("Namespace"), Some(name)) =
            (object.get("kind").and_then(Value::as_str), metadata("name").and_then(Value::as_str))
        else {
            return;
        };
        let annotations = metadata("annotations").and_then(Value::as_object).into_iter().flatten();
        let texts = annotations.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        self.namespaces.insert(name.to_owned(), texts.collect());
    }

    /// The annotations of a namespace.
    pub(super) fn annotations(&self, namespace: &str) -> &NamespaceAnnotations {
        self.namespaces.get(namespace).unwrap_or(&self.no_annotations)
    }

    /// The pod with the memory limits that its containers get in a namespace, and those limits.
    pub(super) fn complete<'p>(
        &self,
        namespace: &str,
        pod: &'p Value,
    ) -> (Cow<'p, Value>, Vec<DefaultLimit>) {
        if !self.limit_ranges.is_in(namespace) {
            return (Cow::Borrowed(pod), Vec::new());
        }
        let mut pod = pod.clone();
        let given = self.limit_ranges.apply(namespace, &mut pod);
        (Cow::Owned(pod), given)
    }
}

/// Whether a text may have an object of [`KINDS`], so that it has to be parsed: their names are in it, or letters are
/// written as escapes of JSON and YAML, or a line is folded within a word.
pub(super) fn may_have_objects(text: &str) -> bool {
    let is_end_of_word =
        |rest: &str| !rest.starts_with(|char: char| char.is_ascii_alphanumeric()) || rest.starts_with("List");
    KINDS.iter().any(|kind| {
        text.match_indices(kind).any(|(at, _)| text.get(at + kind.len()..).is_some_and(is_end_of_word))
    }) || text.match_indices('\\').any(|(at, _)| {
        text.as_bytes().get(at + 1).is_some_and(|next| matches!(next, b'u' | b'U' | b'x' | b'\n' | b'\r'))
    })
}

/// Takes the objects of [`KINDS`] out of a document, also those in lists.
pub(super) fn objects(mut document: Value) -> Vec<Value> {
    let mut found = Vec::new();
    collect(&mut document, None, &mut found);
    found
}

/// As the search for pods: whatever has `items` is a list, and an item of a typed list need not repeat its kind.
fn collect(value: &mut Value, implied: Option<(&str, &str)>, found: &mut Vec<Value>) {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let kind = text("kind").or(implied.map(|(kind, _)| kind.to_owned())).unwrap_or_default();
    let version = text("apiVersion").or(implied.map(|(_, version)| version.to_owned())).unwrap_or_default();
    if let Some(items) = value.get_mut("items").and_then(Value::as_array_mut) {
        let item_kind = kind.strip_suffix("List").unwrap_or(&kind);
        let implied = (!item_kind.is_empty()).then_some((item_kind, version.as_str()));
        for item in items {
            collect(item, implied, found);
        }
        return;
    }
    let Some(object) = value.as_object_mut().filter(|_| version == "v1" && KINDS.contains(&kind.as_str()))
    else {
        return;
    };
    object.insert("kind".to_owned(), kind.into());
    object.insert("apiVersion".to_owned(), version.into());
    found.push(mem::take(value));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn namespaces_are_found_in_lists_of_every_kind() {
        let namespace = |name: &str| json!({"metadata": {"name": name, "annotations": {"a": "b", "c": 1}}});
        let mut typed = namespace("typed");
        typed["kind"] = "Namespace".into();
        typed["apiVersion"] = "v1".into();
        let document = json!({"apiVersion": "v1", "kind": "List", "items": [
            typed,
            {"apiVersion": "v1", "kind": "NamespaceList", "items": [namespace("implied"), {"kind": "Pod"}]},
            {"apiVersion": "example.com/v1", "kind": "Namespace", "metadata": {"name": "foreign"}},
            {"apiVersion": "v1", "kind": "LimitRange"},
        ]});
        let found = objects(document);
        assert_eq!(found.len(), 3);
        let mut surroundings = Surroundings::default();
        found.iter().for_each(|object| surroundings.add(object, "default"));
        let annotations = [("a".to_owned(), "b".to_owned())].into();
        assert_eq!(surroundings.annotations("typed"), &annotations);
        assert_eq!(surroundings.annotations("implied"), &annotations);
        assert!(surroundings.annotations("foreign").is_empty());
    }

    /// Every way to write the kind has to be parsed.
    #[test]
    fn no_spelling_is_passed_by() {
        for text in [
            "kind: Namespace",
            "{\"kind\":\"Namespace\"}",
            "kind: 'Namespace'\r\n",
            "kind: Namespace",
            "kind: NamespaceList\n",
            "kind: LimitRange\n",
            "kind: |-\n  Namespace\n",
            "x: &k Namespace\nkind: *k\n",
            r#"{"kind": "\u004eamespace"}"#,
            r#"{"kind": "Name\u0073pace"}"#,
            r#"kind: "\x4eamespace""#,
            r#"kind: "\U0000004eamespace""#,
            "kind: \"Name\\\n  space\"\n",
            "kind: \"Limit\\\r\n  Range\"\n",
            "{? kind : Namespace}",
        ] {
            assert!(may_have_objects(text), "{text}");
        }
        for text in ["kind: Pod\nmetadata: {namespace: a}\n", "scope: Namespaced\n", "path: C:\\dir\n"] {
            assert!(!may_have_objects(text), "{text}");
        }
    }
}
