//! Which kinds have pods, and where.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{AliasBudget, CustomKind, Kinds, Pods, WorkloadKind, pods, read};

/// Objects, each with what is found in it.
const CASES: &str = include_str!("kind_tests.yaml");

fn found(value: &Value, kinds: &Kinds) -> (Vec<String>, Vec<String>) {
    let Pods { locations, unknown, .. } = pods(value, kinds);
    (
        locations.iter().map(|location| location.path.join("/")).collect(),
        unknown.into_iter().map(|unknown| unknown.path).collect(),
    )
}

#[test]
fn the_pods_of_every_case_are_found() {
    let documents = read(CASES, &mut AliasBudget::default());
    assert!(documents.len() > 40);
    for document in documents {
        let mut object = document.unwrap().value;
        let expected = object.as_object_mut().unwrap().remove("expected").unwrap();
        let texts = |key: &str| -> Vec<String> {
            expected.get(key).map(|list| serde_json::from_value(list.clone()).unwrap()).unwrap_or_default()
        };
        let kinds = texts("kinds").iter().map(|kind| kind.parse::<CustomKind>().unwrap()).collect();
        assert_eq!(found(&object, &kinds), (texts("pods"), texts("unknown")), "{object}");
        let owners: Vec<_> =
            pods(&object, &kinds).locations.iter().map(|pod| json!(pod.pods_owner())).collect();
        let of_first = owners.first().unwrap_or(&Value::Null);
        assert_eq!(of_first, expected.get("owner").unwrap_or(&Value::Null), "{object}");
    }
}

/// A key that a segment of a path stands for.
fn key_of(segment: &str) -> &str {
    if segment == "*" { "Worker" } else { segment }
}

/// An object of this kind with a pod at the path.
fn object(api_version: &str, kind: &str, path: &str) -> Value {
    let pod = json!({"spec": {"containers": [{"name": "app", "image": "i"}]}});
    let mut value = path.rsplit('.').filter(|segment| !segment.is_empty()).fold(pod, |value, segment| {
        match segment.strip_suffix("[*]") {
            Some(key) => json!({key: [value]}),
            None => json!({key_of(segment): value}),
        }
    });
    value["apiVersion"] = api_version.into();
    value["kind"] = kind.into();
    value["metadata"] = json!({"name": "api", "namespace": "shop"});
    value
}

fn versions(kind: &WorkloadKind) -> Vec<String> {
    let groups = std::iter::once(&kind.group).chain(kind.old_groups);
    groups.map(|group| if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") }).collect()
}

#[test]
fn every_path_of_the_table_is_found() {
    for kind in WorkloadKind::ALL {
        for template in kind.templates {
            for api_version in versions(kind) {
                let object = object(&api_version, kind.name, template.path);
                let Pods { locations, unknown, .. } = pods(&object, &Kinds::default());
                let [location] = locations.try_into().unwrap_or_else(|all| panic!("{object}: {all:?}"));
                let path = template.path.split('.').map(key_of).collect::<Vec<_>>().join(".");
                assert_eq!(location.path.join(".").replace(".0", "[*]"), path);
                assert_eq!(location.pods_owner(), template.pods_owner);
                assert!(object.pointer(&location.pointer()).unwrap()["spec"]["containers"].is_array());
                assert_eq!((location.name.as_str(), location.namespace.as_deref()), ("api", Some("shop")));
                assert_eq!(unknown, []);
            }
        }
    }
}

/// What is not known is reported, with the flag that makes it known, and not edited.
#[test]
fn the_same_paths_in_another_group_are_reported_once() {
    for path in WorkloadKind::ALL.iter().flat_map(|kind| kind.templates).map(|template| template.path) {
        let object = object("example.com/v1", "Thing", path);
        let Pods { locations, unknown, .. } = pods(&object, &Kinds::default());
        if path == "spec.template" {
            assert_eq!((locations.len(), unknown.len()), (1, 0));
            continue;
        }
        assert_eq!(locations, [], "{path}");
        let [unknown] = unknown.try_into().unwrap();
        let path = path.split('.').map(key_of).collect::<Vec<_>>().join(".");
        assert_eq!(unknown.path, format!("{path}.spec.containers").trim_start_matches('.'));
        assert_eq!((unknown.name.as_str(), unknown.namespace.as_deref()), ("api", Some("shop")));
        let Some(custom) = unknown.custom_kind() else {
            assert_eq!(path, "");
            continue;
        };
        let kinds: Kinds = [custom.parse::<CustomKind>().unwrap()].into_iter().collect();
        let Pods { locations, unknown, .. } = pods(&object, &kinds);
        assert_eq!((locations.len(), unknown.len()), (1, 0), "{custom}");
    }
}

/// A value with lists of containers here and there.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!("text")),
        Just(json!([{"name": "app"}])),
        Just(json!({"containers": [{"name": "app", "image": "i"}]})),
    ];
    leaf.prop_recursive(5, 32, 4, |inner| {
        let key = prop::sample::select(vec![
            "spec",
            "template",
            "containers",
            "podTemplate",
            "jobTemplate",
            "items",
            "objects",
            "tasks",
            "status",
            "values",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(key.prop_map(str::to_owned), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Every location leads to an object, once; nothing is both a pod and reported; only `spec.template` of a kind that is
    /// not known is a pod.
    #[test]
    fn locations_are_objects_and_reports_are_not_in_them(
        value in any_value(),
        kind in prop::sample::select(vec![
            ("example.com/v1", "Thing"), ("v1", "List"), ("apps/v1", "Deployment"), ("template.openshift.io/v1", "Template"),
            ("batch.volcano.sh/v1alpha1", "Job"), ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ]),
    ) {
        let mut value = if value.is_object() { value } else { json!({"spec": value}) };
        value["apiVersion"] = kind.0.into();
        value["kind"] = kind.1.into();
        let Pods { locations, unknown, .. } = pods(&value, &Kinds::default());
        let mut pointers: Vec<_> = locations.iter().map(crate::PodLocation::pointer).collect();
        for (location, pointer) in locations.iter().zip(&pointers) {
            prop_assert!(value.pointer(pointer).is_some_and(Value::is_object), "{}", pointer);
            if location.kind == "Thing" {
                prop_assert!(pointer.ends_with("/spec/template"), "{}", pointer);
            }
        }
        pointers.sort();
        pointers.dedup();
        prop_assert_eq!(pointers.len(), locations.len());
        for unknown in unknown {
            prop_assert!(unknown.path.ends_with("containers"));
            prop_assert!(WorkloadKind::of_object(&unknown.kind, &unknown.api_version).is_none());
        }
    }
}
