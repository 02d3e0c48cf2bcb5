//! Other webhooks change pods after us, as the Vertical Pod Autoscaler and Istio do.

use serde_json::{Value, json};

use crate::harness::{
    LONG, Manifest, Webhook, check, gated_pod, is_own_cluster, ready_with_namespace, status_of, values,
    wait_for, wait_for_injection,
};

/// Raises the limit of `app` to 2Gi.
pub fn raise_limit(pod: &Value) -> Vec<Value> {
    let containers = pod["spec"]["containers"].as_array().unwrap();
    let places = containers.iter().enumerate().filter(|(_, container)| container["name"] == "app");
    places
        .map(|(place, _)| {
            json!({"op": "replace", "path": format!("/spec/containers/{place}/resources/limits/memory"), "value": "2Gi"})
        })
        .collect()
}

/// Adds a sidecar with a limit.
fn add_sidecar(_: &Value) -> Vec<Value> {
    let proxy = json!({
        "name": "istio-proxy", "image": "gomemlimit.invalid/proxy:1",
        "resources": {"limits": {"memory": "256Mi"}},
    });
    vec![json!({"op": "add", "path": "/spec/containers/-", "value": proxy})]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_follow_what_later_webhooks_do() {
    if !is_own_cluster("webhooks of the test's own") {
        return;
    }
    let (client, _, namespace) = ready_with_namespace().await;
    // After `gomemlimit`.
    let vpa = Webhook::start("z-e2e-vpa", &namespace.name, raise_limit).await;
    let istio = Webhook::start("z-e2e-istio", &namespace.name, add_sidecar).await;

    let user = json!({"name": "user", "image": "gomemlimit.invalid/pause:1",
        "env": [{"name": "GOMEMLIMIT", "value": "700MiB"}],
        "resources": {"limits": {"memory": "1Gi"}}});
    let mut pod = gated_pod("reinvoked", "1Gi");
    pod["spec"]["containers"].as_array_mut().unwrap().push(user);
    let pod = Manifest(pod);
    wait_for("both webhooks are known to the API server", LONG, async || {
        let pod = pod.dry_run(&client, &namespace.name).await.unwrap();
        let containers = pod["spec"]["containers"].as_array().unwrap();
        let limit = &containers[0]["resources"]["limits"]["memory"];
        check(containers.len() == 3 && limit == "2Gi", || format!("{} containers, {limit}", containers.len()))
    })
    .await;
    let stored = pod.create(&client, &namespace.name).await.unwrap();
    let [app, proxy, user] = ["app", "istio-proxy", "user"].map(|container| values(&stored, container));
    println!(
        "reinvocation: limit raised to 2Gi: {app:?}; sidecar added with 256Mi: {proxy:?}; the user's: {user:?}"
    );
    assert_eq!(app, ["1932735283"], "follows the limit");
    assert_eq!(proxy, ["241591910"], "the sidecar gets one");
    assert_eq!(user, ["700MiB"], "a user's value stays");
    let status = status_of(&stored);
    assert_eq!(status["containers"]["app"]["limit"], 2_u64 << 30, "{status}");

    drop((vpa, istio));
    // The webhooks are gone.
    wait_for_injection(&client, &namespace).await;
}
