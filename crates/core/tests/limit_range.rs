//! `LimitRanges` among manifests. `golden/limit-ranges.json` has what the API server stored (`tests/e2e/tests/limit_ranges.rs`).

use gomemlimit_core::{
    LimitRanges, NamespaceAnnotations, Pod, Policy, Reason, decide, decision::ContainerList,
    limit_range::DefaultLimit,
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{containers, patched, review_of};

fn limit_range(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": name, "namespace": "shop"}, "spec": spec})
}

/// With a default memory limit for containers.
fn with_default(name: &str, limit: &str) -> Value {
    limit_range(name, &json!({"limits": [{"type": "Container", "default": {"memory": limit}}]}))
}

fn ranges(objects: &[Value]) -> LimitRanges {
    let mut ranges = LimitRanges::default();
    for object in objects {
        ranges.add(object, "default");
    }
    ranges
}

fn pod() -> Value {
    json!({"spec": {"containers": [{"name": "app"}]}})
}

/// The memory limit of the only container.
fn limit_in(ranges: &LimitRanges, namespace: &str) -> Value {
    let mut pod = pod();
    ranges.apply(namespace, &mut pod);
    pod["spec"]["containers"][0]["resources"]["limits"]["memory"].clone()
}

#[test]
fn containers_get_what_the_api_server_gives_them() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("golden/limit-ranges.json")).unwrap();
    for case in &cases {
        let specs = case["limitRanges"].as_array().unwrap().iter().enumerate();
        let objects: Vec<_> = specs.map(|(index, spec)| limit_range(&index.to_string(), spec)).collect();
        let mut pod = json!({"spec": {"initContainers": [], "containers": []}});
        if !case["podLimit"].is_null() {
            pod["spec"]["resources"] = json!({"limits": {"memory": case["podLimit"]}});
        }
        for (name, resources) in case["containers"].as_object().unwrap() {
            let list = if ["init", "sidecar"].contains(&&**name) { "initContainers" } else { "containers" };
            let containers = pod["spec"][list].as_array_mut().unwrap();
            containers.push(json!({"name": name, "resources": resources}));
        }
        ranges(&objects).apply("shop", &mut pod);
        for (_, container) in containers(&pod) {
            let name = container["name"].as_str().unwrap();
            let memory = |key: &str| match &container["resources"][key]["memory"] {
                Value::Number(number) => number.to_string().into(),
                other => other.clone(),
            };
            // The API server makes a limit the request, too, which the core knows.
            let request = Some(memory("requests")).filter(|request| !request.is_null());
            let found =
                json!({"limit": memory("limits"), "request": request.unwrap_or_else(|| memory("limits"))});
            assert_eq!(found, case["stored"][name], "{}, {name}", case["name"]);
        }
    }
    assert!(cases.len() >= 15);
}

/// What comes out is a pod as the webhook gets it, so its value is that of the webhook.
#[test]
fn the_value_is_that_of_the_review() {
    let body = include_str!("golden/reviews/056-create-limit-range-default.json");
    let review: Value = serde_json::from_str(body).unwrap();
    let mut pod = pod();
    let given = ranges(&[with_default("default", "256Mi")]).apply("shop", &mut pod);
    let only =
        DefaultLimit { list: ContainerList::Main, index: 0, limit_range: "default".to_owned(), rival: None };
    assert_eq!(given, [only]);
    for pod in [&pod, &review["request"]["object"]] {
        let json = pod.to_string();
        let decision = decide(&Pod::parse(&json).unwrap(), &NamespaceAnnotations::new(), &Policy::default());
        let outcome = decision.containers[0].outcome;
        assert_eq!((outcome.reason, outcome.limit), (Reason::Injected, Some(256 << 20)));
        assert_eq!(outcome.value.unwrap().bytes, 241_591_910);
    }
}

/// A reference to the request is judged by the request that the `LimitRange` gives.
#[test]
fn a_default_request_is_not_the_limit() {
    let mut pod = pod();
    pod["spec"]["containers"][0]["env"] =
        json!([{"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": {"resource": "requests.memory"}}}]);
    let mut with_request = pod.clone();
    let spec = json!({"limits": [{"type": "Container", "default": {"memory": "1Gi"}, "defaultRequest": {"memory": "512Mi"}}]});
    ranges(&[limit_range("a", &spec)]).apply("shop", &mut with_request);
    ranges(&[with_default("a", "1Gi")]).apply("shop", &mut pod);
    for (pod, warnings) in [(&with_request, 0), (&pod, 1)] {
        let answer = crate::support::answer(&review_of(pod));
        assert_eq!(answer.warnings.len(), warnings, "{:?}", answer.warnings);
        assert_eq!(patched(pod, &answer.patch), *pod);
    }
}

#[rstest]
#[case::in_a_list(json!({"apiVersion": "v1", "kind": "List", "items": [with_default("a", "1Gi")]}))]
#[case::in_a_list_in_a_list(json!({"apiVersion": "v1", "kind": "List", "items": [
    {"apiVersion": "v1", "kind": "List", "items": [with_default("a", "1Gi")]}]}))]
#[case::in_a_typed_list(json!({"apiVersion": "v1", "kind": "LimitRangeList", "items": [
    {"metadata": {"name": "a", "namespace": "shop"}, "spec": with_default("a", "1Gi")["spec"]}]}))]
fn lists_are_searched(#[case] list: Value) {
    assert_eq!(limit_in(&ranges(&[list]), "shop"), "1Gi");
}

#[rstest]
#[case::another_namespace(with_default("a", "1Gi"), "other")]
#[case::another_kind(json!({"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"limits": [{"type": "Container", "default": {"memory": "1Gi"}}]}}), "default")]
#[case::another_group(json!({"apiVersion": "example.com/v1", "kind": "LimitRange", "spec": {"limits": [{"type": "Container", "default": {"memory": "1Gi"}}]}}), "default")]
#[case::of_pods(limit_range("a", &json!({"limits": [{"type": "Pod", "max": {"memory": "1Gi"}}]})), "shop")]
#[case::no_quantity(with_default("a", "lots"), "shop")]
#[case::ill_typed(limit_range("a", &json!({"limits": {"type": "Container"}})), "shop")]
#[case::without_a_spec(limit_range("a", &Value::Null), "shop")]
#[case::text(json!("LimitRange"), "default")]
fn others_give_nothing(#[case] object: Value, #[case] namespace: &str) {
    assert_eq!(limit_in(&ranges(&[object]), namespace), Value::Null);
}

#[test]
fn an_object_without_a_namespace_is_in_the_default_one() {
    for namespace in [json!(null), json!("")] {
        let mut object = with_default("a", "1Gi");
        object["metadata"]["namespace"] = namespace;
        let ranges = ranges(&[object]);
        assert_eq!((limit_in(&ranges, "default"), limit_in(&ranges, "shop")), (json!("1Gi"), Value::Null));
    }
}

/// Kubernetes applies any of several; the later of two with one name replaces the earlier.
#[rstest]
#[case::smaller_first(&[("a", "1Gi"), ("b", "2Gi")], "1Gi", "a", Some("b"))]
#[case::smaller_last(&[("a", "2Gi"), ("b", "1024Mi")], "1024Mi", "b", Some("a"))]
#[case::equal(&[("a", "1Gi"), ("b", "1024Mi")], "1Gi", "a", None)]
#[case::replaced(&[("a", "1Gi"), ("a", "2Gi")], "2Gi", "a", None)]
#[case::without_a_default(&[("a", "1Gi"), ("b", "lots")], "1Gi", "a", None)]
fn the_smaller_of_several_counts(
    #[case] objects: &[(&str, &str)],
    #[case] limit: &str,
    #[case] name: &str,
    #[case] rival: Option<&str>,
) {
    let objects: Vec<_> = objects.iter().map(|(name, limit)| with_default(name, limit)).collect();
    let mut pod = pod();
    let given = ranges(&objects).apply("shop", &mut pod);
    assert_eq!(pod["spec"]["containers"][0]["resources"]["limits"]["memory"], limit);
    assert_eq!((&*given[0].limit_range, given[0].rival.as_deref()), (name, rival));
}

/// Fields of another type are for the reader of the pod to complain about.
#[rstest]
#[case::null_resources(json!({"resources": null}), true)]
#[case::null_limits(json!({"resources": {"limits": null}}), true)]
#[case::ill_typed_resources(json!({"resources": "1Gi"}), false)]
#[case::ill_typed_limits(json!({"resources": {"limits": ["1Gi"], "requests": 7}}), false)]
#[case::null_memory(json!({"resources": {"limits": {"memory": null}}}), false)]
#[case::no_container(json!("app"), false)]
fn odd_containers(#[case] container: Value, #[case] gets_a_limit: bool) {
    let before = json!({"spec": {"containers": [container], "initContainers": "none"}});
    let mut pod = before.clone();
    let given = ranges(&[with_default("a", "1Gi")]).apply("shop", &mut pod);
    assert_eq!(given.len(), usize::from(gets_a_limit));
    if !gets_a_limit {
        assert_eq!(pod, before);
    }
    for mut other in [Value::Null, json!([]), json!({"spec": "none"}), json!({})] {
        assert_eq!(ranges(&[with_default("a", "1Gi")]).apply("shop", &mut other), []);
    }
}
