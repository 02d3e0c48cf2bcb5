//! Certificates that rotate all the time, under continuous creation of pods.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::harness::{
    Creator, Manifest, Namespace, RELEASE_NAMESPACE, Release, client, failed_calls, gated_pod, is_long,
    kubectl, values,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pod_misses_its_value_while_all_certificates_rotate() {
    let client = client().await;
    let extra = "extraArgs={--ca-publish-delay=3s,--certificate-tick=500ms}";
    let lives = "tls.selfManaged.caDuration=24s,tls.selfManaged.leafDuration=6s";
    let release = Release::fresh(&client, &["--set", "replicaCount=3", "--set", extra, "--set", lives]).await;
    release.assert_ready().await;
    let before = failed_calls();
    let creator = Creator::start(&client, 20).await;
    let length = Duration::from_secs(if is_long() { 180 } else { 40 });
    let (started, mut authorities) = (Instant::now(), BTreeSet::new());
    while started.elapsed() < length {
        authorities.insert(release.secret_value("ca.crt").await);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let tally = creator.stop().await;
    let leaves =
        release.metrics("gomemlimit_certificate_rotations_total{kind=\"leaf\",result=\"done\"}").await;
    let after = failed_calls();
    println!(
        "rotation_soak: {length:?}, 3 replicas, {} CAs signed, leaves per replica {leaves:?}; {tally}; \
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
