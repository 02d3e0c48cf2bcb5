//! The way to the webhook takes long, up to longer than the API server waits.

use std::time::Duration;

use super::{endure, proxy::Proxy, seconds};
use crate::harness::{
    LONG, Manifest, Namespace, Release, VALUE_1GI, check, client, gated_pod, is_own_cluster, values, wait_for,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_way_to_the_webhook() {
    if !is_own_cluster("a proxy on this machine") {
        return;
    }
    let client = client().await;
    // A new one: the API server holds no connection to it yet that would go past the proxy.
    Release::remove(&client).await;
    let release = Release::shared(&client).await;
    release.assert_ready().await;
    let addresses = release.pods().await.into_iter().map(|pod| pod.status.unwrap().pod_ip.unwrap());
    let proxy = Proxy::start(addresses.collect()).await;
    proxy.delay(Duration::from_millis(1));
    let namespace = Namespace::labelled(&client).await;
    wait_for("pods are injected through the proxy", LONG, async || {
        let pod = Manifest(gated_pod("first", "1Gi")).dry_run(&client, &namespace.name).await.unwrap();
        check(values(&pod, "app") == [VALUE_1GI] && proxy.delayed() > 0, || "not yet".to_owned())
    })
    .await;
    proxy.delay(Duration::ZERO);
    for (name, title, delay) in [
        ("delay-100ms", "All data to the webhook 100 ms late", Duration::from_millis(100)),
        ("delay-1s", "All data to the webhook 1 s late", Duration::from_secs(1)),
        ("delay-5s", "All data to the webhook 5 s late", Duration::from_secs(5)),
    ] {
        endure(&client, name, title, async || {
            let before = proxy.delayed();
            proxy.delay(delay);
            tokio::time::sleep(seconds(30, 8)).await;
            proxy.delay(Duration::ZERO);
            let delayed = proxy.delayed() - before;
            assert!(delayed > 0, "nothing was late");
            format!("{delayed} pieces of data late")
        })
        .await;
    }
    proxy.leave(&release).await;
}
