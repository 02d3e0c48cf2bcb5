//! Workloads of kinds that are not those of Kubernetes itself. Their definitions have no schema and no controller runs: what it
//! would make is made here, and the real controllers of Kubernetes make the pods of that.

mod objects;

use kube::{Api, Client, api::ListParams};
use serde_json::{Value, json};

use k8s_openapi::api::core::v1::Pod;

use self::objects::{DEFINITIONS, Definitions, create_others, create_rollout};
use crate::harness::{
    Account, LONG, Namespace, Ran, VALUE_1GI, check, gomemlimit, gomemlimit_with, kubectl, kubectl_json,
    ready_with_namespace, status_of, values, wait_for, wait_for_demo,
};

/// 90 % of 64Mi.
const VALUE_64MI: &str = "60397977";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinds_of_others_are_looked_at_as_they_are_in_the_cluster() {
    let (client, _, namespace) = ready_with_namespace().await;
    let name = &namespace.name;
    assert_kind_is_missing(name);
    let _definitions = Definitions::create();
    let plain = Namespace::new(&client, &[], &[]).await;
    create_rollout(&client, name).await;
    create_rollout(&client, &plain.name).await;
    create_others(&client, name).await;
    let pods: Api<Pod> = Api::namespaced(client.clone(), name);
    wait_for("the controllers have made their pods", LONG, async || {
        let count = pods.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items.len();
        check(count == 6, || format!("{count} pods"))
    })
    .await;

    assert_explained(name);
    assert_audited(name);
    assert_rights(name).await;
    assert_not_injected(&client, &plain.name).await;
    assert_pod_is_found(&client, name).await;
}

/// Before there is any of these kinds.
fn assert_kind_is_missing(namespace: &str) {
    for (command, target, resource) in [
        ("explain", "rollout/api", "rollouts.argoproj.io"),
        ("explain", "ksvc/hello", "services.serving.knative.dev"),
        ("observe", "ro/api", "rollouts.argoproj.io"),
        ("diagnose", "clonesets.v1beta1.apps.kruise.io/web", "clonesets.apps.kruise.io"),
    ] {
        let ran = gomemlimit(&[command, target, "-n", namespace]);
        let expected = format!(
            "error: the API server does not have a resource type {resource:?}; kubectl api-resources lists those that it has\n"
        );
        assert_eq!((ran.code, &*ran.stdout, &*ran.stderr), (2, "", &*expected), "{command}");
    }
}

fn explain(targets: &[&str], namespace: &str) -> Value {
    let ran = gomemlimit(&[&["explain", "-n", namespace, "-o", "json"], targets].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.json()
}

/// By every name that kubectl has for them.
fn assert_explained(namespace: &str) {
    let types = Definitions::names().join(",");
    let names = kubectl(&["get", &types, "-n", namespace, "-o", "name"]);
    let names: Vec<_> = names.lines().collect();
    assert_eq!(names.len(), DEFINITIONS.len(), "{names:?}");
    let report = explain(&names, namespace);
    let objects = report["objects"].as_array().unwrap();
    let found: Vec<_> = objects
        .iter()
        .map(|object| {
            let text = |key: &str| object[key].as_str().unwrap().to_owned();
            assert_eq!((&object["notCalled"], &object["running"]), (&Value::Null, &json!([])), "{object}");
            let values =
                object["containers"].as_array().unwrap().iter().map(|one| one["value"].as_str().unwrap());
            (
                text("apiVersion"),
                format!("{}/{}", text("kind"), text("name")),
                values.collect::<Vec<_>>().join(" "),
            )
        })
        .collect();
    let expected = [
        ("argoproj.io/v1alpha1", "Rollout/api", VALUE_64MI),
        ("apps.openshift.io/v1", "DeploymentConfig/web", VALUE_1GI),
        ("serving.knative.dev/v1", "Service/hello", VALUE_1GI),
        ("apps.kruise.io/v1beta1", "CloneSet/web", VALUE_1GI),
        ("jobset.x-k8s.io/v1alpha2", "JobSet/train", VALUE_1GI),
        // The templates of the head and of the workers, of the master and of the workers.
        ("ray.io/v1", "RayCluster/ray", VALUE_1GI),
        ("ray.io/v1", "RayCluster/ray", VALUE_1GI),
        ("kubeflow.org/v1", "PyTorchJob/fit", VALUE_1GI),
        ("kubeflow.org/v1", "PyTorchJob/fit", VALUE_1GI),
    ];
    let expected =
        expected.map(|(version, name, value)| (version.to_owned(), name.to_owned(), value.to_owned()));
    assert_eq!(found, expected);

    let others: [&[&str]; 2] = [
        &["ro/api", "dc/web", "ksvc/hello", "clone/web", "jobset/train", "raycluster/ray", "pytorchjob/fit"],
        &[
            "rollouts/api",
            "deploymentconfigs/web",
            "services.v1.serving.knative.dev/hello",
            "clonesets.v1alpha1.apps.kruise.io/web",
            "jobsets/train",
            "rayclusters/ray",
            "pytorchjobs/fit",
        ],
    ];
    for targets in others {
        assert_eq!(explain(targets, namespace)["objects"], report["objects"], "{targets:?}");
    }
    let ran = gomemlimit(&["explain", "rollout/api", "-n", namespace]);
    let row = format!(
        "\nRollout {namespace}/api  shop       64Mi   57.6Mi      injected  ratio 0.9 of the limit (default)\n"
    );
    assert!(ran.stdout.contains(&row), "{}", ran.stdout);

    let refused = gomemlimit(&["explain", "service/hello", "-n", namespace]);
    let expected = "error: \"service\" is not a resource type with pods, unlike service.serving.knative.dev (ksvc); there are ";
    assert!(refused.code == 2 && refused.stderr.starts_with(expected), "{}", refused.stderr);
    let missing = gomemlimit(&["explain", "job/train", "-n", namespace]);
    assert_eq!(
        (missing.code, missing.stderr),
        (2, format!("error: there is no job train in namespace {namespace}\n"))
    );
}

/// What made each pod, and how to replace it.
fn made_by(report: &Value) -> Vec<String> {
    let mut found: Vec<_> = report["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
            let workload = &row["workload"];
            let names = ["group", "kind", "name"].map(|key| text(&workload[key])).join(" ");
            format!("{names}: {} {} {}", text(&row["status"]), row["ours"], text(&row["value"]))
        })
        .collect();
    found.sort();
    found
}

fn audit(namespace: &str, arguments: &[&str]) -> Ran {
    gomemlimit(&[&["audit", "-n", namespace], arguments].concat())
}

/// In each format.
fn assert_audited(namespace: &str) {
    let expected = [
        format!("apps.kruise.io CloneSet web: covered true {VALUE_1GI}"),
        format!("apps.openshift.io DeploymentConfig web: covered true {VALUE_1GI}"),
        format!("argoproj.io Rollout api: covered true {VALUE_64MI}"),
        format!("jobset.x-k8s.io JobSet train: covered true {VALUE_1GI}"),
        format!("ray.io RayCluster ray: covered true {VALUE_1GI}"),
        format!("serving.knative.dev Service hello: covered true {VALUE_1GI}"),
    ];
    assert_eq!(made_by(&audit(namespace, &["-o", "json"]).json()), expected);
    let wide = audit(namespace, &["-o", "wide"]).stdout;
    for name in [
        "cloneset/web",
        "deploymentconfig/web",
        "rollout/api",
        "jobset/train",
        "raycluster/ray",
        "service.serving.knative.dev/hello",
    ] {
        assert!(wide.contains(&format!(" {name}")), "{name}: {wide}");
    }
    let names = audit(namespace, &["-o", "name"]).stdout;
    assert!(
        names.lines().any(|name| name.starts_with("pod/api-5d-")) && names.lines().count() == 6,
        "{names}"
    );
    let metrics = audit(namespace, &["-o", "prometheus"]).stdout;
    let count = format!("gomemlimit_containers{{namespace=\"{namespace}\",status=\"covered\"}} 6\n");
    assert!(metrics.contains(&count), "{metrics}");
    let gate = audit(namespace, &["--fail-on", "uncovered,stale", "--summary"]);
    assert_eq!(gate.code, 0, "{}{}", gate.stdout, gate.stderr);
}

/// `explain` takes `get` on the kind; `audit` takes no right to it.
async fn assert_rights(namespace: &str) {
    let account = Account::new(namespace, "looker");
    let run = |arguments: &[&str]| {
        gomemlimit_with(&[arguments, &["-n", namespace]].concat(), Some(&account.kubeconfig))
    };
    let refused = run(&["explain", "rollout/api"]);
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert!(
        refused.stderr.contains("cannot get resource \"rollouts\" in API group \"argoproj.io\"")
            && refused.stderr.ends_with("; grant get on rollouts.argoproj.io\n"),
        "{}",
        refused.stderr
    );
    account.may("list", "pods");
    account.may("get", "rollouts.argoproj.io");
    let with_rights = async |arguments: &[&str]| {
        wait_for("the rights hold", LONG, async || {
            let ran = run(arguments);
            check(ran.code == 0, || ran.stderr.clone())?;
            Ok(ran.json())
        })
        .await
    };
    let explained = with_rights(&["explain", "rollout/api", "-o", "json"]).await;
    assert_eq!(explained["objects"][0]["containers"][0]["value"], VALUE_64MI);
    let audited = with_rights(&["audit", "-o", "json"]).await;
    let names = made_by(&audited);
    assert!(names.iter().any(|row| row.starts_with("apps.kruise.io CloneSet web: covered")), "{names:?}");
}

/// In a namespace that has not opted in, and then has.
async fn assert_not_injected(client: &Client, namespace: &str) {
    let ran = gomemlimit(&["explain", "rollout/api", "-n", namespace, "-o", "json"]);
    let label = format!("kubectl label namespace {namespace} gomemlimit.dev/inject=enabled");
    let expected = format!("the webhook is not asked about new pods: {label}");
    assert_eq!(ran.json()["objects"][0]["notCalled"], expected);
    let row = |report: &Value| {
        let row = &report["containers"][0];
        (row["workload"]["kind"].clone(), row["reason"].clone(), row["advice"].as_str().unwrap().to_owned())
    };
    let restart = format!("kubectl argo rollouts restart api -n {namespace}");
    let seen = wait_for("the pod is there", LONG, async || {
        let report = audit(namespace, &["-o", "json"]).json();
        check(report["containers"][0].is_object(), || report.to_string())?;
        Ok(report)
    })
    .await;
    assert_eq!(row(&seen), ("Rollout".into(), "not-labelled".into(), format!("{label}; then {restart}")));
    let gate = audit(namespace, &["--fail-on", "not-labelled"]);
    assert_eq!(gate.code, 1, "{}", gate.stderr);
    kubectl(&["label", "namespace", namespace, "gomemlimit.dev/inject=enabled"]);
    let seen = audit(namespace, &["-o", "json"]).json();
    assert_eq!(row(&seen), ("Rollout".into(), "not-injected".into(), restart));
    // The next one of the same ReplicaSet gets a value.
    kubectl(&["delete", "pods", "-n", namespace, "-l", "app=api", "--wait=false"]);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    wait_for("the next pod has a value", LONG, async || {
        let list = pods.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let values = list.iter().map(|pod| values(&serde_json::to_value(pod).unwrap(), "shop"));
        let values = values.collect::<Vec<_>>();
        check(values.iter().any(|one| one == &[VALUE_64MI]), || format!("{values:?}"))
    })
    .await;
}

/// The running pod of the Rollout, which the webhook injected.
async fn assert_pod_is_found(client: &Client, namespace: &str) {
    let list = kubectl_json(&["get", "pods", "-n", namespace, "-l", "rollouts-pod-template-hash=5d"]);
    let pod = &list["items"][0];
    assert_eq!(values(pod, "shop"), [VALUE_64MI]);
    assert_eq!(status_of(pod)["containers"]["shop"]["source"], "default", "{pod}");
    let name = pod["metadata"]["name"].as_str().unwrap();
    wait_for_demo(client, namespace, name).await;
    let ran = gomemlimit(&["diagnose", "rollout/api", "-n", namespace, "--captures=1", "-o", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["figures"]["gomemlimit"]["bytes"].to_string(), VALUE_64MI, "{}", ran.stdout);
    let observed = |target: &str| {
        let ran =
            gomemlimit(&["observe", target, "-n", namespace, "--for=1s", "--interval=1s", "-o", "json"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.json()["figures"][0]["pods"].clone()
    };
    assert_eq!(observed("ro/api"), 1);
    // Without a selector it is the label that the pods have.
    assert_eq!(observed("raycluster/ray"), 1);
    let ran = gomemlimit(&["diagnose", "jobset/train", "-n", namespace]);
    let expected = format!("error: container app of pod {namespace}/train-workers-0-");
    assert!(ran.code == 2 && ran.stderr.starts_with(&expected), "{}", ran.stderr);
}
