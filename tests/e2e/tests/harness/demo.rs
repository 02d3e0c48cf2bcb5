//! The demo of examples/oom-demo under load.

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::{LONG, Manifest, check, wait_for};

/// The image that `tests/e2e/run` imports.
pub fn demo_image() -> String {
    std::env::var("OOM_DEMO_IMAGE").unwrap_or_else(|_| "oom-demo:dev".to_owned())
}

/// `oom-demo serve` with these arguments and this memory limit, as the spec of a pod.
pub fn demo_spec(arguments: &[&str], limit: &str) -> Value {
    let args = [&["serve"][..], arguments].concat();
    json!({
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": false,
        "containers": [{
            "name": "shop", "image": demo_image(), "imagePullPolicy": "IfNotPresent",
            "args": args,
            "ports": [{"name": "http", "containerPort": 8080}],
            "resources": {"limits": {"memory": limit}, "requests": {"cpu": "10m", "memory": "32Mi"}},
        }],
    })
}

/// A pod of that.
pub fn demo_pod(name: &str, arguments: &[&str], limit: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": demo_spec(arguments, limit),
    })
}

/// Loads `http://ADDRESS/work` until the namespace is gone.
pub async fn start_load(client: &Client, namespace: &str, address: &str, rate: u32) {
    let load = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("load-{rate}")},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "containers": [{
                "name": "load", "image": demo_image(), "imagePullPolicy": "IfNotPresent",
                "args": ["load", format!("-url=http://{address}/work"), format!("-rate={rate}"), "-for=15m"],
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
            }],
        },
    });
    Manifest(load).create(client, namespace).await.unwrap();
}

/// The pod, once its program serves its data.
pub async fn wait_for_demo(client: &Client, namespace: &str, pod: &str) -> Pod {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    wait_for(&format!("{pod} serves"), LONG, async || {
        let log = super::try_kubectl(&["logs", "-n", namespace, pod, "-c", "shop"], "")?;
        check(log.contains("ready: "), || format!("its log says {log:?}"))?;
        let pod = pods.get(pod).await.map_err(|error| error.to_string())?;
        let address = pod.status.as_ref().and_then(|status| status.pod_ip.as_ref());
        check(address.is_some(), || "it has no address yet".to_owned())?;
        Ok(pod)
    })
    .await
}
