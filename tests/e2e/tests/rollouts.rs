//! Replicas that come and go, under continuous creation of pods.

use std::time::Duration;

use crate::harness::{Creator, RELEASE_NAMESPACE, Release, host_pid, is_own_cluster, ready, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_and_an_upgrade_lose_no_pod() {
    let (client, release) = ready().await;
    let creator = Creator::start(&client, 20).await;
    release.restart();
    // The old replicas serve on for the shutdown delay.
    tokio::time::sleep(Duration::from_secs(12)).await;
    creator.stop_with_all_injected("rollouts: kubectl rollout restart", 100).await;

    let creator = Creator::start(&client, 20).await;
    release.upgrade(&["--set", "podAnnotations.e2e=upgraded"]);
    tokio::time::sleep(Duration::from_secs(12)).await;
    creator.stop_with_all_injected("rollouts: helm upgrade", 100).await;
    Release::remove(&client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_replica_is_counted() {
    if !is_own_cluster("SIGKILL of a replica") {
        return;
    }
    let (client, release) = ready().await;
    let creator = Creator::start(&client, 20).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let name = release.pod_names().await.remove(0);
    let pid = host_pid(RELEASE_NAMESPACE, &name, "webhook").to_string();
    run("kill", &["-KILL", &pid], "").unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let tally = creator.stop().await;
    println!("rollouts: SIGKILL of a replica: {tally}");
    assert!(tally.errors.is_empty(), "a pod was refused: {:?}", tally.errors);
    release.assert_ready().await;
    Release::remove(&client).await;
}
