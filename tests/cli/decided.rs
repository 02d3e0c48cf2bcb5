//! Many texts, and what each of their containers gets: anchors and merge keys, keys that occur twice, streams, kinds, quantities,
//! `LimitRanges`, references and expansions.
//!
//! Rows of the table are a name, a text, and its containers: name, reason, env after `inject`, and of a value of the user its
//! bytes and its problem. Objects and quantities are what kubectl 1.37 reads (`kubectl annotate --local`, `kubectl set env
//! --local`); reasons and values were computed from them by a second program, after kubelet (references, expansions) and
//! the Go runtime (GOMEMLIMIT). tests/e2e compares the result with the kubectl of its clusters.

use std::{collections::BTreeMap, fs, path::Path};

use gomemlimit_manifest::{AliasBudget, Kinds, pods, read};
use serde_json::{Value, json};

use super::manifests::write;
use crate::support::command::run;

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

fn write_all(rows: &[Row], to: &Path) -> Vec<String> {
    rows.iter().enumerate().map(|(index, row)| write(to, &format!("{index:03}.yaml"), &row.text)).collect()
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
                        json!([one["name"], if one["valueFrom"].is_null() { &one["value"] } else { &Value::Null }])
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
            if let Some(annotations) = pod.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
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

#[test]
fn each_container_gets_what_its_limit_in_kubernetes_yields() {
    let rows = rows();
    assert!(rows.len() > 400, "{}", rows.len());
    let directory = tempfile::tempdir().unwrap();
    let files = write_all(&rows, directory.path());
    let root = directory.path().to_str().unwrap();

    let report = run(&["explain", "-f", root, "-o", "json"]);
    assert_eq!(report.code, 0, "{}", report.stderr);
    let mut decided = BTreeMap::<String, Vec<Value>>::new();
    for object in report.json()["objects"].as_array().unwrap() {
        let of_file = decided.entry(object["file"].as_str().unwrap().to_owned()).or_default();
        of_file.extend(object["containers"].as_array().unwrap().iter().cloned());
    }
    let output = run(&["inject", "-q", "--in-place", "-f", root]);
    assert_eq!(output.code, 0, "{}", output.stderr);

    let mut wrong = Vec::new();
    for (row, file) in rows.iter().zip(&files) {
        let after = fs::read_to_string(file).unwrap();
        let decided = decided.get(file).map_or(&[][..], Vec::as_slice);
        let envs = envs(&after);
        let found = decided.iter().zip(&envs).map(|(container, env)| {
            let mut found = vec![container["name"].clone(), container["reason"].clone(), env.clone()];
            if container["reason"] == "already-set" {
                let existing = &container["existing"];
                found.push(json!([existing["bytes"], existing["problem"]]));
            }
            Value::from(found)
        });
        let found: Vec<_> = found.collect();
        // The existing values of some rows are not of interest.
        let is_same = |(one, other): (&Value, &Value)| {
            one == other || (other[3].is_null() && (0..3).all(|part| one[part] == other[part]))
        };
        if found.len() != row.containers.len()
            || decided.len() != envs.len()
            || !found.iter().zip(&row.containers).all(is_same)
        {
            wrong.push(format!("{}\n  expected {:?}\n  found    {found:?}", row.name, row.containers));
        }
        if without_additions(&row.text) != without_additions(&after) {
            wrong.push(format!("{}: something else was changed:\n{after}", row.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));

    let before: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    let again = run(&["inject", "-q", "--in-place", "-f", root]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    for ((file, before), row) in files.iter().zip(before).zip(&rows) {
        assert!(fs::read(file).unwrap() == before, "a second run changes {}", row.name);
    }
}
