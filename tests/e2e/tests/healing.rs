//! What others do to the certificates, and how long it takes until all is well again.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{
    Authority, FULLNAME, LONG, RELEASE_NAMESPACE, VALUE_1GI, bundle, check, dry_run_values, helm, kubectl,
    kubectl_json, patch, ready, ready_with_namespace, try_kubectl, wait_for, wait_for_injection,
};

const GARBAGE: &str = "bm90IGEgY2VydGlmaWNhdGU=";

fn bundle_patch(bundle: &str) {
    let operation = json!({"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle});
    patch(&["mutatingwebhookconfiguration", FULLNAME], "json", &json!([operation]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_do_to_the_certificates_is_mended() {
    let (client, release, namespace) = ready_with_namespace().await;
    let patch_secret = |data: Value| {
        let secret = ["secret", "gomemlimit-ca", "-n", RELEASE_NAMESPACE];
        patch(&secret, "merge", &json!({"data": data}));
    };
    let foreign = bundle(&[&Authority::new("somebody else's")]);
    let damages: [(&str, &dyn Fn()); 7] = [
        ("caBundle of another CA", &|| bundle_patch(&foreign)),
        ("caBundle overwritten with garbage", &|| bundle_patch(GARBAGE)),
        ("caBundle emptied", &|| bundle_patch("")),
        ("Secret emptied", &|| patch_secret(Value::Null)),
        ("Secret filled with garbage", &|| {
            patch_secret(json!({"ca.crt": GARBAGE, "ca.key": GARBAGE, "bundle.crt": GARBAGE}));
        }),
        ("configuration replaced by kubectl replace with the chart's manifest", &|| {
            let manifest = helm(&["get", "manifest", "gomemlimit", "-n", RELEASE_NAMESPACE]);
            let all: Vec<Value> = serde_saphyr::from_multiple(&manifest).unwrap();
            let ours = all.iter().find(|object| object["kind"] == "MutatingWebhookConfiguration").unwrap();
            assert!(ours["webhooks"][0]["clientConfig"]["caBundle"].is_null(), "{ours}");
            try_kubectl(&["replace", "-f", "-"], &ours.to_string()).unwrap();
        }),
        ("configuration replaced by kubectl replace with what it was", &|| {
            let mut configuration = kubectl_json(&["get", "mutatingwebhookconfiguration", FULLNAME]);
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
        wait_for_injection(&client, &namespace).await;
        let injected = started.elapsed();
        println!("healing: {what}: healed after {healed:.2?}, injecting after {injected:.2?}");
    }
    release.assert_rest("seven kinds of damage").await;
    release.assert_not_restarted().await;
    // Helm finds its release as it was.
    release.upgrade(&[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_overwrites_the_bundle_and_gives_up_leaves_no_work_behind() {
    let (_, release) = ready().await;
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
    let (client, release, namespace) = ready_with_namespace().await;
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
    assert_eq!(dry_run_values(&client, &namespace).await, [VALUE_1GI]);
    let started = Instant::now();
    release.upgrade(&[]);
    release.wait_for_bundles().await;
    println!("healing: Secret deleted: survived; restored {:.2?} after helm upgrade", started.elapsed());
    assert_eq!(release.secret_value("ca.crt").await, authority, "from memory");
    assert_eq!(release.pod_names().await, names, "no replica was replaced");
    release.assert_rest("the Secret deleted and restored").await;
}
