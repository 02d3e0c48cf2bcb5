//! `observe` of the demo: without the label it is OOM killed, with it it is not.

use std::{path::Path, time::Duration};

use kube::{Api, Client};
use serde_json::{Value, json};

use k8s_openapi::api::core::v1::Service;

use crate::harness::{
    Account, LONG, Manifest, Namespace, Ran, check, demo_spec, gomemlimit, gomemlimit_with, kubectl, ready,
    repository, start_load, try_kubectl, wait_for,
};

/// The service of the proof: more garbage than fits beside its live data.
fn deployment() -> Value {
    let mut spec = demo_spec(&["-live=150MiB", "-garbage=256KiB"], "256Mi");
    spec["containers"][0]["name"] = "api".into();
    spec["containers"][0]["readinessProbe"] =
        json!({"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1, "timeoutSeconds": 5});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "api"},
        "spec": {
            "replicas": 1, "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app": "api"}},
            "template": {"metadata": {"labels": {"app": "api"}}, "spec": spec},
        },
    })
}

/// The Deployment and its Service, running: the address of the latter.
async fn start(client: &Client, namespace: &str) -> String {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"},
        "spec": {"selector": {"app": "api"}, "ports": [{"port": 80, "targetPort": "http"}]},
    });
    for object in [deployment(), service] {
        Manifest(object).create(client, namespace).await.unwrap();
    }
    is_rolled_out(namespace).await;
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    services.get("api").await.unwrap().spec.unwrap().cluster_ip.unwrap()
}

async fn is_rolled_out(namespace: &str) {
    wait_for("the Deployment is rolled out", LONG, async || {
        try_kubectl(&["rollout", "status", "deployment/api", "-n", namespace, "--timeout=2s"], "")
    })
    .await;
}

/// `GOMEMLIMIT_OBSERVE_PAGE=docs/observe tests/e2e/run --long before_and_after` measures what docs/observe.md shows.
/// The namespace is called shop there.
fn keep_for_the_page(folder: &Path, namespace: &str) {
    let Some(page) = std::env::var_os("GOMEMLIMIT_OBSERVE_PAGE") else { return };
    let page = repository().join(page);
    for file in ["before.json", "after.json", "memory.svg"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        std::fs::write(page.join(file), text.replace(namespace, "shop")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_and_after_the_label() {
    let (client, _) = ready().await;
    let namespace = Namespace::new(&client, &[], &[]).await;
    let name = namespace.name.as_str();
    let folder = std::env::temp_dir().join(format!("gomemlimit-e2e-{}-observe", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = |file: &str| folder.join(file).to_str().unwrap().to_owned();
    let observe = |arguments: &[&str], kubeconfig: Option<&Path>| -> Ran {
        let common = ["observe", "deployment/api", "-n", name, "--interval=1s"];
        gomemlimit_with(&[&common[..], arguments].concat(), kubeconfig)
    };
    let address = start(&client, name).await;
    start_load(&client, name, &address, 200).await;

    let seconds = if crate::harness::is_long() { "180s" } else { "40s" };
    let before = observe(&["--for", seconds, "--save", &path("before.json")], None);
    assert_eq!(before.code, 0, "{}", before.stderr);
    println!("{}", before.stdout);
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(path("before.json")).unwrap()).unwrap();
    let record = &kept["containers"][0];
    assert_eq!((&record["gomemlimit"], &record["limit"]), (&"off".into(), &(256_u64 << 20).into()));
    let samples = record["samples"].as_array().unwrap();
    for figure in ["workingSet", "resident", "liveHeap", "heap"] {
        assert!(samples.iter().any(|sample| sample[figure].is_u64()), "no {figure} in {record}");
    }
    assert!(record["cpu"]["gcSeconds"].as_f64().unwrap() > 0.0, "{}", record["cpu"]);

    kubectl(&["label", "namespace", name, "gomemlimit.dev/inject=enabled"]);
    kubectl(&["rollout", "restart", "deployment/api", "-n", name]);
    is_rolled_out(name).await;
    wait_for("only the new pod is there", LONG, async || {
        let pods = kubectl(&["get", "pods", "-n", name, "-l", "app=api", "-o", "name"]);
        check(pods.lines().count() == 1, || pods)
    })
    .await;
    let baseline = path("before.json");
    let (saved, svg) = (path("after.json"), path("memory.svg"));
    let after = observe(&["--for", seconds, "--baseline", &baseline, "--save", &saved, "--svg", &svg], None);
    assert_eq!(after.code, 0, "{}", after.stderr);
    println!("{}", after.stdout);
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&saved).unwrap()).unwrap();
    assert_eq!(kept["containers"][0]["gomemlimit"], "241591910", "{}", kept["containers"][0]["gomemlimit"]);

    keep_for_the_page(&folder, name);

    // A rollout while it is observed, and only the right to forward ports: its own figures.
    let few = Account::new(name, "few");
    for (verb, resource) in
        [("get,list", "pods"), ("get", "deployments.apps"), ("get,create", "pods/portforward")]
    {
        few.may(verb, resource);
    }
    wait_for("the rights hold", LONG, async || {
        let ran = observe(&["--for=1s"], Some(&few.kubeconfig));
        check(ran.code == 0 && !ran.stdout.contains("portforward"), || ran.stdout.clone() + &ran.stderr)
    })
    .await;
    let restarted = name.to_owned();
    let rollout = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(4));
        kubectl(&["rollout", "restart", "deployment/api", "-n", &restarted]);
    });
    let ran = observe(&["--for=20s", "--baseline", &baseline, "-o", "json"], Some(&few.kubeconfig));
    rollout.join().unwrap();
    let report = ran.json();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(report["figures"][0]["pods"], 2, "{}", report["figures"]);
    assert!(report["figures"][0]["peak"].is_u64(), "{}", report["figures"]);
    let samples = report["containers"][0]["samples"].as_array().unwrap();
    assert!(samples.iter().all(|sample| sample["workingSet"].is_null()), "{}", report["containers"][0]);

    let report = gomemlimit(&[
        "observe",
        "-l",
        "app=api",
        "-n",
        name,
        "--for=2s",
        "--baseline",
        &baseline,
        "-o",
        "json",
    ]);
    let compared = &report.json()["compared"][0];
    let kills = |side: &str| compared[side]["oomKills"].as_u64().unwrap();
    println!("observe: OOM kills before {}, after {}", kills("before"), oom_kills(&kept));
    assert!(kills("before") >= 1, "{}", before.stdout);
    assert_eq!(oom_kills(&kept), 0, "{}", after.stdout);
    assert!(std::fs::read_to_string(&svg).unwrap().contains("OOMKilled"));
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Of what was saved.
fn oom_kills(kept: &Value) -> usize {
    let containers = kept["containers"].as_array().unwrap();
    let ends = containers.iter().flat_map(|one| one["ends"].as_array().unwrap());
    ends.filter(|end| end["kind"] == "oom-killed").count()
}
