//! Arbitrary pods: ordinary, strange and forged.

use gomemlimit_core::settings::{Form, Setting};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::{STATUS, TRACKING, policies::annotation};

/// Makes the first container one that an earlier answer has set, with the limit of then 1 GiB.
fn plant_own_value(pod: &mut Value, ratio: &str, value: u64) {
    if value == 0 {
        let entry = json!({"value": TRACKING, "limit": 1_u64 << 30, "kind": "track"});
        let status = json!({"version": 1, "containers": {"c0": entry}}).to_string();
        pod["metadata"] = json!({"name": "p", "annotations": {STATUS: status}});
        pod["spec"]["containers"][0]["env"] = json!([
            {"name": "A"},
            {"name": "GOMEMLIMIT_MIB", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            {"name": "B"},
            {"name": "GOMEMLIMIT", "value": TRACKING},
            {"name": "C", "value": "$(GOMEMLIMIT)"},
        ]);
        return;
    }
    let entry = json!({"value": value.to_string(), "limit": 1_u64 << 30, "ratio": ratio, "headroom": 0});
    let status = json!({"version": 1, "containers": {"c0": entry}}).to_string();
    pod["metadata"] = json!({"name": "p", "annotations": {STATUS: status}});
    pod["spec"]["containers"][0]["env"] = json!([{"name": "GOMEMLIMIT", "value": value.to_string()}]);
}

prop_compose! {
    pub(crate) fn pod()(
        metadata in metadata(),
        mut init in vec(container("initContainers"), 0..3),
        mut main in vec(container("containers"), 1..3),
        resources in option::weighted(0.3, resources()),
        windows in prop::bool::weighted(0.05),
        earlier in option::weighted(0.2, select(vec![("0.9", 966_367_641_u64), ("0.85", 912_680_550), ("", 0)])),
    ) -> Value {
        for (prefix, list) in [("i", &mut init), ("c", &mut main)] {
            for (index, container) in list.iter_mut().enumerate() {
                container["name"] = format!("{prefix}{index}").into();
            }
        }
        let mut pod = json!({"kind": "Pod", "spec": {"containers": main, "initContainers": init}});
        if let Some(metadata) = metadata {
            pod["metadata"] = metadata;
        }
        if let Some(resources) = resources {
            pod["spec"]["resources"] = resources;
        }
        if windows {
            pod["spec"]["os"] = json!({"name": "windows"});
        }
        if let Some((ratio, value)) = earlier {
            plant_own_value(&mut pod, ratio, value);
        }
        pod
    }
}

fn quantity_text() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => select(vec!["1Gi", "512Mi", "32Mi", "33554431", "1.1Gi", "107374182400m", "129e6", "700M"]).prop_map(Value::from),
        2 => select(vec!["0", "1", "2", "8Ei", "-1Gi", "9223372036854775807", "lots", "", "1e30"]).prop_map(Value::from),
        1 => any::<u32>().prop_map(|bytes| json!(bytes)),
        1 => any::<u64>().prop_map(|bytes| json!(bytes.to_string())),
    ]
}

fn resources() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => quantity_text().prop_map(|memory| json!({"limits": {"cpu": "1", "memory": memory}})),
        1 => (quantity_text(), quantity_text())
            .prop_map(|(limit, request)| json!({"limits": {"memory": limit}, "requests": {"memory": request}})),
        1 => Just(json!({})),
        1 => Just(json!({"limits": null})),
        1 => Just(json!({"requests": {"memory": "1Gi"}})),
        1 => Just(Value::Null),
    ]
}

fn go_limit_text() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "966367641",
            "750MiB",
            "512Mi",
            "0",
            "",
            "off",
            "$(X)",
            "$(A)",
            "$(B)MiB",
            "$$(A)",
            "42",
            "1GiB",
            "+5",
            "-0",
            "\u{1}\u{7}"
        ])
        .prop_map(str::to_owned),
        any::<u64>().prop_map(|bytes| bytes.to_string()),
        ".{0,12}",
    ]
}

fn variable() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => ("[A-C]", ".{0,8}").prop_map(|(name, value)| json!({"name": name, "value": value})),
        3 => ("[A-C]", select(vec!["$(GOMEMLIMIT)", "$$(GOMEMLIMIT)", "$(A)", "700", "-m $(GOMEMLIMIT)B", "512Mi"]))
            .prop_map(|(name, value)| json!({"name": name, "value": value})),
        2 => (select(vec!["A", "B", "GOMEMLIMIT"]), resource_reference())
            .prop_map(|(name, reference)| json!({"name": name, "valueFrom": {"resourceFieldRef": reference}})),
        3 => go_limit_text().prop_map(|value| json!({"name": "GOMEMLIMIT", "value": value})),
        1 => Just(json!({"name": "GOMEMLIMIT"})),
        1 => option::of(select(vec!["1", "1Mi", "0", "junk"])).prop_map(|divisor| {
            json!({"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": divisor}}})
        }),
        1 => Just(json!({"name": "GOMEMLIMIT", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}})),
        1 => select(vec!["off", "0.8"]).prop_map(|value| json!({"name": "AUTOMEMLIMIT", "value": value})),
        1 => Just(json!({"name": "GOMEMLIMIT", "value": TRACKING})),
        1 => select(vec!["1", "1Mi"]).prop_map(|divisor| {
            json!({"name": "GOMEMLIMIT_MIB", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": divisor}}})
        }),
        1 => Just(json!({"name": "GOMEMLIMIT_MIB", "value": "7"})),
    ]
}

fn resource_reference() -> impl Strategy<Value = Value> {
    let resource = select(vec!["limits.memory", "requests.memory"]);
    let divisor = option::of(select(vec!["1", "1Mi"]));
    let container = option::weighted(0.3, select(vec!["c0", "c1", "i0", "nope"]));
    (resource, divisor, container).prop_map(|(resource, divisor, container)| {
        json!({"resource": resource, "divisor": divisor, "containerName": container})
    })
}

fn env() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(Value::Null)),
        1 => Just(Some(json!([]))),
        5 => vec(variable(), 1..4).prop_map(|variables| Some(Value::from(variables))),
    ]
}

/// Most are of nobody's rules; the others are those of the built-in ones.
fn image() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        4 => Just("registry.example/app:1"),
        1 => select(vec![
            "quay.io/prometheus/prometheus:v3.5.0",
            "prom/prometheus:v2.55.0",
            "docker.io/grafana/alloy:v1.12.1",
            "victoriametrics/vmagent:v1.120.0",
        ]),
    ]
}

fn container(list: &'static str) -> impl Strategy<Value = Value> {
    let restart = option::of(select(vec!["Always", "OnFailure"]));
    let args = option::of(select(vec!["--auto-gomemlimit", "--no-auto-gomemlimit", "--verbose"]));
    let env_from = option::of(select(vec!["", "GOMEM", "DB_"]));
    let rest = (image(), args, env_from);
    (resources(), env(), restart, rest).prop_map(move |(resources, env, restart, (image, args, prefix))| {
        let mut container = json!({"image": image, "resources": resources});
        if let Some(env) = env {
            container["env"] = env;
        }
        if let Some(argument) = args {
            container["args"] = json!([argument]);
        }
        if let Some(prefix) = prefix {
            container["envFrom"] = json!([{"prefix": prefix, "configMapRef": {"name": "a"}}]);
        }
        if list == "initContainers" {
            container["restartPolicy"] = restart.into();
        }
        container
    })
}

fn metadata() -> impl Strategy<Value = Option<Value>> {
    let annotations = (vec(annotation(), 0..4), option::of(status()));
    let label = option::weighted(0.2, select(vec!["enabled", "disabled", "true", "false", "no"]));
    let owner = option::of(select(vec!["Job", "ReplicaSet"]));
    let full = (annotations, label, owner).prop_map(|((entries, status), label, owner)| {
        let mut annotations: Map<String, Value> =
            entries.into_iter().map(|(key, value)| (key, value.into())).collect();
        annotations.extend(status.map(|status| (STATUS.to_owned(), status.into())));
        let mut labels = json!({"app": "api"});
        if let Some(label) = label {
            labels["gomemlimit.dev/inject"] = label.into();
        }
        let owners: Vec<_> = owner.into_iter().map(|kind| json!({"kind": kind, "name": "o"})).collect();
        Some(json!({"name": "p", "labels": labels, "annotations": annotations, "ownerReferences": owners}))
    });
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(Value::Null)),
        1 => Just(Some(json!({"generateName": "p-"}))),
        1 => Just(Some(json!({"name": "p", "annotations": null}))),
        8 => full,
    ]
}

/// What somebody may have written there: garbage, other schemas, entries that do and do not add up.
fn status() -> impl Strategy<Value = String> {
    let bytes = || prop_oneof![Just(0_u64), any::<u64>()];
    let entry = move || {
        let numbers = vec(bytes(), Setting::ALL.len());
        (
            go_limit_text(),
            prop_oneof![Just(1_073_741_824_u64), any::<u64>()],
            select(vec!["0.9", "0.85", "0.1", "9", ""]),
            numbers,
        )
            .prop_map(|(value, limit, ratio, numbers)| {
                let mut entry = json!({"value": value, "limit": limit, "repaired": {"was": "x"}});
                // Every number that a recipe may have, and those that none has.
                for (setting, number) in Setting::ALL.iter().zip(numbers) {
                    match setting.form() {
                        Form::Ratio => entry[setting.camel_case()] = ratio.into(),
                        Form::Quantity => entry[setting.camel_case()] = number.into(),
                        Form::Words(_) => {}
                    }
                }
                entry
            })
    };
    let tracking = select(vec![1_u64 << 30, 1 << 20, 0])
        .prop_map(|limit| json!({"value": TRACKING, "limit": limit, "kind": "track"}));
    let honest = select(vec![("0.9", 966_367_641_u64), ("0.85", 912_680_550)]).prop_map(
        |(ratio, value)| json!({"value": value.to_string(), "limit": 1_073_741_824_u64, "ratio": ratio, "headroom": 0}),
    );
    prop_oneof![
        Just("not json {".to_owned()),
        Just(r#"{"c0":{"value":"42"}}"#.to_owned()),
        Just(r#"{"version":9,"containers":{"c0":7}}"#.to_owned()),
        (entry(), entry())
            .prop_map(|(a, b)| json!({"version": 1, "containers": {"c0": a, "i0": b}}).to_string()),
        tracking.prop_map(|e| json!({"version": 1, "containers": {"c0": e, "c1": e}}).to_string()),
        honest.prop_map(
            |e| json!({"version": 2, "new": [], "containers": {"c0": e, "c1": e, "i0": e}}).to_string()
        ),
    ]
}
