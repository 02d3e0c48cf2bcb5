//! Pods in which a real Go program prints its memory limit.

use serde_json::{Value, json};

use super::{LONG, kubectl, try_kubectl, wait_for};

/// The image of tests/e2e/reader, which `tests/e2e/run` imports.
pub const READER_IMAGE: &str = "gomemlimit-reader:1";

/// A pod with one container, `app`, that prints its memory limit; `env` and `annotations` are the user's.
pub fn reader_pod(name: &str, limit: &str, env: &Value, annotations: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": false,
            "containers": [{
                "name": "app", "image": READER_IMAGE, "imagePullPolicy": "IfNotPresent", "env": env,
                "resources": {"limits": {"memory": limit}, "requests": {"cpu": "1m", "memory": "8Mi"}},
                "resizePolicy": [{"resourceName": "memory", "restartPolicy": "RestartContainer"}],
            }],
        },
    })
}

/// Waits until the program reports this limit, in bytes.
pub async fn wait_for_limit(namespace: &str, pod: &str, bytes: u64) {
    let wanted = format!("{bytes}\n");
    wait_for(&format!("{pod} runs with a limit of {bytes}"), LONG, async || {
        match try_kubectl(&["logs", "-n", namespace, pod], "") {
            Ok(said) if said == wanted => Ok(()),
            Ok(said) | Err(said) => {
                Err(format!("{said}\n{}", kubectl(&["get", "pod", "-n", namespace, pod, "-o", "wide"])))
            }
        }
    })
    .await;
}
