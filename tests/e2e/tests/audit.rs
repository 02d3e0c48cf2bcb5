//! `audit` with few rights, and over many pods.

use std::time::Instant;

use futures::{StreamExt, stream};

use crate::harness::{
    Account, LONG, Manifest, Namespace, VALUE_1GI, check, gated_pod, gomemlimit, gomemlimit_with, is_long,
    kubectl, ready, ready_with_namespace, wait_for,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_needs_no_more_than_to_list_pods() {
    let (client, _) = ready().await;
    let namespace = Namespace::new(&client, &[], &[]).await;
    let name = &namespace.name;
    Manifest(gated_pod("early", "1Gi")).create(&client, name).await.unwrap();
    let account = Account::new(name, "auditor");
    let audit = |arguments: &[&str]| {
        gomemlimit_with(&[&["audit", "-n", name][..], arguments].concat(), Some(&account.kubeconfig))
    };

    let refused = audit(&[]);
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert!(refused.stderr.contains("cannot list resource \"pods\""), "{}", refused.stderr);
    assert!(refused.stderr.contains("grant get and list on pods"), "{}", refused.stderr);

    account.may("list", "pods");
    let seen = wait_for("the right to list pods holds", LONG, async || {
        let ran = audit(&["-o", "json"]);
        check(ran.code == 0, || ran.stderr.clone())?;
        Ok(ran.json())
    })
    .await;
    assert_eq!(seen["containers"][0]["reason"], "namespace-unknown", "{seen}");
    let unknown = seen["unknown"].to_string();
    assert!(
        unknown.contains("cannot read namespaces")
            && unknown.contains("cannot read the webhook configuration"),
        "{unknown}"
    );
    assert_eq!(seen["settingsFrom"], "this program's defaults");

    account.may("get,list", "namespaces");
    let seen = wait_for("the right to read namespaces holds", LONG, async || {
        let seen = audit(&["-o", "json"]).json();
        check(seen["containers"][0]["reason"] == "not-labelled", || seen.to_string())?;
        Ok(seen)
    })
    .await;
    assert!(!seen["unknown"].to_string().contains("cannot read namespaces"), "{seen}");
    kubectl(&["label", "namespace", name, "gomemlimit.dev/inject=enabled"]);
    assert_eq!(audit(&["-o", "json"]).json()["containers"][0]["reason"], "not-injected");
    println!("rights: without pods, with pods, with namespaces: each reports what is unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_pods_take_seconds_and_little_memory() {
    let (client, _, namespace) = ready_with_namespace().await;
    let name = &namespace.name;
    let count = if is_long() { 5000 } else { 500 };
    let started = Instant::now();
    let created: usize = stream::iter(0..count)
        .map(|number| {
            let (client, pod) = (client.clone(), Manifest(gated_pod(&format!("many-{number}"), "1Gi")));
            async move { usize::from(pod.create(&client, name).await.is_ok()) }
        })
        .buffer_unordered(16)
        .fold(0, |sum, one| async move { sum + one })
        .await;
    let creating = started.elapsed().as_secs_f64();
    assert_eq!(created, count);
    for chunk in ["250", "1000"] {
        let ran = gomemlimit(&["audit", "-n", name, "-o", "json", "--chunk-size", chunk]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let report = ran.json();
        assert_eq!(report["summary"]["total"]["covered"], count, "{}", report["summary"]);
        let containers = report["containers"].as_array().unwrap();
        assert!(containers.iter().all(|one| one["value"] == VALUE_1GI));
        println!(
            "audit_many: {count} pods (created in {creating:.1} s), pages of {chunk}: {:.2} s, peak {:.1} MiB resident",
            ran.seconds,
            f64::from(u32::try_from(ran.peak).unwrap()) / 1024.0,
        );
        assert!(ran.peak < 200 << 10, "{} KiB", ran.peak);
    }
    let ran = gomemlimit(&["audit", "-n", name, "--summary"]);
    println!("audit_many: --summary: {:.2} s, peak {} KiB resident", ran.seconds, ran.peak);
}
