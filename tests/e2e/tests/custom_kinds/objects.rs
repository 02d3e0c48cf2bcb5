//! Definitions of kinds, objects of them, and what their controllers would make.

use kube::Client;
use serde_json::{Value, json};

use crate::harness::{LONG, Manifest, demo_spec, gated_pod, kubectl, try_kubectl, wait_for};

/// Group, versions, kind, plural and short name.
pub type Definition =
    (&'static str, &'static [&'static str], &'static str, &'static str, Option<&'static str>);

pub const DEFINITIONS: [Definition; 7] = [
    ("argoproj.io", &["v1alpha1"], "Rollout", "rollouts", Some("ro")),
    ("apps.openshift.io", &["v1"], "DeploymentConfig", "deploymentconfigs", Some("dc")),
    ("serving.knative.dev", &["v1"], "Service", "services", Some("ksvc")),
    // kubectl and this program ask for the stable version of several.
    ("apps.kruise.io", &["v1alpha1", "v1beta1"], "CloneSet", "clonesets", Some("clone")),
    ("jobset.x-k8s.io", &["v1alpha2"], "JobSet", "jobsets", None),
    ("ray.io", &["v1"], "RayCluster", "rayclusters", None),
    ("kubeflow.org", &["v1"], "PyTorchJob", "pytorchjobs", None),
];

/// The definitions, until this is dropped, also by a panic.
pub struct Definitions;

impl Definitions {
    pub fn create() -> Self {
        let definitions = Self;
        let all = DEFINITIONS.map(|(group, versions, kind, plural, short)| {
            let versions = versions.iter().map(|version| {
                let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
                let is_stored = Some(version) == versions.last();
                json!({"name": version, "served": true, "storage": is_stored, "schema": {"openAPIV3Schema": schema}})
            });
            let names = json!({
                "kind": kind, "plural": plural, "singular": kind.to_lowercase(),
                "shortNames": short.into_iter().collect::<Vec<_>>(),
            });
            json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": format!("{plural}.{group}")},
                "spec": {
                    "group": group, "scope": "Namespaced", "names": names,
                    "versions": versions.collect::<Vec<_>>(),
                },
            })
        });
        let list = json!({"apiVersion": "v1", "kind": "List", "items": all});
        try_kubectl(&["create", "-f", "-"], &list.to_string()).unwrap();
        let wait = ["wait", "--for=condition=Established", "--timeout=1m", "crd"];
        kubectl(&[&wait[..], &Self::names().iter().map(String::as_str).collect::<Vec<_>>()].concat());
        definitions
    }

    pub fn names() -> Vec<String> {
        DEFINITIONS.iter().map(|(group, _, _, plural, _)| format!("{plural}.{group}")).collect()
    }
}

impl Drop for Definitions {
    fn drop(&mut self) {
        let names = Self::names();
        let delete = ["delete", "crd", "--ignore-not-found", "--wait=false"];
        let arguments: Vec<_> = delete.into_iter().chain(names.iter().map(String::as_str)).collect();
        if let Err(said) = try_kubectl(&arguments, "") {
            println!("left behind: {said}");
        }
    }
}

fn workload(api_version: &str, kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// The template of a pod of 1Gi that nobody starts.
fn template(labels: &Value) -> Value {
    let mut spec = gated_pod("any", "1Gi")["spec"].clone();
    spec["restartPolicy"] = "Always".into();
    json!({"metadata": {"labels": labels}, "spec": spec})
}

/// The same for a Job.
fn job_template(labels: &Value) -> Value {
    let mut template = template(labels);
    template["spec"]["restartPolicy"] = "Never".into();
    template
}

/// Creates an object, as soon as the API server serves its kind.
async fn create(client: &Client, namespace: &str, object: Value) -> Value {
    let manifest = Manifest(object);
    wait_for("the kind is served", LONG, async || {
        manifest.create(client, namespace).await.map_err(|error| error.to_string())
    })
    .await
}

/// The same for one that belongs to `owner`, as its controller would create it.
async fn create_owned(client: &Client, namespace: &str, owner: &Value, mut object: Value) {
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"],
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    }]);
    create(client, namespace, object).await;
}

/// A Rollout with its `ReplicaSet`, whose pod runs.
pub async fn create_rollout(client: &Client, namespace: &str) {
    let spec = demo_spec(&["-live=4MiB", "-garbage=64KiB"], "64Mi");
    let (selector, labels) =
        (json!({"app": "api"}), json!({"app": "api", "rollouts-pod-template-hash": "5d"}));
    let of_labels = |labels: &Value, spec: &Value| {
        json!({
            "replicas": 1, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        })
    };
    let rollout = workload("argoproj.io/v1alpha1", "Rollout", "api", &of_labels(&selector, &spec));
    let rollout = create(client, namespace, rollout).await;
    let set = workload("apps/v1", "ReplicaSet", "api-5d", &of_labels(&labels, &spec));
    create_owned(client, namespace, &rollout, set).await;
}

/// The other kinds, each with a pod of 1Gi that nobody starts.
pub async fn create_others(client: &Client, namespace: &str) {
    let labels = json!({"deploymentconfig": "web", "deployment": "web-1"});
    let spec = json!({"replicas": 1, "selector": labels, "template": template(&labels)});
    let config = workload("apps.openshift.io/v1", "DeploymentConfig", "web", &spec);
    let config = create(client, namespace, config).await;
    let made = workload("v1", "ReplicationController", "web-1", &spec);
    create_owned(client, namespace, &config, made).await;

    let labels =
        json!({"serving.knative.dev/service": "hello", "serving.knative.dev/revision": "hello-00001"});
    let service = json!({"template": template(&json!({}))});
    let service =
        create(client, namespace, workload("serving.knative.dev/v1", "Service", "hello", &service)).await;
    let spec = json!({"replicas": 1, "selector": {"matchLabels": labels}, "template": template(&labels)});
    let made = workload("apps/v1", "Deployment", "hello-00001-deployment", &spec);
    create_owned(client, namespace, &service, made).await;
    // The Service that people take it for.
    let spec = json!({"type": "ExternalName", "externalName": "gateway.invalid"});
    create(client, namespace, workload("v1", "Service", "hello", &spec)).await;

    let labels = json!({"app": "clone"});
    let spec = json!({"selector": {"matchLabels": labels}, "template": template(&labels)});
    let set = create(client, namespace, workload("apps.kruise.io/v1beta1", "CloneSet", "web", &spec)).await;
    let mut pod = gated_pod("web-x2k9p", "1Gi");
    pod["metadata"]["labels"] = labels;
    create_owned(client, namespace, &set, pod).await;

    let labels = json!({"jobset.sigs.k8s.io/jobset-name": "train"});
    let job = json!({"spec": {"template": job_template(&labels)}});
    let set = workload(
        "jobset.x-k8s.io/v1alpha2",
        "JobSet",
        "train",
        &json!({
            "replicatedJobs": [{"name": "workers", "template": job}],
        }),
    );
    let set = create(client, namespace, set).await;
    create_owned(client, namespace, &set, workload("batch/v1", "Job", "train-workers-0", &job["spec"])).await;

    let groups = json!({
        "headGroupSpec": {"template": template(&json!({}))},
        "workerGroupSpecs": [{"groupName": "cpu", "template": template(&json!({}))}],
    });
    let cluster = create(client, namespace, workload("ray.io/v1", "RayCluster", "ray", &groups)).await;
    let mut pod = gated_pod("ray-head", "1Gi");
    pod["metadata"]["labels"] = json!({"ray.io/cluster": "ray"});
    create_owned(client, namespace, &cluster, pod).await;

    let job = json!({"pytorchReplicaSpecs": {
        "Master": {"template": job_template(&json!({}))}, "Worker": {"template": job_template(&json!({}))},
    }});
    create(client, namespace, workload("kubeflow.org/v1", "PyTorchJob", "fit", &job)).await;
}
