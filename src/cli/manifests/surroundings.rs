//! What counts for pods beside themselves: the Namespace and `LimitRange` objects among the manifests.

use std::{borrow::Cow, collections::HashMap, mem};

use gomemlimit_core::{LimitRanges, NamespaceAnnotations, limit_range::DefaultLimit};
use gomemlimit_manifest::{AliasBudget, Document, WorkloadKind, positions, read};
use serde_json::Value;

use super::misread::misread;
use crate::cli::manifest_files::{Problem, Source};

/// The objects that [`Surroundings::add`] takes.
const KINDS: [&str; 2] = ["Namespace", "LimitRange"];

/// What the manifests have for each namespace.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    namespaces: HashMap<String, NamespaceAnnotations>,
    no_annotations: NamespaceAnnotations,
    limit_ranges: LimitRanges,
    /// Where the `LimitRange` objects are, by namespace and name, with what they contain.
    places: HashMap<(String, String), (String, Value)>,
    /// About objects that are there twice.
    pub(super) warnings: Vec<String>,
    /// The number of inputs, and for those with values that are misread, what is wrong with these.
    inputs: usize,
    problems: HashMap<usize, Vec<Problem>>,
}

/// What an input has of [`KINDS`].
#[derive(Debug, Default)]
pub(super) struct InputSurroundings {
    objects: Vec<Surrounding>,
    problems: Vec<Problem>,
}

/// An object of [`KINDS`].
#[derive(Debug)]
pub(super) struct Surrounding {
    object: Value,
    /// File and line, in words.
    place: String,
}

impl Surroundings {
    /// Adds what the next input has.
    pub(super) fn add_input(&mut self, found: InputSurroundings, default_namespace: &str) {
        let InputSurroundings { objects, problems } = found;
        for object in objects {
            self.add(object, default_namespace);
        }
        if !problems.is_empty() {
            self.problems.insert(self.inputs, problems);
        }
        self.inputs += 1;
    }

    /// What is wrong with the objects of an input, which are the inputs from 0 on.
    pub(super) fn problems_of(&self, input: usize) -> Vec<Problem> {
        self.problems.get(&input).cloned().unwrap_or_default()
    }

    /// Adds an object that [`surroundings_in`] found; of several with one name the last counts. `default_namespace` is that of
    /// objects that name none.
    fn add(&mut self, surrounding: Surrounding, default_namespace: &str) {
        let Surrounding { object, place } = surrounding;
        self.limit_ranges.add(&object, default_namespace);
        let metadata = |key: &str| object.get("metadata")?.get(key);
        let text = |key: &str| metadata(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        if object.get("kind").and_then(Value::as_str) == Some("LimitRange") {
            let namespace = Some(text("namespace")).filter(|name| !name.is_empty());
            let namespace = namespace.unwrap_or_else(|| default_namespace.to_owned());
            let spec = object.get("spec").cloned().unwrap_or_default();
            self.note_limit_range((namespace, text("name")), place, spec);
            return;
        }
        let annotations = metadata("annotations").and_then(Value::as_object).into_iter().flatten();
        let texts = annotations.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        self.namespaces.insert(text("name"), texts.collect());
    }

    fn note_limit_range(&mut self, key: (String, String), place: String, spec: Value) {
        if let Some((other, _)) = self.places.get(&key).filter(|(_, other)| *other != spec) {
            self.warnings.push(format!(
                "LimitRange {} of namespace {} is in {other}, and another one in {place}, which counts, as for kubectl",
                key.1, key.0
            ));
        }
        self.places.insert(key, (place, spec));
    }

    /// A `LimitRange` with its file and line, for people.
    pub(super) fn limit_range(&self, namespace: &str, name: &str) -> String {
        let place = self.places.get(&(namespace.to_owned(), name.to_owned()));
        let name = if name.is_empty() { "(without a name)" } else { name };
        place.map_or_else(|| name.to_owned(), |(place, _)| format!("{name} of {place}"))
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

/// Whether a text may have an object of [`KINDS`], so that it has to be parsed: one of them is a whole value, or may be one
/// that is written with escapes of JSON and YAML.
pub(super) fn may_have_objects(text: &str) -> bool {
    let is_value = |start: usize, kind: &str| {
        let (before, after) = (text.get(..start), text.get(start + kind.len()..));
        before.is_some_and(may_precede) && after.is_some_and(may_follow)
    };
    let is_escaped = |at: usize| {
        let (before, after) = (text.get(..at), text.get(at + 1..));
        after.is_some_and(|after| is_letter(after) || before.is_some_and(|before| is_folded(before, after)))
    };
    KINDS.iter().any(|kind| text.match_indices(kind).any(|(at, _)| is_value(at, kind)))
        || text.match_indices('\\').any(|(at, _)| is_escaped(at))
}

/// Whether a value may begin behind the text: what is before it is the end of a key, a quote, an anchor or a tag, if it is
/// on the same line.
fn may_precede(text: &str) -> bool {
    let text = text.trim_end_matches([' ', '\t']);
    text.is_empty()
        || text.ends_with(['\n', '\r', ':', '"', '\''])
        || text
            .rsplit([' ', '\t', '\n', '[', '{', ','])
            .next()
            .is_some_and(|word| word.starts_with(['&', '!']))
}

/// Whether a kind, or that of a list of it, may end before the text.
fn may_follow(text: &str) -> bool {
    let text = text.strip_prefix("List").unwrap_or(text).trim_start_matches([' ', '\t']);
    text.is_empty() || text.starts_with(['\n', '\r', '#', '"', '\'', ',', '}', ']'])
}

/// Whether `after`, behind a backslash, is the escape of a letter.
fn is_letter(after: &str) -> bool {
    let digits = match after.as_bytes().first() {
        Some(b'x') => 2,
        Some(b'u') => 4,
        Some(b'U') => 8,
        _ => return false,
    };
    let code = after.get(1..=digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    code.and_then(char::from_u32).is_some_and(|char| char.is_ascii_alphabetic())
}

/// Whether a line of a quoted text ends at the backslash between both, and what there is of the text may begin a kind.
fn is_folded(before: &str, after: &str) -> bool {
    let written = || before.rsplit('"').next().unwrap_or_default();
    after.starts_with(['\n', '\r']) && KINDS.iter().any(|kind| kind.starts_with(written()))
}

/// The objects of [`KINDS`] in the text of an input, also those in lists.
pub(super) fn surroundings_in(source: &Source, text: &str) -> InputSurroundings {
    let mut found = InputSurroundings::default();
    if may_have_objects(text) {
        let documents = read(text, &mut AliasBudget::default()).into_iter().flatten();
        documents.for_each(|document| found.add_document(source, text, document));
    }
    found
}

impl InputSurroundings {
    fn add_document(&mut self, source: &Source, text: &str, mut document: Document) {
        let objects = objects(mem::take(&mut document.value));
        let misread = objects.iter().flat_map(|(path, object)| {
            misread(object).into_iter().map(|bad| {
                (path.iter().chain(&bad.path).cloned().collect::<Vec<_>>(), (bad.severity, bad.text))
            })
        });
        let (bad_paths, bad): (Vec<_>, Vec<_>) = misread.unzip();
        let paths: Vec<_> = objects.iter().map(|(path, _)| path.clone()).chain(bad_paths).collect();
        // The document is read once more for them.
        let places = positions(text, &document, &paths).into_iter();
        let mut places = places.map(|place| place.unwrap_or((document.line, 1)));
        for ((_, object), (line, _)) in objects.into_iter().zip(places.by_ref()) {
            self.objects.push(Surrounding { object, place: format!("{source}, line {line}") });
        }
        let problems = bad.into_iter().zip(places);
        self.problems.extend(
            problems.map(|((severity, what), at)| source.problem_at(severity, document.index, at, &what)),
        );
    }
}

/// The objects of [`KINDS`] in a document, each with its path: tokens of a JSON pointer.
pub(super) fn objects(mut document: Value) -> Vec<(Vec<String>, Value)> {
    let mut search = Search::default();
    search.collect(&mut document, None);
    search.found
}

/// Takes the objects of [`KINDS`] out of a document.
#[derive(Default)]
struct Search {
    /// JSON pointer tokens of the value that is looked at.
    path: Vec<String>,
    /// Whether it is among the objects of an `OpenShift` Template.
    is_in_template: bool,
    found: Vec<(Vec<String>, Value)>,
}

impl Search {
    /// As the search for pods: whatever has `items` is a list, and an item of a typed list need not repeat its kind. The
    /// objects of a Template have no namespace.
    fn collect(&mut self, value: &mut Value, implied: Option<(&str, &str)>) {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let kind = text("kind").or(implied.map(|(kind, _)| kind.to_owned())).unwrap_or_default();
        let version =
            text("apiVersion").or(implied.map(|(_, version)| version.to_owned())).unwrap_or_default();
        if let Some(items) = value.get_mut("items").and_then(Value::as_array_mut) {
            let item_kind = kind.strip_suffix("List").unwrap_or(&kind);
            let implied = (!item_kind.is_empty()).then_some((item_kind, version.as_str()));
            self.list("items", items, implied);
        } else if WorkloadKind::of_object(&kind, &version).is_some_and(WorkloadKind::has_objects) {
            let was_in_template = mem::replace(&mut self.is_in_template, true);
            let objects = value.get_mut(WorkloadKind::OBJECTS).and_then(Value::as_array_mut);
            self.list(WorkloadKind::OBJECTS, objects.map_or(&mut [], Vec::as_mut_slice), None);
            self.is_in_template = was_in_template;
        } else if version == "v1"
            && KINDS.contains(&kind.as_str())
            && let Some(object) = value.as_object_mut()
        {
            object.insert("kind".to_owned(), kind.into());
            object.insert("apiVersion".to_owned(), version.into());
            let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
            if let Some(metadata) = metadata.filter(|_| self.is_in_template) {
                metadata.remove("namespace");
            }
            self.found.push((self.path.clone(), mem::take(value)));
        }
    }

    fn list(&mut self, key: &str, items: &mut [Value], implied: Option<(&str, &str)>) {
        for (index, item) in items.iter_mut().enumerate() {
            self.path.extend([key.to_owned(), index.to_string()]);
            self.collect(item, implied);
            self.path.truncate(self.path.len() - 2);
        }
    }
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
        let mut of_template = namespace("of-template");
        of_template["kind"] = "Namespace".into();
        of_template["apiVersion"] = "v1".into();
        let document = json!({"apiVersion": "v1", "kind": "List", "items": [
            typed,
            {"apiVersion": "v1", "kind": "NamespaceList", "items": [namespace("implied"), {"kind": "Pod"}]},
            {"apiVersion": "example.com/v1", "kind": "Namespace", "metadata": {"name": "foreign"}},
            {"apiVersion": "v1", "kind": "LimitRange"},
            {"apiVersion": "template.openshift.io/v1", "kind": "Template", "objects": [of_template]},
        ]});
        let found = surroundings_in(&Source::Stdin, &document.to_string());
        assert_eq!(found.objects.len(), 4);
        let mut surroundings = Surroundings::default();
        surroundings.add_input(found, "default");
        let annotations = [("a".to_owned(), "b".to_owned())].into();
        assert_eq!(surroundings.annotations("typed"), &annotations);
        assert_eq!(surroundings.annotations("implied"), &annotations);
        assert_eq!(surroundings.annotations("of-template"), &annotations);
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
            "kind:\tNamespace # of the team\n",
            "kind: # of the team\n  Namespace\n",
            "kind: !!str Namespace\n",
            "[&k LimitRange, {kind: *k}]",
            "kind: \"\\\n  Namespace\"\n",
            "{\"kind\" : \"LimitRange\" , \"spec\": {}}",
        ] {
            assert!(may_have_objects(text), "{text}");
        }
        for text in [
            "kind: Pod\nmetadata: {namespace: a}\n",
            "scope: Namespaced\n",
            "path: C:\\dir\n",
            "description: Namespace of the referent\n",
            "description: the name of a Namespace\n",
            "description: \"name of a Namespace.\\nmay be \\u003cnone\\u003e\"\n",
            "description: \"a long text, \\\n  folded\"\n",
            "kinds: [Pod, Namespace]\n",
        ] {
            assert!(!may_have_objects(text), "{text}");
        }
    }
}
