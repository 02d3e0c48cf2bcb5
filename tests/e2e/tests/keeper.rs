//! Certificates that a pod of its own keeps: the change to it and back, and what replicas do without it.

use std::time::Instant;

use crate::harness::{
    Creator, LONG, RELEASE_NAMESPACE, Release, check, client, gomemlimit, kubectl, wait_for,
};

/// Few seconds for each replacement of a pod; none would be too few, since endpoints and the API server's picture of the
/// webhook lag behind readiness.
const QUICK: &str = "minReadySeconds=2,server.shutdownDelay=3s";
const SEPARATE: &str = "tls.selfManaged.keeper=separate";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pod_misses_its_value_while_the_keeper_changes_to_and_fro() {
    let client = client().await;
    let release = Release::fresh_and_ready(&client, &["--set", QUICK]).await;
    let authority = release.secret_value("ca.crt").await;
    let creator = Creator::start(&client, 20).await;
    for keeper in [SEPARATE, "tls.selfManaged.keeper=replica"] {
        let started = Instant::now();
        release.upgrade(&["--set", QUICK, "--set", keeper]);
        release.assert_ready().await;
        assert_eq!(release.secret_value("ca.crt").await, authority, "{keeper}: the CA is the same");
        println!("keeper: {keeper}: helm upgrade --wait took {:.1?}", started.elapsed());
        assert_eq!(release.keepers().await.len(), usize::from(keeper == SEPARATE));
    }
    creator.stop_with_all_injected("keeper: to a separate one and back", 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_keeper_replicas_serve_and_start_and_check_says_who_is_missing() {
    let client = client().await;
    let release = Release::fresh_and_ready(&client, &["--set", QUICK, "--set", SEPARATE]).await;
    release.assert_rest("a separate keeper installed").await;
    let keeper = ["deployment/gomemlimit-keeper", "-n", RELEASE_NAMESPACE];
    kubectl(&[&["scale"], &keeper[..], &["--replicas=0"]].concat());
    wait_for("the keeper is gone", LONG, async || {
        let left = release.keepers().await;
        check(left.is_empty(), || format!("{left:?}"))
    })
    .await;
    let creator = Creator::start(&client, 20).await;
    // New replicas have their certificate from the Secret.
    release.restart();
    creator.stop_with_all_injected("keeper: away, all replicas replaced", 50).await;
    let said = gomemlimit(&["check"]);
    let scale = "kubectl scale deployment/gomemlimit-keeper -n gomemlimit --replicas=1";
    assert!(said.stdout.contains("nobody renews it") && said.stdout.contains(scale), "{}", said.stdout);

    // What it has to mend when it is back.
    kubectl(&["delete", "secret", "gomemlimit-serving", "-n", RELEASE_NAMESPACE]);
    release.upgrade(&["--set", QUICK, "--set", SEPARATE]);
    release.wait_for_bundles().await;
    wait_for("the Secret that replicas mount is filled", LONG, async || {
        let keys = ["get", "secret", "gomemlimit-serving", "-n", RELEASE_NAMESPACE, "-o=jsonpath={.data}"];
        let data = kubectl(&keys);
        check(data.contains("tls.crt") && data.contains("tls.key"), || format!("{} bytes", data.len()))
    })
    .await;
    let said = gomemlimit(&["check"]);
    assert!(!said.stdout.contains("nobody renews it"), "{}", said.stdout);
    Release::remove(&client).await;
}
