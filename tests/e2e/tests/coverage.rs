//! The chart's pod that counts: what it publishes is what `audit` prints, with its own rights and no others.

use serde_json::{Value, json};

use crate::harness::{
    FULLNAME, LONG, Manifest, Namespace, RELEASE_NAMESPACE, Release, check, client, gated_pod, gomemlimit,
    kubectl, kubectl_json, metric, patch, wait_for,
};

/// What the pod answers, through its Service.
fn published(path: &str) -> String {
    let service = format!("{FULLNAME}-coverage:http-metrics");
    kubectl(&[
        "get",
        "--raw",
        &format!("/api/v1/namespaces/{RELEASE_NAMESPACE}/services/{service}/proxy/{path}"),
    ])
}

/// The lines about a namespace.
fn about(text: &str, namespace: &str) -> Vec<String> {
    let label = format!("namespace=\"{namespace}\"");
    text.lines().filter(|line| line.contains(&label)).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coverage_is_published_by_a_pod_that_may_only_read() {
    let client = client().await;
    let namespace = Namespace::labelled(&client).await;
    let name = &namespace.name;
    // A rule, so that the rights to read the policy file are needed, too.
    let rule = format!(
        r#"policy.rules=[{{"name":"e2e","match":{{"namespaces":["{name}"]}},"set":{{"minLimit":"8Mi"}}}}]"#
    );
    let values = ["--set", "coverage.enabled=true,coverage.interval=1s", "--set-json", &rule];
    Release::fresh_and_ready(&client, &values).await;
    for (pod, limit) in [("fits", "1Gi"), ("small", "16Mi")] {
        Manifest(gated_pod(pod, limit)).create(&client, name).await.unwrap();
    }
    let mut broken = gated_pod("broken", "1Gi");
    broken["spec"]["containers"][0]["env"] = json!([{"name": "GOMEMLIMIT", "value": "512Mi"}]);
    Manifest(broken).create(&client, name).await.unwrap();

    let lines = wait_for("the pods are counted as audit counts them", LONG, async || {
        let counted = about(&published("metrics"), name);
        let audited = about(&gomemlimit(&["audit", "-A", "-o", "prometheus"]).stdout, name);
        check(!counted.is_empty() && counted == audited, || format!("{counted:?} {audited:?}"))?;
        Ok(counted)
    })
    .await;
    for (status, count) in [("covered", 2), ("malformed", 1), ("uncovered", 0)] {
        let line = format!("gomemlimit_containers{{namespace=\"{name}\",status=\"{status}\"}} {count}");
        assert!(lines.contains(&line), "{line}: {lines:?}");
    }
    let log = kubectl(&["logs", "-n", RELEASE_NAMESPACE, &format!("deployment/{FULLNAME}-coverage")]);
    assert!(log.contains("Decided by the flags of pod gomemlimit/gomemlimit-"), "{log}");
    assert!(!log.contains("warning"), "every right that it needs is there: {log}");
    assert_eq!(published("readyz"), "ok\n");

    rights();
    a_right_that_is_taken_away().await;
    Release::remove(&client).await;
}

/// It lists pods and what explains them; it changes nothing, and reads no Secret.
fn rights() {
    let account = format!("--as=system:serviceaccount:{RELEASE_NAMESPACE}:{FULLNAME}-coverage");
    let list = kubectl(&["auth", "can-i", "--list", &account, "-n", RELEASE_NAMESPACE, "--no-headers"]);
    let everybodys = [" ", "selfsubject", "clustertrustbundles"];
    let is_ours = |line: &&str| !line.is_empty() && !everybodys.iter().any(|start| line.starts_with(start));
    let own: Vec<&str> = list.lines().filter(is_ours).collect();
    assert_eq!(own.len(), 7, "{list}");
    for line in own {
        assert!(line.ends_with("[list]") || line.ends_with("[get]"), "{line}");
        assert!(!line.contains("secrets"), "{line}");
    }
}

/// Reported and counted; what was published stays, and goes on once the right is back.
async fn a_right_that_is_taken_away() {
    let role = format!("{FULLNAME}-coverage");
    let rules: Value = kubectl_json(&["get", "clusterrole", &role]);
    let set = |rules: &Value| patch(&["clusterrole", &role], "merge", &json!({"rules": rules}));
    let before = metric(&published("metrics"), "gomemlimit_audit_failures_total");
    set(&Value::Array(Vec::new()));
    let text = wait_for("the failure is counted", LONG, async || {
        let text = published("metrics");
        check(metric(&text, "gomemlimit_audit_failures_total") > before, || text.clone())?;
        Ok(text)
    })
    .await;
    assert!(text.contains("gomemlimit_containers{"), "{text}");
    let ready = published("readyz");
    assert!(ready.starts_with("ok\ntrouble: ") && ready.contains("cannot list resource \"pods\""), "{ready}");
    println!("coverage: {ready}");
    set(&rules["rules"]);
    wait_for("audits succeed again", LONG, async || {
        let ready = published("readyz");
        check(ready == "ok\n", || ready.clone())
    })
    .await;
}
