//! Every manifest of the corpus, applied; what the API server stored is what counts.

use std::collections::BTreeMap;

use gomemlimit_manifest::{Kinds, pods};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};

use crate::harness::{
    FULLNAME, LONG, Manifest, Namespace, RELEASE_NAMESPACE, Release, VALUE_1GI, check, client, gated_pod,
    host_pid, is_own_cluster, kubectl, ready_with_namespace, try_kubectl, values, wait_for,
};

pub const MANIFESTS: &str = include_str!("../../manifests/cases.yaml");
const EXPECTED: &str = include_str!("../../../crates/core/tests/golden/expected.tsv");

/// Case → container → value; `None` where nothing may be added.
type Expected = BTreeMap<String, BTreeMap<String, Option<String>>>;

fn expected() -> Expected {
    let mut expected = Expected::new();
    for row in EXPECTED.lines().filter(|row| !row.starts_with('#')) {
        let [case, container, _, value] = row.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let Some((_, name)) = case.split_once("-create-") else { continue };
        let value = (!value.is_empty()).then(|| value.to_owned());
        expected.entry(name.to_owned()).or_default().insert(container.to_owned(), value);
    }
    // There is no manifest for these: the same pod by dry run, and one whose case was renamed.
    expected.remove("dry-run");
    expected.remove("limit-decimal-700M");
    expected
}

/// The pod's part of a pod or of a workload.
pub fn template(object: &mut Value) -> &mut Value {
    let location = pods(object, &Kinds::default()).locations.remove(0);
    object.pointer_mut(&location.pointer()).unwrap()
}

/// No image of the corpus can be pulled, so the pods wait before they are scheduled.
fn gate(object: &mut Value) {
    let spec = &mut template(object)["spec"];
    if spec["nodeName"].is_null() {
        spec["schedulingGates"] = json!([{"name": "gomemlimit.dev/e2e"}]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pod_of_the_corpus_is_stored_with_its_value() {
    let client = client().await;
    Release::shared(&client).await;
    let (shop, bounded) = (Namespace::labelled(&client).await, Namespace::labelled(&client).await);
    let range = json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "default"},
        "spec": {"limits": [{"type": "Container", "default": {"memory": "256Mi"}, "defaultRequest": {"memory": "128Mi"}}]},
    });
    Manifest(range).create(&client, &bounded.name).await.unwrap();

    let manifests: Vec<Value> = serde_saphyr::from_multiple(MANIFESTS).unwrap();
    let mut given = BTreeMap::new();
    for mut manifest in manifests {
        let namespace = if manifest["metadata"]["namespace"] == "bounded" { &bounded } else { &shop };
        gate(&mut manifest);
        let case = template(&mut manifest)["metadata"]["annotations"]["case"].as_str().unwrap().to_owned();
        given.insert(case.clone(), template(&mut manifest).clone());
        let created = Manifest(manifest).create(&client, &namespace.name).await;
        created.unwrap_or_else(|error| panic!("{case}: {error}"));
    }

    let expected = expected();
    // A CronJob starts its first job within a minute; a pod of a node that is not there may be gone by then.
    let mut stored = BTreeMap::new();
    wait_for("a pod for every manifest", LONG, async || {
        stored.extend(stored_pods(&client, &[&shop, &bounded]).await);
        let missing: Vec<_> = expected.keys().filter(|case| !stored.contains_key(*case)).collect();
        check(missing.is_empty(), || format!("none for {missing:?}"))
    })
    .await;
    assert!(stored.keys().eq(expected.keys()), "{:?}", stored.keys());

    let (mut containers, mut with_value) = (0, 0);
    for (case, containers_of_case) in &expected {
        for (container, value) in containers_of_case {
            let mut wanted = values(&given[case], container);
            wanted.extend(value.clone());
            assert_eq!(values(&stored[case], container), wanted, "{case}, {container}");
            containers += 1;
            with_value += usize::from(value.is_some());
        }
    }
    println!(
        "corpus: {} manifests, {containers} containers as stored by the API server, {with_value} of them with an injected value",
        expected.len()
    );
    assert_eq!(containers, 110);
    // No kubelet of that node will ever confirm its end.
    let pods: Api<Pod> = Api::namespaced(client.clone(), &shop.name);
    let _ = pods.delete("mirror", &DeleteParams::default().grace_period(0)).await;
}

/// Case → pod.
async fn stored_pods(client: &Client, namespaces: &[&Namespace]) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for namespace in namespaces {
        let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace.name);
        for pod in pods.list(&ListParams::default()).await.unwrap() {
            let pod = serde_json::to_value(pod).unwrap();
            let case = pod["metadata"]["annotations"]["case"].as_str().unwrap().to_owned();
            found.insert(case, pod);
        }
    }
    found
}

/// Takes the label off again.
struct Labelled(&'static str);

impl Labelled {
    fn put(namespace: &'static str) -> Self {
        kubectl(&["label", "namespace", namespace, "--overwrite", "gomemlimit.dev/inject=enabled"]);
        Self(namespace)
    }
}

impl Drop for Labelled {
    fn drop(&mut self) {
        let _ = try_kubectl(&["label", "namespace", self.0, "gomemlimit.dev/inject-"], "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_namespaces_are_untouched() {
    let client = client().await;
    Release::shared(&client).await;
    let unlabelled = Namespace::new(&client, &[], &[]).await;
    let labelled = Namespace::labelled(&client).await;
    let _labels = ["kube-system", "kube-public", RELEASE_NAMESPACE].map(Labelled::put);
    // The labels have to reach the API server's own picture of the namespaces.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;

    let pod = Manifest(gated_pod("untouched", "1Gi"));
    let pods_in = |namespace: &str| Api::<Pod>::namespaced(client.clone(), namespace);
    for namespace in [&*unlabelled.name, "kube-system", "kube-public", RELEASE_NAMESPACE] {
        let stored = pod.create(&client, namespace).await.unwrap();
        pods_in(namespace).delete("untouched", &DeleteParams::default().grace_period(0)).await.unwrap();
        assert_eq!(values(&stored, "app"), [""; 0], "{namespace}");
        assert!(stored["metadata"]["annotations"]["gomemlimit.dev/status"].is_null(), "{namespace}");
    }
    let injected = pod.create(&client, &labelled.name).await.unwrap();
    assert_eq!(values(&injected, "app"), [VALUE_1GI], "the webhook was there all the time");
    println!(
        "untouched: an unlabelled namespace, and labelled: kube-system, kube-public, {RELEASE_NAMESPACE} (release {FULLNAME})"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_process_has_the_value_in_its_environment() {
    if !is_own_cluster("the environment of a running process") {
        return;
    }
    let (client, _, namespace) = ready_with_namespace().await;
    let mut pod = gated_pod("running", "64Mi");
    pod["spec"].as_object_mut().unwrap().remove("schedulingGates");
    Manifest(pod).create(&client, &namespace.name).await.unwrap();
    kubectl(&["wait", "--for=condition=Ready", "pod/running", "-n", &namespace.name, "--timeout=90s"]);
    let pid = host_pid(&namespace.name, "running", "app");
    let environment = String::from_utf8(std::fs::read(format!("/proc/{pid}/environ")).unwrap()).unwrap();
    let ours: Vec<_> =
        environment.split('\0').filter(|variable| variable.starts_with("GOMEMLIMIT")).collect();
    println!("running: {ours:?} with a limit of 64Mi");
    assert_eq!(ours, ["GOMEMLIMIT=60397977"]);
}
