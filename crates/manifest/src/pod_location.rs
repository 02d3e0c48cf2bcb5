//! Positions of the pods and pod templates in the objects of a manifest.

use serde_json::Value;

use crate::{
    json_pointer::json_pointer,
    kinds::{AddedKind, FoundPod, Kinds},
    template_name::template_name,
    unknown_kind::{self, FoundContainers, Step, UnknownKind},
    workload_kind::WorkloadKind,
};

/// A pod or pod template in a document, and the object that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodLocation {
    /// JSON pointer tokens of the value that has the pod's `metadata` and `spec`; empty for a Pod.
    pub path: Vec<String>,
    /// API version of the object, such as `apps/v1`.
    pub api_version: String,
    /// Kind of the object, such as `Deployment`.
    pub kind: String,
    /// Name of the object, or its `generateName`; empty if it has neither.
    pub name: String,
    /// Namespace of the object, if it has one.
    pub namespace: Option<String>,
    /// The name of the pod template among those of the object, such as `replicatedJobs[workers]`, if there are several.
    pub template: Option<String>,
    /// Whether the object is one of an `OpenShift` Template, whose parameters `oc process` fills in.
    pub is_in_template: bool,
    owner: Option<&'static str>,
}

impl PodLocation {
    /// The path of the pod as a JSON pointer.
    #[must_use]
    pub fn pointer(&self) -> String {
        json_pointer(&self.path)
    }

    /// The pod or template in a message, of an object in `namespace`: `Deployment shop/api`.
    #[must_use]
    pub fn title(&self, namespace: &str) -> String {
        let name = if self.name.is_empty() { "(without a name)" } else { &self.name };
        let template = self.template.iter().flat_map(|template| [" ", template]).collect::<String>();
        format!("{} {namespace}/{name}{template}", self.kind)
    }

    /// Whether the object is a pod, and not something that makes pods.
    #[must_use]
    pub fn is_pod(&self) -> bool {
        WorkloadKind::of_object(&self.kind, &self.api_version).is_some_and(WorkloadKind::is_pod)
    }

    /// Kind of the object that owns the pods of this template, as a rule about owners matches it once they are created.
    /// `None` for a pod, which has its own owner references, and if it is not known.
    #[must_use]
    pub fn pods_owner(&self) -> Option<&'static str> {
        self.owner
    }
}

/// What a document has of pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pods {
    /// Its pods and pod templates.
    pub locations: Vec<PodLocation>,
    /// Containers in objects of unknown kinds, which are not looked at: one entry for each object and path.
    pub unknown: Vec<UnknownKind>,
    /// Objects of the kinds that a user names.
    pub added: Vec<AddedKind>,
}

/// Finds the pods and pod templates in a document, and the containers that are in none of them.
///
/// These are the kinds of [`WorkloadKind::ALL`], those that `kinds` adds, and any other object with containers in the pod
/// template `spec.template`.
#[must_use]
pub fn pods(value: &Value, kinds: &Kinds) -> Pods {
    let mut search = Search { kinds, path: Vec::new(), is_in_template: false, pods: Pods::default() };
    search.object(value, None);
    search.pods
}

struct Search<'k> {
    kinds: &'k Kinds,
    /// JSON pointer tokens of the object.
    path: Vec<String>,
    /// Whether it is among the objects of an `OpenShift` Template.
    is_in_template: bool,
    pods: Pods,
}

impl Search<'_> {
    /// kubectl treats every object with `items` as a list, whatever its kind (`unstructuredJSONScheme` of apimachinery).
    /// `implied` is the kind and API version of an item that repeats neither, as in a `PodList`.
    fn object(&mut self, value: &Value, implied: Option<(&str, &str)>) {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let kind = text("kind").or(implied.map(|(kind, _)| kind)).unwrap_or("");
        let api_version = text("apiVersion").or(implied.map(|(_, version)| version)).unwrap_or("");
        if let Some(items) = value.get("items").and_then(Value::as_array) {
            let item_kind = kind.strip_suffix("List").unwrap_or(kind);
            let implied = (!item_kind.is_empty()).then_some((item_kind, api_version));
            self.list("items", items, implied);
        } else if WorkloadKind::of_object(kind, api_version).is_some_and(WorkloadKind::has_objects) {
            let Some(objects) = value.get(WorkloadKind::OBJECTS).and_then(Value::as_array) else { return };
            let was_in_template = std::mem::replace(&mut self.is_in_template, true);
            self.list(WorkloadKind::OBJECTS, objects, None);
            self.is_in_template = was_in_template;
        } else if value.is_object() {
            self.pods_of(value, kind, api_version);
        }
    }

    fn list(&mut self, key: &str, items: &[Value], implied: Option<(&str, &str)>) {
        for (index, item) in items.iter().enumerate() {
            self.path.extend([key.to_owned(), index.to_string()]);
            self.object(item, implied);
            self.path.truncate(self.path.len() - 2);
        }
    }

    fn pods_of(&mut self, value: &Value, kind: &str, api_version: &str) {
        let metadata =
            |key: &str| value.get("metadata").and_then(|metadata| metadata.get(key)).and_then(Value::as_str);
        let name = || metadata("name").or(metadata("generateName")).unwrap_or_default().to_owned();
        // Whoever processes a Template removes the namespaces in it (template/v1/types.go of openshift/api). An empty one is
        // none for kubectl.
        let has_namespace = |name: &&str| !self.is_in_template && !name.is_empty();
        let namespace = || metadata("namespace").filter(has_namespace).map(str::to_owned);
        self.pods.added.extend(self.kinds.added(value, kind, api_version));
        let (found, is_known) = self.kinds.of_object(value, kind, api_version);
        for pod in &found {
            self.pods.locations.push(PodLocation {
                path: self.path.iter().chain(&pod.tokens).cloned().collect(),
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
                name: name(),
                namespace: namespace(),
                template: (found.len() > 1).then(|| template_name(value, &pod.tokens)),
                is_in_template: self.is_in_template,
                owner: pod.pods_owner,
            });
        }
        if is_known || kind.is_empty() {
            return;
        }
        let is_reached = |steps: &[Step<'_>]| found.iter().any(|pod| is_within(steps, pod));
        for FoundContainers { path, tokens } in unknown_kind::containers(value, api_version, is_reached) {
            self.pods.unknown.push(UnknownKind {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
                name: name(),
                namespace: namespace(),
                path,
                tokens: self.path.iter().cloned().chain(tokens).collect(),
            });
        }
    }
}

/// Whether these steps lead into this pod.
fn is_within(steps: &[Step<'_>], pod: &FoundPod) -> bool {
    let is_token = |(step, token): (&Step<'_>, &String)| match step {
        Step::Key(key) => key == token,
        Step::Item(index) => index.to_string() == *token,
    };
    steps.len() >= pod.tokens.len() && steps.iter().zip(&pod.tokens).all(is_token)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn locations(value: &Value) -> Vec<PodLocation> {
        pods(value, &Kinds::default()).locations
    }

    fn paths(value: &Value) -> Vec<String> {
        locations(value).iter().map(|location| location.path.join("/")).collect()
    }

    #[test]
    fn lists_are_searched_item_by_item_and_in_depth() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod"});
        let inner = json!({"apiVersion": "v1", "kind": "List", "items": [pod]});
        let list =
            json!({"apiVersion": "v1", "kind": "List", "items": [{"kind": "Service"}, pod, inner, null]});
        assert_eq!(paths(&list), ["items/1", "items/2/items/0"]);
    }

    #[test]
    fn whatever_has_items_is_a_list() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod"});
        assert_eq!(paths(&json!({"apiVersion": "v1", "kind": "ConfigMap", "items": [pod]})), ["items/0"]);
        assert_eq!(paths(&json!({"items": [{"items": [pod]}]})), ["items/0/items/0"]);
        let typed = json!({"apiVersion": "v1", "kind": "Pod", "items": [{"spec": {}}]});
        assert_eq!(paths(&typed), ["items/0"]);
    }

    #[test]
    fn items_of_a_typed_list_need_not_repeat_their_kind() {
        let list =
            json!({"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [{"spec": {"template": {}}}]});
        let [location] = locations(&list).try_into().unwrap();
        assert_eq!((location.kind.as_str(), location.api_version.as_str()), ("Deployment", "apps/v1"));
        assert_eq!(location.path.join("/"), "items/0/spec/template");
    }

    #[test]
    fn the_object_is_named() {
        let pod = |metadata: Value| {
            locations(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})).remove(0)
        };
        let named = pod(json!({"name": "web", "generateName": "x-", "namespace": "prod"}));
        assert_eq!((named.name.as_str(), named.namespace.as_deref()), ("web", Some("prod")));
        assert_eq!(pod(json!({"generateName": "web-"})).name, "web-");
        assert_eq!(pod(json!({"name": "web", "namespace": ""})).namespace, None);
        assert_eq!(pod(Value::Null).name, "");
    }

    /// Whoever processes a Template removes the namespaces in it.
    #[test]
    fn objects_of_a_template_have_no_namespace() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}});
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [pod]});
        let template = json!({
            "apiVersion": "template.openshift.io/v1", "kind": "Template", "metadata": {"namespace": "shop"},
            "objects": [pod, list, null],
        });
        let all = locations(&json!({"items": [template, pod]}));
        let found: Vec<_> = all.iter().map(|one| (one.path.join("/"), one.namespace.as_deref())).collect();
        let expected =
            [("items/0/objects/0", None), ("items/0/objects/1/items/0", None), ("items/1", Some("shop"))];
        assert_eq!(found, expected.map(|(path, namespace)| (path.to_owned(), namespace)));
    }

    #[rstest]
    #[case(Value::Null)]
    #[case(json!([1]))]
    #[case(json!("Pod"))]
    #[case(json!({"kind": 1, "apiVersion": []}))]
    #[case(json!({"apiVersion": "template.openshift.io/v1", "kind": "Template", "objects": {}}))]
    fn anything_else_has_no_pods(#[case] value: Value) {
        assert_eq!(pods(&value, &Kinds::default()), Pods::default());
    }
}
