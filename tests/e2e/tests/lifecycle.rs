//! Upgrades, the emergency stop, the way out.

use std::collections::BTreeSet;

use crate::harness::{
    LONG, RELEASE_NAMESPACE, Release, VALUE_1GI, check, client, dry_run_values, helm, kubectl,
    ready_with_namespace, try_helm, try_kubectl, wait_for,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn helm_upgrades_and_rolls_back_without_a_conflict() {
    let client = client().await;
    let release = Release::fresh(&client, &[]).await;
    let bundles = release.bundles().await;
    for arguments in [
        &["--set", "webhook.timeoutSeconds=4"][..],
        &["--set", "webhook.timeoutSeconds=5", "--server-side=false"],
        &["--set", "commonLabels.e2e=changed"],
        &["--reset-then-reuse-values"],
    ] {
        release.upgrade(arguments);
        assert_eq!(release.bundles().await, bundles, "{arguments:?}");
    }
    let label =
        ["get", "deployment", "gomemlimit", "-n", RELEASE_NAMESPACE, "-o", "jsonpath={.metadata.labels.e2e}"];
    assert_eq!(kubectl(&label), "changed", "the values of the release are kept as the README says");
    helm(&["rollback", "gomemlimit", "1", "-n", RELEASE_NAMESPACE, "--wait", "--timeout=3m"]);
    assert_eq!(release.bundles().await, bundles, "rollback");
    println!("lifecycle: 4 upgrades and a rollback, no conflict, {} bundles kept", bundles.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_misspelt_value_is_refused_by_name() {
    let said =
        try_helm(&["template", "gomemlimit", "charts/gomemlimit", "--set", "replicaCuont=3"]).unwrap_err();
    assert!(said.contains("replicaCuont"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn helm_test_passes() {
    let client = client().await;
    let release = Release::fresh_and_ready(&client, &[]).await;
    // Whatever the settings for other pods are.
    for settings in ["settings.mode=", "settings.mode=audit,settings.value=track,settings.minLimit=2Gi"] {
        release.upgrade(&["--set", settings]);
        release.test();
    }
    println!("lifecycle: helm test: both pods succeeded, also with settings that inject nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_emergency_stop_ends_injection_and_nobody_undoes_it() {
    let (client, release, namespace) = ready_with_namespace().await;
    let created = async || dry_run_values(&client, &namespace).await;
    assert_eq!(created().await, [VALUE_1GI]);
    kubectl(&["delete", "mutatingwebhookconfiguration", "gomemlimit"]);
    wait_for("no pod is injected", LONG, async || {
        check(created().await.is_empty(), || "injected".to_owned())
    })
    .await;
    // Longer than the tick of the certificates.
    tokio::time::sleep(std::time::Duration::from_secs(35)).await;
    assert!(created().await.is_empty(), "somebody made it anew");
    release.assert_ready().await;
    release.upgrade(&[]);
    wait_for("pods are injected", LONG, async || {
        check(created().await == [VALUE_1GI], || "no value".to_owned())
    })
    .await;
    println!("lifecycle: emergency stop: ended, left alone for 35 s, restored by helm upgrade");
}

/// Every object of every kind that can be listed, but for what comes and goes by itself.
fn inventory() -> BTreeSet<String> {
    let kinds = kubectl(&["api-resources", "--verbs=list", "-o", "name"]);
    let passing = ["events", "leases", "pods", "endpointslices", "endpoints", "namespaces"];
    let is_passing = |kind: &&str| passing.contains(&kind.split('.').next().unwrap_or_default());
    let kinds: Vec<_> = kinds.lines().filter(|kind| !is_passing(kind)).collect();
    let columns = "-o=custom-columns=K:.kind,S:.metadata.namespace,N:.metadata.name";
    let all = kubectl(&["get", &kinds.join(","), "-A", "--ignore-not-found", columns]);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    // The namespaces of other tests are on their way out.
    all.lines().filter(|line| !line.contains("gomemlimit-e2e-")).map(words).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uninstalling_leaves_nothing() {
    let client = client().await;
    Release::remove(&client).await;
    // Made by the cluster in a new namespace, and kept after the release.
    let _ = try_kubectl(&["create", "namespace", RELEASE_NAMESPACE], "");
    wait_for("the namespace is complete", LONG, async || {
        try_kubectl(&["get", "sa/default", "configmap/kube-root-ca.crt", "-n", RELEASE_NAMESPACE], "")
            .map(drop)
    })
    .await;
    let before = inventory();
    let release = Release::fresh_and_ready(&client, &["--set", "webhook.podOptIn.enabled=true"]).await;
    let installed: Vec<_> = inventory().difference(&before).cloned().collect();
    assert!(installed.len() > 10, "{installed:?}");
    release.test();
    Release::remove(&client).await;
    wait_for("nothing is left", LONG, async || {
        let left: Vec<_> = inventory().difference(&before).cloned().collect();
        check(left.is_empty(), || format!("{left:?}"))
    })
    .await;
    let pods = kubectl(&["get", "pods", "-n", RELEASE_NAMESPACE, "-o", "name"]);
    assert_eq!(pods, "");
    println!(
        "lifecycle: uninstall: {} objects came with the release, {} were there before; nothing is left",
        installed.len(),
        before.len()
    );
}
