//! Certificates that rotate all the time, under continuous creation of pods.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::harness::{
    Creator, Manifest, Namespace, RELEASE_NAMESPACE, Release, client, failed_calls, gated_pod, is_long,
    is_own_cluster, kubectl, metric, values,
};

/// Pods are created for so long while all certificates rotate, and each gets its value. `keepers` are the pods that sign.
async fn soak(release: &Release, what: &str, length: Duration, keepers: &[String]) {
    release.assert_ready().await;
    let before = failed_calls();
    let creator = Creator::start(&release.client, 20).await;
    let (started, mut authorities) = (Instant::now(), BTreeSet::new());
    while started.elapsed() < length {
        authorities.insert(release.secret_value("ca.crt").await);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let tally = creator.stop().await;
    let series = "gomemlimit_certificate_rotations_total{kind=\"leaf\",result=\"done\"}";
    let leaves: Vec<_> = keepers.iter().map(|name| metric(&release.admin(name, "metrics"), series)).collect();
    let after = failed_calls();
    println!(
        "rotation_soak: {what}: {length:?}, 3 replicas, {} CAs signed, leaves {leaves:?}; {tally}; \
         fail_open {} -> {}, rejections {} -> {}",
        authorities.len(),
        before.0,
        after.0,
        before.1,
        after.1
    );
    tally.assert_all_injected(100);
    assert_eq!(before, after);
    assert!(authorities.len() >= 2, "the CA did not rotate");
    assert!(leaves.iter().all(|leaves| *leaves >= 2.0), "certificates did not rotate");
    release.assert_not_restarted().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pod_misses_its_value_while_all_certificates_rotate() {
    let client = client().await;
    let extra = "extraArgs={--ca-publish-delay=3s,--certificate-tick=500ms}";
    let lives = "tls.selfManaged.caDuration=24s,tls.selfManaged.leafDuration=6s";
    let release = Release::fresh(&client, &["--set", "replicaCount=3", "--set", extra, "--set", lives]).await;
    let length = Duration::from_secs(if is_long() { 180 } else { 40 });
    let keepers = release.pod_names().await;
    soak(&release, "each replica its own", length, &keepers).await;
}

/// The kubelet of these clusters looks every 10 to 15 s whether a mounted Secret has changed, so lives are longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pod_misses_its_value_while_a_separate_keeper_rotates_all_certificates() {
    if !is_own_cluster("a kubelet that brings changed Secrets within seconds") {
        return;
    }
    let client = client().await;
    let extra = "extraArgs={--tls-poll=500ms}";
    let keeper = "tls.selfManaged.keeper=separate,tls.selfManaged.separate.extraArgs={--ca-publish-delay=3s,\
                  --certificate-tick=500ms,--refresh-delay=16s}";
    let lives = "tls.selfManaged.caDuration=66s,tls.selfManaged.leafDuration=54s";
    let release = Release::fresh(
        &client,
        &["--set", "replicaCount=3", "--set", extra, "--set", keeper, "--set", lives],
    )
    .await;
    let length = Duration::from_secs(if is_long() { 300 } else { 75 });
    let keepers = release.keepers().await;
    soak(&release, "a separate keeper", length, &keepers).await;
    let loaded = release.metrics("gomemlimit_certificate_reloads_total{result=\"loaded\"}").await;
    println!("rotation_soak: a separate keeper: changed certificates loaded by replicas {loaded:?}");
    // How often depends on when the kubelet looks.
    assert!(loaded.iter().all(|loaded| *loaded >= 1.0), "{loaded:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_counts_that_have_to_stay_zero_see_a_missing_webhook() {
    let client = client().await;
    let release = Release::fresh(&client, &[]).await;
    let namespace = Namespace::labelled(&client).await;
    let before = failed_calls();
    kubectl(&["scale", "deployment", "gomemlimit", "-n", RELEASE_NAMESPACE, "--replicas=0"]);
    kubectl(&["delete", "pods", "-n", RELEASE_NAMESPACE, "--all", "--grace-period=1", "--wait"]);
    assert!(release.pod_names().await.is_empty());
    let pod = Manifest(gated_pod("alone", "1Gi")).dry_run(&client, &namespace.name).await.unwrap();
    let after = failed_calls();
    println!("without a replica: {:?}, fail_open {} -> {}", values(&pod, "app"), before.0, after.0);
    assert!(values(&pod, "app").is_empty() && after.0 > before.0);
    Release::remove(&client).await;
}
