//! The webhook has the rights it needs, and no other; its pods fit where pods are restricted.

use std::collections::BTreeMap;

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

use crate::harness::{
    FULLNAME, LONG, RELEASE_NAMESPACE, Release, check, client, kubectl, try_kubectl, wait_for,
};

/// Where our rights stand.
const ROLES: [&str; 2] = ["role", "clusterrole"];

fn rules_of(kind: &str) -> Vec<PolicyRule> {
    let role = kubectl(&["get", kind, FULLNAME, "-n", RELEASE_NAMESPACE, "-o", "json"]);
    let role: Value = serde_json::from_str(&role).unwrap();
    serde_json::from_value(role["rules"].clone()).unwrap()
}

fn set_rules(kind: &str, rules: &[PolicyRule]) {
    let patch = json!({ "rules": rules }).to_string();
    kubectl(&["patch", kind, FULLNAME, "-n", RELEASE_NAMESPACE, "--type=merge", "-p", &patch]);
}

/// A replica for which everything is left to do: a CA to make, a bundle to write, namespaces to read.
async fn start_from_nothing(release: &Release) {
    let scale = |replicas: &str| {
        kubectl(&[
            "scale",
            "deployment",
            FULLNAME,
            "-n",
            RELEASE_NAMESPACE,
            &format!("--replicas={replicas}"),
        ]);
    };
    scale("0");
    // By force it would be gone from the API and restore the Secret for the time of its shutdown delay.
    kubectl(&["delete", "pods", "-n", RELEASE_NAMESPACE, "--all", "--grace-period=1", "--wait"]);
    let secret = ["patch", "secret", "gomemlimit-ca", "-n", RELEASE_NAMESPACE, "--type=merge"];
    kubectl(&[&secret[..], &["-p", r#"{"data":null}"#]].concat());
    scale("1");
    wait_for("a new replica runs", LONG, async || {
        let pods = release.pods().await;
        let phases: Vec<_> =
            pods.iter().map(|pod| pod.status.clone().and_then(|status| status.phase)).collect();
        check(phases == [Some("Running".to_owned())], || format!("{phases:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_right_is_needed_and_there_is_no_other() {
    let client = client().await;
    let one = ["--set", "replicaCount=1,minReadySeconds=0,podDisruptionBudget.enabled=false"];
    let release = Release::fresh(&client, &one).await;
    release.assert_ready().await;
    let account = format!("--as=system:serviceaccount:{RELEASE_NAMESPACE}:{FULLNAME}");

    let rules: BTreeMap<_, _> = ROLES.iter().map(|kind| (*kind, rules_of(kind))).collect();
    let mut tried = 0;
    for (kind, rules) in &rules {
        for (place, rule) in rules.iter().enumerate() {
            for verb in &rule.verbs {
                let [resource] = &rule.resources.clone().unwrap()[..] else { panic!("{rule:?}") };
                let mut fewer = rules.clone();
                fewer[place].verbs.retain(|other| other != verb);
                set_rules(kind, &fewer);
                start_from_nothing(&release).await;
                let name = release.pod_names().await.remove(0);
                // As it stands in the log, which is JSON.
                let refused = format!("cannot {verb} resource \\\"{resource}\\\"");
                wait_for(&format!("a replica without {verb} {resource} says so"), LONG, async || {
                    let log = try_kubectl(&["logs", "-n", RELEASE_NAMESPACE, &name], "")?;
                    let metrics = release.admin(&name, "metrics");
                    let unwatched = metrics
                        .lines()
                        .any(|line| line.starts_with("gomemlimit_watch_up{") && line.ends_with(" 0"));
                    let readyz = try_kubectl(&["get", "--raw", &ready_path(&name)], "");
                    let is_seen = unwatched || !readyz.as_ref().is_ok_and(|said| said.trim() == "ok");
                    check(is_seen && log.contains(&refused), || format!("readyz: {readyz:?}, log: {log}"))
                })
                .await;
                println!("rights: without {verb} on {resource}: noticed and said");
                set_rules(kind, rules);
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 8, "{rules:?}");
    start_from_nothing(&release).await;
    release.assert_ready().await;

    // What it may do is what was just tried.
    let may = kubectl(&["auth", "can-i", "--list", &account, "-n", RELEASE_NAMESPACE, "--no-headers"]);
    let beyond: Vec<_> = may
        .lines()
        // What every account has.
        .filter(|line| {
            !line.contains("selfsubject")
                && !line.starts_with("clustertrustbundles")
                && !line.contains('/')
                && !line.trim().starts_with('[')
        })
        .filter(|line| {
            !["secrets ", "mutatingwebhookconfigurations.", "namespaces "]
                .iter()
                .any(|ours| line.starts_with(ours))
        })
        .collect();
    println!("rights:\n{may}");
    assert_eq!(beyond, [""; 0]);
    let may_not = [
        ["create", "secrets"],
        ["get", "secrets/other"],
        ["list", "secrets"],
        ["create", "mutatingwebhookconfigurations"],
        ["delete", "mutatingwebhookconfigurations/gomemlimit"],
        ["update", "mutatingwebhookconfigurations/gomemlimit"],
        ["get", "pods"],
        ["patch", "namespaces"],
    ];
    for [verb, what] in may_not {
        let said = try_kubectl(&["auth", "can-i", verb, what, &account, "-n", RELEASE_NAMESPACE], "");
        assert!(said.is_err_and(|said| said.contains("no")), "{verb} {what}");
    }
    Release::remove(&client).await;
}

fn ready_path(pod: &str) -> String {
    format!("/api/v1/namespaces/{RELEASE_NAMESPACE}/pods/{pod}:8081/proxy/readyz")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pods_fit_into_a_restricted_namespace() {
    let client = client().await;
    Release::remove(&client).await;
    let _ = try_kubectl(&["create", "namespace", RELEASE_NAMESPACE], "");
    let label = |change: &str| kubectl(&["label", "namespace", RELEASE_NAMESPACE, "--overwrite", change]);
    label("pod-security.kubernetes.io/enforce=restricted");
    let root = try_kubectl(
        &["run", "root", "--image=gomemlimit.invalid/root:1", "-n", RELEASE_NAMESPACE, "--dry-run=server"],
        "",
    );
    let refused = root.unwrap_err();
    assert!(refused.contains("violates PodSecurity"), "{refused}");
    let release = Release::fresh(&client, &[]).await;
    release.assert_ready().await;
    let said = crate::harness::helm(&["test", FULLNAME, "-n", RELEASE_NAMESPACE, "--timeout=3m"]);
    assert_eq!(said.matches("Phase:          Succeeded").count(), 2, "{said}");
    label("pod-security.kubernetes.io/enforce-");
    println!("rights: Pod Security `restricted`: the release and its tests run, a plain pod is refused");
}
