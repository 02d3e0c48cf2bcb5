//! The node is short of memory: the kubelet says so, keeps new pods without requests away, and evicts.

use std::{fs, path::PathBuf};

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, Client, api::ListParams};
use serde_json::json;

use super::{endure, seconds};
use crate::harness::{
    LONG, Manifest, Namespace, RELEASE_NAMESPACE, check, is_own_cluster, kubectl, ready, script, wait_for,
};

/// More than any node has. Only a soft threshold can be: a hard one is taken off what the node offers. Nobody's memory is
/// used up, and yet all that follows is the kubelet's own doing. It goes on until no pod is left, and none comes back to the
/// only node before its taint is gone.
const THRESHOLD: &str = "\
evictionSoft: {memory.available: 1Pi}
evictionSoftGracePeriod: {memory.available: 1s}
evictionPressureTransitionPeriod: 1s
";
/// Pods without requests or limits, the first to go.
const BEST_EFFORT: usize = 2;

/// A kubelet that finds too little memory, until this is dropped.
struct Pressure {
    file: PathBuf,
    text: String,
}

impl Pressure {
    fn begin() -> Self {
        let file = PathBuf::from(std::env::var_os("CLUSTER_DIR").unwrap()).join("etc/kubelet.yaml");
        let text = fs::read_to_string(&file).unwrap();
        let pressure = Self { file, text };
        fs::write(&pressure.file, format!("{}{THRESHOLD}", pressure.text)).unwrap();
        script("component", &["restart", "kubelet"]);
        pressure
    }
}

impl Drop for Pressure {
    fn drop(&mut self) {
        fs::write(&self.file, &self.text).unwrap();
        script("component", &["restart", "kubelet"]);
    }
}

/// Waits until the node's condition is this, and its taint with it.
async fn wait_for_pressure(client: &Client, wanted: bool) {
    wait_for("the node's condition MemoryPressure", LONG, async || {
        let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await;
        let node = nodes.map_err(|error| error.to_string())?.items.remove(0);
        let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
        let pressed = conditions.iter().any(|one| one.type_ == "MemoryPressure" && one.status == "True");
        let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
        let tainted = taints.iter().any(|taint| taint.key == "node.kubernetes.io/memory-pressure");
        check((pressed, tainted) == (wanted, wanted), || format!("{pressed}, tainted: {tainted}"))
    })
    .await;
}

/// Pods that the kubelet has ended: those of these tests do not end by themselves. A program that ends well at SIGTERM
/// leaves no other trace of its eviction in the phase.
async fn evicted(client: &Client, namespace: &str) -> usize {
    let pods = Api::<Pod>::namespaced(client.clone(), namespace).list(&ListParams::default()).await.unwrap();
    let phases = pods.iter().filter_map(|pod| pod.status.as_ref()?.phase.as_deref());
    phases.filter(|phase| matches!(*phase, "Failed" | "Succeeded")).count()
}

/// A namespace with pods that ask for nothing, once they run.
async fn best_effort_pods(client: &Client) -> Namespace {
    let namespace = Namespace::new(client, &[], &[]).await;
    for number in 0..BEST_EFFORT {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("best-effort-{number}")},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": false,
                "containers": [{"name": "app", "image": "gomemlimit.invalid/pause:1", "imagePullPolicy": "IfNotPresent"}],
            },
        });
        Manifest(pod).create(client, &namespace.name).await.unwrap();
    }
    kubectl(&["wait", "pods", "--all", "-n", &namespace.name, "--for=condition=Ready", "--timeout=2m"]);
    namespace
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_short_of_memory() {
    if !is_own_cluster("another configuration of the kubelet") {
        return;
    }
    let (client, release) = ready().await;
    let others = best_effort_pods(&client).await;
    endure(&client, "memory-pressure", "Node under memory pressure", async || {
        let pressure = Pressure::begin();
        wait_for_pressure(&client, true).await;
        wait_for("pods without requests are evicted, and then the replicas", LONG, async || {
            let gone = evicted(&client, &others.name).await;
            check(gone == BEST_EFFORT, || format!("{gone} of {BEST_EFFORT}"))?;
            let gone = evicted(&client, RELEASE_NAMESPACE).await;
            check(gone >= 2, || format!("{gone} of 2 replicas"))
        })
        .await;
        tokio::time::sleep(seconds(60, 5)).await;
        let ours = evicted(&client, RELEASE_NAMESPACE).await;
        drop(pressure);
        wait_for_pressure(&client, false).await;
        format!("evicted: {BEST_EFFORT} pods without requests, {ours} replicas")
    })
    .await;
    // What was evicted stays as a record.
    for phase in ["Failed", "Succeeded"] {
        let field = format!("--field-selector=status.phase={phase}");
        kubectl(&["delete", "pods", "-n", RELEASE_NAMESPACE, &field]);
    }
    release.assert_ready().await;
    release.assert_rest("memory pressure").await;
}
