//! What others do to the certificates, and how long it takes until all is well again.

use std::time::{Duration, Instant};

use crate::harness::{
    Authority, LONG, Manifest, Namespace, RELEASE_NAMESPACE, Release, VALUE_1GI, bundle, check, client,
    gated_pod, helm, kubectl, try_kubectl, values, wait_for,
};

const GARBAGE: &str = "bm90IGEgY2VydGlmaWNhdGU=";

fn bundle_patch(bundle: &str) {
    let operation =
        format!(r#"[{{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":"{bundle}"}}]"#);
    kubectl(&["patch", "mutatingwebhookconfiguration", "gomemlimit", "--type=json", "-p", &operation]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_do_to_the_certificates_is_mended() {
    let client = client().await;
    let release = Release::shared(&client).await;
    release.assert_ready().await;
    let namespace = Namespace::labelled(&client).await;
    let patch_secret = |patch: &str| {
        let secret = ["patch", "secret", "gomemlimit-ca", "-n", RELEASE_NAMESPACE, "--type=merge"];
        kubectl(&[&secret[..], &["-p", patch]].concat());
    };
    let foreign = bundle(&[&Authority::new("somebody else's")]);
    let damages: [(&str, &dyn Fn()); 7] = [
        ("caBundle of another CA", &|| bundle_patch(&foreign)),
        ("caBundle overwritten with garbage", &|| bundle_patch(GARBAGE)),
        ("caBundle emptied", &|| bundle_patch("")),
        ("Secret emptied", &|| patch_secret(r#"{"data":null}"#)),
        ("Secret filled with garbage", &|| {
            patch_secret(&format!(
                r#"{{"data":{{"ca.crt":"{GARBAGE}","ca.key":"{GARBAGE}","bundle.crt":"{GARBAGE}"}}}}"#
            ));
        }),
        ("configuration replaced by kubectl replace with the chart's manifest", &|| {
            let manifest = helm(&["get", "manifest", "gomemlimit", "-n", RELEASE_NAMESPACE]);
            let all: Vec<serde_json::Value> = serde_saphyr::from_multiple(&manifest).unwrap();
            let ours = all.iter().find(|object| object["kind"] == "MutatingWebhookConfiguration").unwrap();
            assert!(ours["webhooks"][0]["clientConfig"]["caBundle"].is_null(), "{ours}");
            try_kubectl(&["replace", "-f", "-"], &ours.to_string()).unwrap();
        }),
        ("configuration replaced by kubectl replace with what it was", &|| {
            let configuration = kubectl(&["get", "mutatingwebhookconfiguration", "gomemlimit", "-o", "json"]);
            let mut configuration: serde_json::Value = serde_json::from_str(&configuration).unwrap();
            for entry in configuration["webhooks"].as_array_mut().unwrap() {
                entry["clientConfig"].as_object_mut().unwrap().remove("caBundle");
            }
            configuration["metadata"].as_object_mut().unwrap().remove("resourceVersion");
            try_kubectl(&["replace", "-f", "-"], &configuration.to_string()).unwrap();
        }),
    ];
    let authority = release.secret_value("ca.crt").await;
    for (what, damage) in damages {
        let started = Instant::now();
        damage();
        release.wait_for_bundles().await;
        wait_for("the CA is the one it was", LONG, async || {
            let now = release.secret_value("ca.crt").await;
            check(now == authority, || format!("{} bytes", now.len()))
        })
        .await;
        let healed = started.elapsed();
        wait_for("pods are injected", LONG, async || {
            let pod = Manifest(gated_pod("after", "1Gi")).dry_run(&client, &namespace.name).await.unwrap();
            check(values(&pod, "app") == [VALUE_1GI], || "no value".to_owned())
        })
        .await;
        let injected = started.elapsed();
        println!("healing: {what}: healed after {healed:.2?}, injecting after {injected:.2?}");
    }
    release.assert_rest("seven kinds of damage").await;
    assert_eq!(release.restarts().await.values().sum::<i32>(), 0);
    // Helm finds its release as it was.
    release.upgrade(&[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_overwrites_the_bundle_and_gives_up_leaves_no_work_behind() {
    let client = client().await;
    let release = Release::shared(&client).await;
    release.assert_ready().await;
    for _ in 0..12 {
        bundle_patch(GARBAGE);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let healed = release.wait_for_bundles().await;
    println!("healing: caBundle overwritten 12 times, a second apart: healed {healed:.2?} after the last");
    release.assert_rest("caBundle overwritten 12 times").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_secret_is_survived_and_helm_upgrade_restores_it() {
    let client = client().await;
    let release = Release::shared(&client).await;
    release.assert_ready().await;
    let namespace = Namespace::labelled(&client).await;
    let authority = release.secret_value("ca.crt").await;
    kubectl(&["delete", "secret", "gomemlimit-ca", "-n", RELEASE_NAMESPACE]);
    let names = release.pod_names().await;
    for name in &names {
        wait_for("readyz says that the Secret is gone", LONG, async || {
            let said = release.admin(name, "readyz");
            check(said.starts_with("ok\ntrouble: the Secret of the CA does not exist"), || said.clone())
        })
        .await;
    }
    let pod = Manifest(gated_pod("without-secret", "1Gi")).dry_run(&client, &namespace.name).await.unwrap();
    assert_eq!(values(&pod, "app"), [VALUE_1GI]);
    let started = Instant::now();
    release.upgrade(&[]);
    release.wait_for_bundles().await;
    println!("healing: Secret deleted: survived; restored {:.2?} after helm upgrade", started.elapsed());
    assert_eq!(release.secret_value("ca.crt").await, authority, "from memory");
    assert_eq!(release.pod_names().await, names, "no replica was replaced");
    release.assert_rest("the Secret deleted and restored").await;
}
