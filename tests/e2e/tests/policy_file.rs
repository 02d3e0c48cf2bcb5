//! The policy file of the chart: its rules hold, a change arrives without a restart, a bad one is refused.

use std::time::Instant;

use serde_json::json;

use crate::harness::{
    FULLNAME, LONG, Manifest, Namespace, RELEASE_NAMESPACE, Release, check, client, dry_run_values,
    gated_pod, patch, values, wait_for,
};

/// Rules for one namespace.
fn rules(namespace: &str, ratio: &str) -> String {
    let rule = json!({"name": "e2e", "match": {"namespaces": [namespace]}, "set": {"ratio": ratio}});
    let not_go = json!({"name": "not Go", "match": {"images": ["*/envoy:*"]}, "is": "not-go"});
    format!("policy.rules={}", json!([not_go, rule]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_hold_and_change_without_a_restart() {
    let client = client().await;
    let namespace = Namespace::labelled(&client).await;
    let release = Release::shared(&client).await;
    release.assert_ready().await;
    let pods = release.pod_names().await;
    // The first rules of a release, too, arrive without a rollout.
    release.upgrade(&["--set-json", &rules(&namespace.name, "0.8")]);
    // Both replicas have to know: the same answer several times in a row.
    let settled = async |wanted: &str| {
        let (started, mut in_a_row) = (Instant::now(), 0);
        wait_for(&format!("pods get {wanted}"), 2 * LONG, async || {
            let seen = dry_run_values(&client, &namespace).await;
            in_a_row = if seen == [wanted] { in_a_row + 1 } else { 0 };
            check(in_a_row == 8, || format!("{seen:?}"))
        })
        .await;
        started.elapsed().as_secs_f64()
    };
    settled("858993459").await;
    let mut envoy = gated_pod("envoy", "1Gi");
    envoy["spec"]["containers"][0]["image"] = "docker.io/envoy:1".into();
    let envoy = Manifest(envoy).dry_run(&client, &namespace.name).await.unwrap();
    assert_eq!(values(&envoy, "app"), [] as [&str; 0]);

    release.upgrade(&["--set-json", &rules(&namespace.name, "0.5")]);
    let changed = settled("536870912").await;

    let bad = json!({"data": {"policy.yaml": "rules:\n- name: e2e\n  set: {ratio: 5}\n"}});
    let config_map = format!("{FULLNAME}-policy");
    patch(&["configmap", &config_map, "-n", RELEASE_NAMESPACE], "merge", &bad);
    wait_for("both replicas say that the file is bad", 2 * LONG, async || {
        let out_of_date = release.metrics("gomemlimit_policy_out_of_date").await;
        check(out_of_date == [1.0, 1.0], || format!("{out_of_date:?}"))
    })
    .await;
    for pod in &pods {
        let ready = release.admin(pod, "readyz");
        assert!(ready.starts_with("ok\ntrouble: policy file /policy/policy.yaml, line 3, "), "{ready}");
        println!("policy file: {ready}");
    }
    settled("536870912").await;
    assert_eq!(release.pod_names().await, pods, "nothing was restarted");
    println!("policy file: a changed rule held {changed:.1} s after helm upgrade, without a restart");

    Release::remove(&client).await;
}
