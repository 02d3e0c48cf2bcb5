//! `diagnose` of pods: pprof on 127.0.0.1 inside, few rights, a leak with GOMEMLIMIT injected until it is killed.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::harness::{
    Account, LONG, Manifest, Namespace, check, client, demo_pod, gomemlimit, gomemlimit_with,
    ready_with_namespace, start_load, values, wait_for, wait_for_demo,
};

const LIMIT: &str = "256Mi";
/// 90 % of it.
const VALUE: &str = "241591910";

/// The state of the only container: how often it was restarted, and how it ended last.
async fn ends(client: &Client, namespace: &str, name: &str) -> (i64, Value) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let status = serde_json::to_value(pods.get(name).await.unwrap().status).unwrap();
    let container = &status["containerStatuses"][0];
    let now = &container["state"]["terminated"];
    let last = if now.is_null() { &container["lastState"]["terminated"] } else { now };
    (container["restartCount"].as_i64().unwrap_or(0), last.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leak_with_a_value_is_a_leak_and_the_estimate_is_about_right() {
    let (client, _, namespace) = ready_with_namespace().await;
    let name = &namespace.name;
    // pprof listens on 127.0.0.1:6060 unless another address is configured.
    let leaking = demo_pod("leaking", &["-live=40MiB", "-garbage=64KiB", "-leak=48KiB"], LIMIT);
    let stored = Manifest(leaking).create(&client, name).await.unwrap();
    assert_eq!(values(&stored, "shop"), [VALUE]);
    let pod = wait_for_demo(&client, name, "leaking").await;

    let few = Account::new(name, "few");
    let with = |account: &Account, arguments: &[&str]| {
        let arguments = [&["diagnose", "leaking", "-n", name, "-o", "json"][..], arguments].concat();
        gomemlimit_with(&arguments, Some(&account.kubeconfig))
    };
    few.may("get", "pods");
    let refused = wait_for("a right holds", LONG, async || {
        let ran = with(&few, &["--captures=1"]);
        check(ran.stderr.contains("pods/portforward"), || ran.stderr.clone())?;
        Ok(ran)
    })
    .await;
    assert_eq!((refused.code, refused.stderr.lines().count()), (2, 1), "{}", refused.stderr);
    assert!(refused.stderr.contains("it takes `get` and `create` on pods/portforward"), "{}", refused.stderr);
    few.may("get,create", "pods/portforward");
    wait_for("another right holds", LONG, async || {
        let ran = with(&few, &["--captures=1"]);
        check(ran.code == 0, || ran.stderr.clone())
    })
    .await;

    // Who may ask the kubelet learns what is resident.
    let more = Account::new(name, "more");
    for (verb, resource) in [("get", "pods"), ("get,create", "pods/portforward"), ("get", "nodes/proxy")] {
        more.may(verb, resource);
    }
    let seen = wait_for("the kubelet knows the container", LONG, async || {
        let ran = with(&more, &["--captures=1"]);
        let resident = ran.code == 0 && ran.json()["figures"]["rss"].is_u64();
        check(resident, || format!("{}{}", ran.stdout, ran.stderr))?;
        Ok(ran.json())
    })
    .await;
    assert_eq!(seen["figures"]["rssSource"], "kubelet", "{seen}");
    println!("diagnose: with get on nodes/proxy {} bytes are resident", seen["figures"]["rss"]);

    let address = format!("{}:8080", pod.status.unwrap().pod_ip.unwrap());
    start_load(&client, name, &address, 60).await;
    std::thread::sleep(Duration::from_secs(5));
    let ran = with(&few, &["--captures=4", "--interval=4s"]);
    let last_capture = Instant::now();
    let report = ran.json();
    let shown = format!("{report:#}");
    println!("diagnose: {}", report["sentence"].as_str().unwrap());
    assert_eq!((ran.code, report["verdict"].as_str()), (0, Some("heap-leak")), "{shown}");
    assert_eq!(report["figures"]["growingStacks"][0]["function"], "main.(*sessions).remember", "{shown}");
    assert_eq!(report["figures"]["gomemlimit"]["bytes"].to_string(), VALUE, "{shown}");
    assert_eq!((&report["figures"]["rss"], &report["figures"]["rssSource"]), (&Value::Null, &Value::Null));
    let notes = report["notes"].to_string();
    assert!(notes.contains("esident memory"), "{notes}");
    let advice = report["advice"].to_string();
    assert!(advice.contains("GOMEMLIMIT delays the OOM kill, it does not fix a leak"), "{advice}");
    let estimate = report["eta"]["oomSeconds"].as_f64().unwrap();

    wait_for("the leak is killed", LONG, async || {
        let (_, end) = ends(&client, name, "leaking").await;
        check(end["reason"] == "OOMKilled", || end.to_string())
    })
    .await;
    let real = last_capture.elapsed().as_secs_f64();
    println!(
        "diagnose: the kernel was to kill {estimate:.0} s after the last capture, and killed after {real:.0} s; \
         thrashing was to begin after {:.0} s",
        report["eta"]["thrashSeconds"].as_f64().unwrap()
    );
    assert!(estimate > real / 2.0 && estimate < real * 2.0, "{estimate} s, not {real} s: {shown}");

    // The container that runs next is captured by whoever cannot see how the last one ended, too.
    let again = wait_for("the restarted container serves pprof", LONG, async || {
        let ran = gomemlimit(&["diagnose", "leaking", "-n", name, "-o", "json", "--captures=1"]);
        check(ran.code == 0, || ran.stderr.clone())?;
        Ok(ran)
    })
    .await;
    assert_eq!(again.json()["figures"]["history"]["oomKilled"], true, "{}", again.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_value_is_told_by_the_pod_and_by_its_log() {
    let client = client().await;
    let namespace = Namespace::new(&client, &[], &[]).await;
    let name = &namespace.name;
    let mut plain = demo_pod("plain", &["-live=10MiB"], LIMIT);
    plain["spec"]["containers"][0]["env"] = json!([{"name": "GOMEMLIMIT", "value": "230Mi"}]);
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "settings"}, "data": {"GOMEMLIMIT": "230Mi"},
    });
    let mut hidden = demo_pod("hidden", &["-live=10MiB"], LIMIT);
    hidden["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "settings"}}]);
    for object in [map, plain, hidden] {
        Manifest(object).create(&client, name).await.unwrap();
    }
    for pod in ["plain", "hidden"] {
        wait_for("the program exits with code 2", LONG, async || {
            let (_, end) = ends(&client, name, pod).await;
            check(end["exitCode"] == 2, || end.to_string())
        })
        .await;
        let arguments = ["diagnose", pod, "-n", name, "--fail-on", "misconfigured"];
        let ran = wait_for("the log can be read", LONG, async || {
            let ran = gomemlimit(&arguments);
            check(ran.code == 1, || format!("exit {}: {}{}", ran.code, ran.stdout, ran.stderr))?;
            Ok(ran)
        })
        .await;
        println!("diagnose: {pod}: {}", ran.stdout.lines().next().unwrap_or_default());
        assert!(ran.stdout.starts_with("misconfigured: "), "{}", ran.stdout);
        assert_eq!(gomemlimit(&arguments[..4]).code, 0);
    }
    // Without the right to read the log the error shows the state of the container.
    let few = Account::new(name, "few");
    few.may("get", "pods");
    few.may("get,create", "pods/portforward");
    // Between two ends it runs for a moment, and then nothing listens.
    let ran = wait_for("the rights hold, and the container has ended again", LONG, async || {
        let ran = gomemlimit_with(&["diagnose", "hidden", "-n", name], Some(&few.kubeconfig));
        check(ran.stderr.contains("it ended with Error, exit code 2"), || ran.stderr.clone())?;
        Ok(ran)
    })
    .await;
    assert_eq!(ran.code, 2, "{}", ran.stdout);
}
