//! The API server is away for a while.

use std::time::{Duration, Instant};

use gomemlimit_procfs::Process;
use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client, ResourceExt, api::ListParams};
use serde_json::json;
use tokio::net::TcpStream;

use crate::harness::{
    Creator, FULLNAME, LONG, Namespace, NoApiServer, RELEASE_NAMESPACE, Release, check, check_injected,
    client, get, host_pid, is_long, is_own_cluster, kubectl, metric, patch, wait_for, wait_for_api_server,
};

/// Shorter than the tick of the certificates, which is 30 s.
const LEAF_LIFE: Duration = Duration::from_secs(15);

/// Waits until the cluster itself has come to rest and stays so. The controllers, which were cut off like
/// everybody, may give the node up for a moment, and then take all its pods out of their Services.
async fn at_rest(client: &Client, release: &Release, namespace: &Namespace, started: Instant) {
    let mut since = Instant::now();
    let mut said = None;
    wait_for("the cluster is at rest for ten seconds", LONG, async || {
        let unrest = unrest(client, release, namespace).await;
        if let Err(reason) = unrest {
            if said.as_ref() != Some(&reason) {
                println!("outage: {:.1?} after the start: {reason}", started.elapsed());
                said = Some(reason.clone());
            }
            since = Instant::now();
            return Err(reason);
        }
        let quiet = since.elapsed();
        check(quiet > Duration::from_secs(10), || format!("for {quiet:.1?} only"))
    })
    .await;
    println!("outage: at rest since {:.1?} after the start", since.duration_since(started));
}

/// The node is there, every replica gets calls, and a pod is injected; or why not.
async fn unrest(client: &Client, release: &Release, namespace: &Namespace) -> Result<(), String> {
    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await;
    for node in nodes.map_err(|error| error.to_string())? {
        let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
        let ready = conditions.into_iter().flatten().any(|one| one.type_ == "Ready" && one.status == "True");
        check(ready, || format!("node {} is not ready", node.name_any()))?;
        let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
        check(taints.is_empty(), || format!("the node's taints: {taints:?}"))?;
    }
    let (ready, replicas) = (release.ready_endpoints().await?, release.pods().await.len());
    check(ready >= replicas, || format!("{ready} endpoints of {replicas} replicas are ready"))?;
    check_injected(client, namespace).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_is_away_is_waited_for() {
    if !is_own_cluster("the API server stopped") {
        return;
    }
    let client = client().await;
    let lives = format!("tls.selfManaged.caDuration=1h,tls.selfManaged.leafDuration={LEAF_LIFE:?}");
    let release = Release::fresh_and_ready(&client, &["--set", &lives]).await;
    let namespace = Namespace::labelled(&client).await;
    let replicas: Vec<_> = release
        .pods()
        .await
        .into_iter()
        .map(|pod| {
            let name = pod.metadata.name.unwrap();
            let pid = host_pid(RELEASE_NAMESPACE, &name, "webhook");
            (name, pod.status.unwrap().pod_ip.unwrap(), pid)
        })
        .collect();
    let restarts = release.restarts().await;
    let used: Vec<_> = replicas.iter().map(|(_, _, pid)| Process(*pid).cpu().unwrap().all()).collect();
    let leaves =
        |text: &str| metric(text, "gomemlimit_certificate_rotations_total{kind=\"leaf\",result=\"done\"}");
    let mut renewed = Vec::new();
    for (_, address, _) in &replicas {
        renewed.push(leaves(&get(address, "/metrics").await.unwrap()));
    }

    let away = Duration::from_secs(if is_long() { 60 } else { 20 });
    let stopped = NoApiServer::begin("stop");
    tokio::time::sleep(away).await;
    for (place, (name, address, pid)) in replicas.iter().enumerate() {
        let spent = Process(*pid).cpu().unwrap().all().saturating_sub(used[place]);
        let readyz = get(address, "/readyz").await.unwrap();
        let metrics = get(address, "/metrics").await.unwrap();
        println!(
            "outage: {name}: {away:?} without the API server: {spent:.2?} of processor time, {} leaves renewed; readyz: {}",
            leaves(&metrics) - renewed[place],
            readyz.trim().replace('\n', " | ")
        );
        assert!(readyz.starts_with("ok\n"), "ready on what it holds: {readyz}");
        assert!(readyz.contains("trouble: cannot watch"), "and says so: {readyz}");
        let down = |watch: &str| metrics.contains(&format!("gomemlimit_watch_up{{watch=\"{watch}\"}} 0"));
        assert!(down("secret") || down("webhook-configuration") || down("namespaces"), "{metrics}");
        assert!(leaves(&metrics) > renewed[place], "its own certificate is renewed all the same");
        assert!(spent < away / 10, "it spins: {spent:?} of {away:?}");
    }
    // Somebody breaks the bundle the moment the API server is back.
    drop(stopped);
    let started = Instant::now();
    wait_for_api_server().await;
    let back = started.elapsed();
    // What the replicas connect to; kube-proxy has to find the API server again, too.
    let service =
        kubectl(&["get", "service", "kubernetes", "-n", "default", "-o", "jsonpath={.spec.clusterIP}"]);
    wait_for("the Service of the API server is back", LONG, async || {
        let connected =
            tokio::time::timeout(Duration::from_secs(1), TcpStream::connect((&*service, 443))).await;
        connected.map_err(|_| "no answer".to_owned())?.map(drop).map_err(|error| error.to_string())
    })
    .await;
    let reachable = started.elapsed();
    let damage = json!([{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": ""}]);
    patch(&["mutatingwebhookconfiguration", FULLNAME], "json", &damage);
    release.wait_for_bundles().await;
    let healed = started.elapsed();
    wait_for("pods are injected", LONG, async || check_injected(&client, &namespace).await).await;
    let injecting = started.elapsed();
    for (name, address, _) in &replicas {
        wait_for("all watches are up and there is no trouble", LONG, async || {
            let (readyz, metrics) = (get(address, "/readyz").await?, get(address, "/metrics").await?);
            let down =
                metrics.lines().any(|line| line.starts_with("gomemlimit_watch_up{") && line.ends_with(" 0"));
            check(readyz.trim() == "ok" && !down, || format!("{name}: {readyz}"))
        })
        .await;
    }
    println!(
        "outage: seconds after the start of the API server: ready {back:.1?}, its Service reachable \
         {reachable:.1?}, bundle healed {healed:.1?}, \
         injecting {injecting:.1?}, no trouble left {:.1?}",
        started.elapsed()
    );
    assert_eq!(release.restarts().await, restarts, "the same replicas, none restarted");
    at_rest(&client, &release, &namespace, started).await;
    release.assert_rest("the API server away").await;
    // Longer than a certificate lives, with nothing else going on that would have it renewed.
    let creator = Creator::start(&client, 20).await;
    tokio::time::sleep(LEAF_LIFE + Duration::from_secs(5)).await;
    creator.stop().await.assert_all_injected(200);
    Release::remove(&client).await;
}
