//! Manifests as JSON, and values in pods.

use kube::{
    Api, Client,
    api::{DynamicObject, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};

use super::{LONG, Namespace, check, wait_for};

/// What 1Gi yields by default.
pub const VALUE_1GI: &str = "966367641";

/// A pod that the API server accepts and nobody starts: one container, `app`, with this memory limit.
pub fn gated_pod(name: &str, limit: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "schedulingGates": [{"name": "gomemlimit.dev/e2e"}],
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "app", "image": "gomemlimit.invalid/pause:1",
                "resources": {"limits": {"memory": limit}, "requests": {"memory": "1Mi"}},
            }],
        },
    })
}

/// An object with all fields of its manifest.
pub struct Manifest(pub Value);

impl Manifest {
    /// Creates it in `namespace` and returns it as stored.
    pub async fn create(&self, client: &Client, namespace: &str) -> Result<Value, kube::Error> {
        self.create_with(client, namespace, &PostParams::default()).await
    }

    /// What would be stored.
    pub async fn dry_run(&self, client: &Client, namespace: &str) -> Result<Value, kube::Error> {
        self.create_with(client, namespace, &PostParams { dry_run: true, ..PostParams::default() }).await
    }

    async fn create_with(
        &self,
        client: &Client,
        namespace: &str,
        parameters: &PostParams,
    ) -> Result<Value, kube::Error> {
        let mut object = self.0.clone();
        object["metadata"]["namespace"] = namespace.into();
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let stored = self.api(client, namespace).create(parameters, &object).await?;
        Ok(serde_json::to_value(stored).unwrap())
    }

    fn api(&self, client: &Client, namespace: &str) -> Api<DynamicObject> {
        let text = |key: &str| self.0[key].as_str().unwrap();
        let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
        let kind = GroupVersionKind::gvk(group, version, text("kind"));
        Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk(&kind))
    }
}

/// The values that a pod of 1Gi would get now.
pub async fn dry_run_values(client: &Client, namespace: &Namespace) -> Vec<String> {
    let pod = Manifest(gated_pod("dry-run", "1Gi")).dry_run(client, &namespace.name).await.unwrap();
    values(&pod, "app")
}

/// `Ok` if a pod of 1Gi would get its value now; for a cluster whose API server may be away.
pub async fn check_injected(client: &Client, namespace: &Namespace) -> Result<(), String> {
    let pod = Manifest(gated_pod("injected", "1Gi")).dry_run(client, &namespace.name).await;
    let pod = pod.map_err(|error| error.to_string())?;
    check(values(&pod, "app") == [VALUE_1GI], || "no value".to_owned())
}

/// Waits until pods get their value; none may be refused meanwhile.
pub async fn wait_for_injection(client: &Client, namespace: &Namespace) {
    wait_for("pods are injected", LONG, async || {
        check(dry_run_values(client, namespace).await == [VALUE_1GI], || "no value".to_owned())
    })
    .await;
}

/// What the webhook has written on a pod.
pub fn status_of(pod: &Value) -> Value {
    let status = pod["metadata"]["annotations"]["gomemlimit.dev/status"].as_str();
    serde_json::from_str(status.unwrap_or("{}")).unwrap()
}

/// All values of GOMEMLIMIT in a container of a pod, in order; one from elsewhere is `""`.
pub fn values(pod: &Value, container: &str) -> Vec<String> {
    let lists = ["initContainers", "containers"];
    let containers = lists.iter().flat_map(|list| pod["spec"][list].as_array().into_iter().flatten());
    let mut named = containers.filter(|candidate| candidate["name"] == container);
    let container = named.next().unwrap_or_else(|| panic!("no container {container} in {pod}"));
    let env = container["env"].as_array().into_iter().flatten();
    let ours = env.filter(|variable| variable["name"] == "GOMEMLIMIT");
    ours.map(|variable| variable["value"].as_str().unwrap_or_default().to_owned()).collect()
}
