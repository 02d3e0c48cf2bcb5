//! Values that follow the limit, and the warning about those that do not.

use serde_json::{Value, json};

use crate::harness::{
    LONG, Manifest, Namespace, Release, Webhook, check, client, gated_pod, is_own_cluster, kubectl_says,
    reader_pod, values, wait_for, wait_for_limit,
};

const TRACKING: &str = "$(GOMEMLIMIT_MIB)000000";

/// Doubles the limit of `app`, as the Vertical Pod Autoscaler may.
fn raise_limit(_: &Value) -> Vec<Value> {
    vec![json!({"op": "replace", "path": "/spec/containers/0/resources/limits/memory", "value": "256Mi"})]
}

fn tracking() -> Value {
    json!({"gomemlimit.dev/value": "track"})
}

/// What kubectl prints when a pod's limit is changed in place.
fn resize(namespace: &str, pod: &str, limit: &str) -> String {
    let patch =
        json!({"spec": {"containers": [{"name": "app", "resources": {"limits": {"memory": limit}}}]}});
    kubectl_says(&["patch", "pod", pod, "-n", namespace, "--subresource", "resize", "-p", &patch.to_string()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tracking_value_follows_a_later_webhook() {
    if !is_own_cluster("a webhook and an image of the test's own") {
        return;
    }
    let client = client().await;
    Release::shared(&client).await.assert_ready().await;
    let namespace = Namespace::labelled(&client).await;
    // After `gomemlimit`.
    let vpa = Webhook::start("z-e2e-raise", &namespace.name, raise_limit).await;
    let pod = Manifest(reader_pod("raised", "128Mi", &json!([]), &tracking()));
    wait_for("the other webhook is known to the API server", LONG, async || {
        let pod = pod.dry_run(&client, &namespace.name).await.unwrap();
        let limit = &pod["spec"]["containers"][0]["resources"]["limits"]["memory"];
        check(limit == "256Mi", || limit.to_string())
    })
    .await;
    let stored = pod.create(&client, &namespace.name).await.unwrap();
    assert_eq!(values(&stored, "app"), [TRACKING]);
    let status = stored["metadata"]["annotations"]["gomemlimit.dev/status"].as_str().unwrap();
    let status: Value = serde_json::from_str(status).unwrap();
    assert_eq!(status["containers"]["app"]["limit"], 256 << 20, "{status}");
    wait_for_limit(&namespace.name, "raised", 256_000_000).await;
    println!("track: limit 128Mi, raised to 256Mi by a later webhook: the process says 256000000");
    drop(vpa);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tracking_value_follows_a_resize_and_a_literal_is_warned_about() {
    if !is_own_cluster("an image of the test's own") {
        return;
    }
    let client = client().await;
    Release::shared(&client).await.assert_ready().await;
    let namespace = Namespace::labelled(&client).await;
    let pods = [("follows", tracking(), 128_000_000), ("stays", json!({}), 120_795_955)];
    for (name, annotations, _) in &pods {
        let pod = reader_pod(name, "128Mi", &json!([]), annotations);
        Manifest(pod).create(&client, &namespace.name).await.unwrap();
    }
    for (name, _, bytes) in &pods {
        wait_for_limit(&namespace.name, name, *bytes).await;
    }
    let (follows, stays) =
        (resize(&namespace.name, "follows", "192Mi"), resize(&namespace.name, "stays", "192Mi"));
    println!("$ kubectl patch pod follows --subresource resize -p …192Mi…\n{follows}");
    println!("$ kubectl patch pod stays --subresource resize -p …192Mi…\n{stays}");
    assert!(!follows.contains("Warning"), "{follows}");
    let warning = "Warning: container \"app\": GOMEMLIMIT=\"120795955\" stays as it is while the memory limit changes from \
                   128Mi to 192Mi; recreate the pod to get a value that fits";
    assert!(stays.contains(warning), "{stays}");
    wait_for_limit(&namespace.name, "follows", 192_000_000).await;
    println!("track: limit 128Mi, resized to 192Mi with a restart: the process says 192000000");
}

/// If a value cannot track, the status shows why, and the API server accepts it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_track_is_a_literal() {
    let client = client().await;
    Release::shared(&client).await.assert_ready().await;
    let namespace = Namespace::labelled(&client).await;
    let mut pod = gated_pod("odd", "50000001");
    pod["metadata"]["annotations"] = tracking();
    let stored = Manifest(pod).dry_run(&client, &namespace.name).await.unwrap();
    assert_eq!(values(&stored, "app"), ["45000000"]);
    let status = stored["metadata"]["annotations"]["gomemlimit.dev/status"].as_str().unwrap();
    assert!(status.contains("not tracked: the memory limit is below 64Mi"), "{status}");
}
