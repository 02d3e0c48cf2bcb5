//! The memory that the API server gives to containers by limit ranges: the data that the core's own reading of them is
//! tested with.

use serde_json::{Value, json};

use crate::harness::{LONG, Manifest, Namespace, check, client, gated_pod, wait_for};

const CASES: &str = include_str!("../../../crates/core/tests/golden/limit-ranges.json");

/// A pod with the containers of a case.
fn pod(case: &Value) -> Value {
    let mut pod = gated_pod("limited", "1Gi");
    let spec = &mut pod["spec"];
    (spec["containers"], spec["initContainers"]) = (json!([]), json!([]));
    if !case["podLimit"].is_null() {
        spec["resources"] = json!({"limits": {"memory": case["podLimit"]}});
    }
    for (name, resources) in case["containers"].as_object().unwrap() {
        let mut container =
            json!({"name": name, "image": "gomemlimit.invalid/pause:1", "resources": resources});
        if name == "sidecar" {
            container["restartPolicy"] = "Always".into();
        }
        let list = if ["init", "sidecar"].contains(&&**name) { "initContainers" } else { "containers" };
        spec[list].as_array_mut().unwrap().push(container);
    }
    pod
}

/// Container → memory, as the API server would store it.
fn stored(pod: &Value) -> Value {
    let lists = ["initContainers", "containers"];
    let containers = lists.iter().flat_map(|list| pod["spec"][list].as_array().into_iter().flatten());
    let amounts = containers.map(|container| {
        let resources = &container["resources"];
        let memory =
            json!({"limit": resources["limits"]["memory"], "request": resources["requests"]["memory"]});
        (container["name"].as_str().unwrap().to_owned(), memory)
    });
    Value::Object(amounts.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_get_the_memory_of_the_golden_data() {
    let client = client().await;
    let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    for case in &cases {
        let namespace = Namespace::new(&client, &[], &[]).await;
        for (index, spec) in case["limitRanges"].as_array().unwrap().iter().enumerate() {
            let name = format!("range-{index}");
            let object =
                json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": name}, "spec": spec});
            Manifest(object).create(&client, &namespace.name).await.unwrap();
        }
        wait_for(case["name"].as_str().unwrap(), LONG, async || {
            let pod = Manifest(pod(case)).dry_run(&client, &namespace.name).await;
            let found = stored(&pod.map_err(|error| error.to_string())?);
            check(found == case["stored"], || found.to_string())
        })
        .await;
    }
    println!("limit ranges: {} cases", cases.len());
}
