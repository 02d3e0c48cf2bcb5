//! Somebody plants a CA in the Secret, and somebody revokes the one that signs.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::harness::{
    Authority, Creator, LONG, RELEASE_NAMESPACE, check, gomemlimit, kubectl, ready_with_namespace, wait_for,
};

/// How long pods may be created without a value around a revocation: the API server and the replicas learn of the new
/// CA by watches, each at its own time.
const GAP: Duration = Duration::from_secs(5);

/// The CAs of the live CA bundle, as `check` lists them.
fn listed(namespace: &str) -> Vec<Value> {
    let report = gomemlimit(&["check", "-n", namespace, "-o", "json"]).json();
    let checks = report["checks"].as_array().unwrap();
    let check =
        checks.iter().find(|check| check["check"] == "ca-bundle").unwrap_or_else(|| panic!("{report:#}"));
    check["certificates"].as_array().cloned().unwrap_or_else(|| panic!("{report:#}"))
}

fn patch_secret(patch: &Value) {
    crate::harness::patch(&["secret", "gomemlimit-ca", "-n", RELEASE_NAMESPACE], "merge", patch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_ca_is_refused_and_a_revoked_one_is_replaced_without_a_restart() {
    let (client, release, namespace) = ready_with_namespace().await;
    let names = release.pod_names().await;

    let planted = Authority::new("Innocent").pem();
    let genuine = release.secret_value("bundle.crt").await;
    let bundle = BASE64_STANDARD.encode([&genuine[..], planted.as_bytes()].concat());
    patch_secret(&json!({"data": {"bundle.crt": bundle}}));
    wait_for("the planted CA is removed from the Secret", LONG, async || {
        let bundle = release.secret_value("bundle.crt").await;
        check(bundle == genuine, || format!("{} bytes", bundle.len()))
    })
    .await;
    release.wait_for_bundles().await;
    assert!(release.bundles().await.iter().all(|bundle| *bundle == genuine), "the planted CA is published");

    let [ca] = &listed(&namespace.name)[..] else { panic!("{:#?}", listed(&namespace.name)) };
    assert_eq!(ca["unexpected"], Value::Null, "{ca}");
    let revoked = ca["sha256"].as_str().unwrap();
    let authority = release.secret_value("ca.crt").await;
    let creator = Creator::start(&client, 20).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    // The command of docs/certificates.md.
    let list = format!("gomemlimit.dev/revoked-cas={revoked}");
    kubectl(&["annotate", "secret", "gomemlimit-ca", "--namespace", RELEASE_NAMESPACE, "--overwrite", &list]);
    wait_for("there is a new CA", LONG, async || {
        check(release.secret_value("ca.crt").await != authority, || "the old one".to_owned())
    })
    .await;
    let published = release.wait_for_bundles().await;
    tokio::time::sleep(GAP).await;
    let tally = creator.stop().await;
    println!("revocation: a new CA published after {published:.2?}; {tally}");
    assert!(tally.errors.is_empty() && tally.injected > 50, "{tally}\n{:#?}", tally.errors);
    if let (Some(first), Some(last)) = (tally.missed.first(), tally.missed.last()) {
        assert!(*last < *first + GAP, "{tally}");
    }
    let now = listed(&namespace.name);
    assert!(now.len() == 1 && now[0]["sha256"] != revoked, "{now:#?}");
    let certificates = release.metrics("gomemlimit_ca_bundle_certificates").await;
    assert!(certificates.iter().all(|certificates| (*certificates - 1.0).abs() < 0.5), "{certificates:?}");
    assert_eq!(release.pod_names().await, names, "no replica was replaced");
    release.assert_not_restarted().await;

    // A copy of the Secret from before does not bring it back.
    patch_secret(&json!({"data": {
        "ca.crt": BASE64_STANDARD.encode(&authority), "bundle.crt": BASE64_STANDARD.encode(&genuine),
    }}));
    wait_for("the revoked CA is removed from the Secret", LONG, async || {
        check(release.secret_value("ca.crt").await != authority, || "it is there".to_owned())
    })
    .await;
    release.wait_for_bundles().await;
    assert!(release.bundles().await.iter().all(|bundle| *bundle != genuine));
    release.assert_rest("a CA revoked").await;
}
