//! Streams of several manifests: the kubectl of the cluster reads every object. `annotate --local` asks no cluster.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{gomemlimit, try_kubectl};

fn json(name: &str) -> String {
    format!("{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"{name}\"}}}}\n")
}

fn yaml(name: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n")
}

/// A file of each kind, with two objects.
fn files(number: usize) -> Vec<String> {
    let (one, two) = (format!("p{number}a"), format!("p{number}b"));
    vec![
        json(&one) + &json(&two),
        json(&one) + json(&two).trim_end(),
        format!("\u{feff}{}{}", json(&one), json(&two)),
        format!("{}---\n{}", yaml(&one), yaml(&two).trim_end()),
        format!("---\n{}---\n{}", yaml(&one), json(&two)),
        format!("\u{feff}# text\n---\n{}--- # text\n{}", yaml(&one), yaml(&two)),
        format!("{}...\n---\n{}", yaml(&one), yaml(&two)),
        format!("%YAML 1.1\n---\n{}---\n{}", yaml(&one), yaml(&two)),
    ]
}

#[test]
fn kubectl_reads_every_object_of_joined_files() {
    let directory = std::env::temp_dir().join(format!("gomemlimit-joined-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let [first, second] = ["1.yaml", "2.yaml"].map(path);
    for (index, before) in files(1).iter().enumerate() {
        // kubectl reads no directive in the first line of a stream.
        if before.starts_with('%') {
            continue;
        }
        for after in files(2) {
            fs::write(&first, before).unwrap();
            fs::write(&second, &after).unwrap();
            let stream = gomemlimit(&["inject", "-f", &first, "-f", &second]).stdout;
            let names = try_kubectl(&["annotate", "--local", "-f", "-", "q=1", "-o", "name"], &stream)
                .unwrap_or_else(|said| panic!("{index}: {said}\n{stream}"));
            assert_eq!(names, "pod/p1a\npod/p1b\npod/p2a\npod/p2b\n", "{stream}");
        }
    }
    fs::remove_dir_all(&directory).unwrap();
}

/// Names and values of the variables of each container in `value`; a reference has no value.
fn envs(value: &Value, found: &mut Vec<Value>) {
    for list in ["initContainers", "containers"] {
        for container in value[list].as_array().into_iter().flatten() {
            let variables = container["env"].as_array().into_iter().flatten();
            let pair = |one: &Value| {
                json!([one["name"], if one["valueFrom"].is_null() { &one["value"] } else { &Value::Null }])
            };
            found.push(variables.map(pair).collect());
        }
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| envs(item, found)),
        Value::Object(map) => {
            map.iter()
                .filter(|(key, _)| !key.ends_with("ontainers"))
                .for_each(|(_, value)| envs(value, found));
        }
        _ => {}
    }
}

/// The table of tests/cli/decided.rs, with the kubectl of the cluster.
#[test]
fn kubectl_reads_the_values_that_were_decided() {
    let directory = std::env::temp_dir().join(format!("gomemlimit-decided-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let mut expected = Vec::new();
    for (index, row) in include_str!("../../manifests/decided.tsv").lines().enumerate() {
        let [name, text, containers] = row.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let text: String = serde_json::from_str(text).unwrap();
        fs::write(directory.join(format!("{index:03}.yaml")), text).unwrap();
        let containers: Vec<Value> = serde_json::from_str(containers).unwrap();
        expected.extend(containers.into_iter().map(|container| (name, container[2].clone())));
    }
    let stream = gomemlimit(&["inject", "-q", "-f", directory.to_str().unwrap()]).stdout;
    let objects = try_kubectl(&["annotate", "--local", "-f", "-", "q=1", "-o", "json"], &stream).unwrap();
    let mut found = Vec::new();
    for object in serde_json::Deserializer::from_str(&objects).into_iter::<Value>() {
        envs(&object.unwrap(), &mut found);
    }
    assert_eq!(found.len(), expected.len());
    for ((name, expected), found) in expected.iter().zip(&found) {
        assert_eq!(expected, found, "{name}");
    }
    fs::remove_dir_all(&directory).unwrap();
}
