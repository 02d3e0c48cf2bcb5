//! Positions of the pods and pod templates in the objects of a manifest.

use serde_json::Value;

use crate::{json_pointer::json_pointer, workload_kind::WorkloadKind};

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
}

impl PodLocation {
    /// The path of the pod as a JSON pointer.
    #[must_use]
    pub fn pointer(&self) -> String {
        json_pointer(&self.path)
    }

    /// Kind of the object that owns the pods of this template, as a rule about owners matches it once they are created.
    /// `None` for a pod, which has its own owner references.
    #[must_use]
    pub fn pods_owner(&self) -> Option<&'static str> {
        WorkloadKind::of_object(&self.kind, &self.api_version)?.pods_owner
    }
}

/// Finds the pods and pod templates in a document; none in unknown kinds or kinds of a foreign API group.
#[must_use]
pub fn pod_locations(value: &Value) -> Vec<PodLocation> {
    let mut locations = Vec::new();
    collect(value, None, &mut Vec::new(), &mut locations);
    locations
}

/// kubectl treats every object with `items` as a list, whatever its kind (`unstructuredJSONScheme` of apimachinery).
/// `implied` is the kind and API version of an item that repeats neither, as in a `PodList`.
fn collect(
    value: &Value,
    implied: Option<(&str, &str)>,
    path: &mut Vec<String>,
    locations: &mut Vec<PodLocation>,
) {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let kind = text("kind").or(implied.map(|(kind, _)| kind)).unwrap_or("");
    let api_version = text("apiVersion").or(implied.map(|(_, version)| version)).unwrap_or("");
    if let Some(items) = value.get("items").and_then(Value::as_array) {
        let item_kind = kind.strip_suffix("List").unwrap_or(kind);
        let implied = (!item_kind.is_empty()).then_some((item_kind, api_version));
        for (index, item) in items.iter().enumerate() {
            path.extend(["items".to_owned(), index.to_string()]);
            collect(item, implied, path, locations);
            path.truncate(path.len() - 2);
        }
        return;
    }
    let Some(template) = WorkloadKind::of_object(kind, api_version).map(|kind| kind.template) else { return };
    let pod = template.iter().try_fold(value, |value, token| value.get(token));
    if !pod.is_some_and(Value::is_object) {
        return;
    }
    let metadata =
        |key: &str| value.get("metadata").and_then(|metadata| metadata.get(key)).and_then(Value::as_str);
    locations.push(PodLocation {
        path: path.iter().cloned().chain(template.iter().map(|token| (*token).to_owned())).collect(),
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        name: metadata("name").or(metadata("generateName")).unwrap_or_default().to_owned(),
        namespace: metadata("namespace").map(str::to_owned),
    });
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn paths(value: &Value) -> Vec<String> {
        pod_locations(value).iter().map(|location| location.path.join("/")).collect()
    }

    #[rstest]
    #[case("v1", "Pod", json!({}), &[""])]
    #[case("v1", "ReplicationController", json!({"spec": {"template": {}}}), &["spec/template"])]
    #[case("apps/v1", "Deployment", json!({"spec": {"template": {}}}), &["spec/template"])]
    #[case("apps/v1beta1", "StatefulSet", json!({"spec": {"template": {}}}), &["spec/template"])]
    #[case("apps/v1", "DaemonSet", json!({"spec": {"template": {}}}), &["spec/template"])]
    #[case("apps/v1", "ReplicaSet", json!({"spec": {"template": {}}}), &["spec/template"])]
    #[case("batch/v1", "Job", json!({"spec": {"template": {}}}), &["spec/template"])]
    #[case("batch/v1", "CronJob", json!({"spec": {"jobTemplate": {"spec": {"template": {}}}}}),
        &["spec/jobTemplate/spec/template"])]
    #[case::no_template("apps/v1", "Deployment", json!({"spec": {"template": null}}), &[])]
    #[case::foreign_group("example.com/v1", "Deployment", json!({"spec": {"template": {}}}), &[])]
    #[case::foreign_pod("apps/v1", "Pod", json!({}), &[])]
    #[case::no_version("", "Pod", json!({}), &[""])]
    #[case::no_pods("v1", "ConfigMap", json!({"spec": {"template": {}}}), &[])]
    fn pods_are_found_by_kind_and_group(
        #[case] api_version: &str,
        #[case] kind: &str,
        #[case] mut object: Value,
        #[case] expected: &[&str],
    ) {
        object["apiVersion"] = json!(api_version);
        object["kind"] = json!(kind);
        assert_eq!(paths(&object), expected);
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
        let [location] = pod_locations(&list).try_into().unwrap();
        assert_eq!((location.kind.as_str(), location.api_version.as_str()), ("Deployment", "apps/v1"));
        assert_eq!(location.path.join("/"), "items/0/spec/template");
    }

    #[test]
    fn the_object_is_named() {
        let pod = |metadata: Value| {
            pod_locations(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})).remove(0)
        };
        let named = pod(json!({"name": "web", "generateName": "x-", "namespace": "prod"}));
        assert_eq!((named.name.as_str(), named.namespace.as_deref()), ("web", Some("prod")));
        assert_eq!(pod(json!({"generateName": "web-"})).name, "web-");
        assert_eq!(pod(Value::Null).name, "");
    }

    #[rstest]
    #[case(Value::Null)]
    #[case(json!([1]))]
    #[case(json!("Pod"))]
    #[case(json!({"kind": 1, "apiVersion": []}))]
    fn anything_else_has_no_pods(#[case] value: Value) {
        assert_eq!(pod_locations(&value), []);
    }
}
