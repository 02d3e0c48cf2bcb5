//! Values that follow the limit, and the warning about those that do not.

use serde_json::{Value, json};

use crate::harness::{
    LONG, Manifest, Webhook, check, gated_pod, is_own_cluster, reader_pod, ready_with_namespace, resize,
    status_of, values, wait_for, wait_for_limit,
};

const TRACKING: &str = "$(GOMEMLIMIT_MIB)000000";

/// Doubles the limit of `app`, as the Vertical Pod Autoscaler may.
fn raise_limit(_: &Value) -> Vec<Value> {
    vec![json!({"op": "replace", "path": "/spec/containers/0/resources/limits/memory", "value": "256Mi"})]
}

fn tracking() -> Value {
    json!({"gomemlimit.dev/value": "track"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tracking_value_follows_a_later_webhook() {
    if !is_own_cluster("a webhook and an image of the test's own") {
        return;
    }
    let (client, _, namespace) = ready_with_namespace().await;
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
    let status = status_of(&stored);
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
    let (client, _, namespace) = ready_with_namespace().await;
    let pods = [("follows", tracking(), 128_000_000), ("stays", json!({}), 120_795_955)];
    for (name, annotations, _) in &pods {
        let pod = reader_pod(name, "128Mi", &json!([]), annotations);
        Manifest(pod).create(&client, &namespace.name).await.unwrap();
    }
    for (name, _, bytes) in &pods {
        wait_for_limit(&namespace.name, name, *bytes).await;
    }
    let raised = json!({"limits": {"memory": "192Mi"}});
    let [follows, stays] = ["follows", "stays"].map(|pod| resize(&namespace.name, pod, &raised));
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
    let (client, _, namespace) = ready_with_namespace().await;
    let mut pod = gated_pod("odd", "50000001");
    pod["metadata"]["annotations"] = tracking();
    let stored = Manifest(pod).dry_run(&client, &namespace.name).await.unwrap();
    assert_eq!(values(&stored, "app"), ["45000000"]);
    let status = stored["metadata"]["annotations"]["gomemlimit.dev/status"].as_str().unwrap();
    assert!(status.contains("not tracked: the memory limit is below 64Mi"), "{status}");
}
