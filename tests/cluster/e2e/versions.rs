//! Two builds that write the status annotation in different versions of its schema, one after the other and
//! side by side.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{
    Creator, Manifest, Namespace, RELEASE_NAMESPACE, Release, VALUE_1GI, client, gated_pod, is_own_cluster,
    values,
};

const STATUS: &str = "gomemlimit.dev/status";
const NEXT: [&str; 2] = ["--set", "image.tag=next"];
/// The replicas that were replaced serve on for the shutdown delay.
const OLD_ONES_LEAVE: Duration = Duration::from_secs(12);
const VALUE_2GI: &str = "1932735283";

/// The pod as somebody copies it out of the cluster, with another limit.
fn copied(stored: &Value, name: &str, limit: &str) -> Value {
    let mut pod = gated_pod(name, limit);
    pod["metadata"]["annotations"] = stored["metadata"]["annotations"].clone();
    pod["spec"]["containers"][0]["env"] = stored["spec"]["containers"][0]["env"].clone();
    pod
}

fn version(pod: &Value) -> u64 {
    let status: Value =
        serde_json::from_str(pod["metadata"]["annotations"][STATUS].as_str().unwrap()).unwrap();
    status["version"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn builds_with_different_status_schemas_understand_each_other() {
    if !is_own_cluster("an image of another build, gomemlimit:next") {
        return;
    }
    let client = client().await;
    let release = Release::fresh(&client, &[]).await;
    let namespace = Namespace::labelled(&client).await;
    let create = async |pod: Value| Manifest(pod).create(&client, &namespace.name).await.unwrap();

    let old = create(gated_pod("by-old", "1Gi")).await;
    assert_eq!((version(&old), values(&old, "app")), (1, vec![VALUE_1GI.to_owned()]));
    // Copies of it are created while both builds serve, and afterwards.
    let creator = Creator::start_with(&client, 20, copied(&old, "copied", "2Gi"), VALUE_2GI).await;
    release.upgrade(&NEXT);
    tokio::time::sleep(OLD_ONES_LEAVE).await;
    let followed = create(copied(&old, "old-by-next", "2Gi")).await;
    assert_eq!((version(&followed), values(&followed, "app")), (2, vec![VALUE_2GI.to_owned()]));
    let new = create(gated_pod("by-next", "1Gi")).await;
    assert_eq!((version(&new), values(&new, "app")), (2, vec![VALUE_1GI.to_owned()]));
    let upgrade = creator.stop().await;
    upgrade.assert_all_injected(100);

    let creator = Creator::start_with(&client, 20, copied(&new, "copied", "2Gi"), VALUE_2GI).await;
    release.upgrade(&["--reset-values"]);
    tokio::time::sleep(OLD_ONES_LEAVE).await;
    let followed = create(copied(&new, "next-by-old", "2Gi")).await;
    assert_eq!((version(&followed), values(&followed, "app")), (1, vec![VALUE_2GI.to_owned()]));
    let downgrade = creator.stop().await;
    downgrade.assert_all_injected(100);
    println!("versions: copies of pods with status version 1 during the upgrade: {upgrade}");
    println!("versions: copies of pods with status version 2 during the downgrade: {downgrade}");
    assert_eq!(release.pod_names().await.len(), 2, "in {RELEASE_NAMESPACE}");
    Release::remove(&client).await;
}
