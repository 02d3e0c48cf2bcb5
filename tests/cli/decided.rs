//! Many texts, and what each of their containers gets: anchors and merge keys, keys that occur twice, streams, kinds, quantities,
//! `LimitRanges`, references and expansions.
//!
//! Rows of the table are a name, a text, and its containers: name, reason, env after `inject`, and of a value of the user its
//! bytes and its problem. Objects and quantities are what kubectl 1.37 reads (`kubectl annotate --local`, `kubectl set env
//! --local`); reasons and values were computed from them by a second program, after kubelet (references, expansions) and
//! the Go runtime (GOMEMLIMIT). tests/e2e compares the result with the kubectl of its clusters.

use gomemlimit_manifest::{AliasBudget, Kinds, pods, read};
use serde_json::{Value, json};

use super::manifests::write;
use crate::support::command::{run, run_with_stdin};

const TABLE: &str = include_str!("../manifests/decided.tsv");

struct Row {
    name: &'static str,
    text: String,
    containers: Vec<Value>,
}

fn rows() -> Vec<Row> {
    let rows = TABLE.lines().map(|line| {
        let [name, text, containers] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        Row {
            name,
            text: serde_json::from_str(text).unwrap(),
            containers: serde_json::from_str(containers).unwrap(),
        }
    });
    rows.collect()
}

/// The documents of a text, each with the pointers of its pods.
fn documents(text: &str) -> Vec<(Value, Vec<String>)> {
    let documents = read(text, &mut AliasBudget::default()).into_iter().map(Result::unwrap);
    let located = documents.map(|document| {
        let found = pods(&document.value, &Kinds::default()).locations;
        (document.value, found.iter().map(gomemlimit_manifest::PodLocation::pointer).collect())
    });
    located.collect()
}

/// Names and values of the variables of each container; a reference has no value.
fn envs(text: &str) -> Vec<Value> {
    let mut envs = Vec::new();
    for (object, pods) in documents(text) {
        for pod in pods.iter().filter_map(|pod| object.pointer(pod)) {
            for list in ["initContainers", "containers"] {
                for container in pod["spec"][list].as_array().into_iter().flatten() {
                    let variables = container["env"].as_array().into_iter().flatten();
                    let pair = |one: &Value| {
                        json!([
                            one["name"],
                            if one["valueFrom"].is_null() { &one["value"] } else { &Value::Null }
                        ])
                    };
                    envs.push(variables.map(pair).collect());
                }
            }
        }
    }
    envs
}

/// The objects without what `inject` may add to them.
fn without_additions(text: &str) -> Vec<Value> {
    let is_empty = |value: Option<&Value>| match value {
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(map)) => map.is_empty(),
        value => value.is_none_or(Value::is_null),
    };
    let all = documents(text).into_iter().map(|(mut object, pods)| {
        for pod in &pods {
            let pod = object.pointer_mut(pod).unwrap();
            if let Some(annotations) = pod.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
            {
                annotations.remove("gomemlimit.dev/status");
            }
            if is_empty(pod.pointer("/metadata/annotations"))
                && let Some(metadata) = pod["metadata"].as_object_mut()
            {
                metadata.remove("annotations");
            }
            if is_empty(pod.get("metadata")) {
                pod.as_object_mut().unwrap().remove("metadata");
            }
            for list in ["initContainers", "containers"] {
                for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
                    let Some(container) = container.as_object_mut() else { continue };
                    if let Some(env) = container.get_mut("env").and_then(Value::as_array_mut) {
                        env.retain(|variable| variable["name"] != "GOMEMLIMIT");
                    }
                    if is_empty(container.get("env")) {
                        container.remove("env");
                    }
                }
            }
        }
        object
    });
    all.collect()
}

/// What `explain` shows of the containers of a report, in its order.
fn decided(report: &Value) -> Vec<Value> {
    let objects = report["objects"].as_array().unwrap().iter();
    objects.flat_map(|object| object["containers"].as_array().unwrap().iter().cloned()).collect()
}

#[test]
fn each_container_gets_what_its_limit_in_kubernetes_yields() {
    let rows = rows();
    assert!(rows.len() > 400, "{}", rows.len());
    let directory = tempfile::tempdir().unwrap();
    for (index, row) in rows.iter().enumerate() {
        write(directory.path(), &format!("{index:03}.yaml"), &row.text);
    }
    let root = directory.path().to_str().unwrap();
    let report = run(&["explain", "-f", root, "-o", "json"]);
    assert_eq!(report.code, 0, "{}", report.stderr);
    // A stream is written quickly, unlike files.
    let output = run(&["inject", "-q", "-f", root]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let (decided, envs) = (decided(&report.json()), envs(&output.stdout));
    let expected: Vec<_> =
        rows.iter().flat_map(|row| row.containers.iter().map(|one| (row.name, one))).collect();
    assert_eq!((decided.len(), envs.len()), (expected.len(), expected.len()));

    let mut wrong = Vec::new();
    for (((row, expected), decided), env) in expected.into_iter().zip(&decided).zip(&envs) {
        let existing = json!([decided["existing"]["bytes"], decided["existing"]["problem"]]);
        let existing = if expected[3].is_null() { Value::Null } else { existing };
        let found = [&decided["name"], &decided["reason"], env, &existing];
        if (0..4).any(|part| *found[part] != expected[part]) {
            wrong.push(format!("{row}\n  expected {expected}\n  found    {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));

    let is_object = |object: &Value| !object.is_null();
    let before: Vec<_> = rows.iter().flat_map(|row| without_additions(&row.text)).filter(is_object).collect();
    let after: Vec<_> = without_additions(&output.stdout).into_iter().filter(is_object).collect();
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after, "something else was changed");
    }
    let again = run_with_stdin(&["inject", "-q", "-f", "-"], &output.stdout);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(again.stdout == output.stdout, "a second run changes something");
}
