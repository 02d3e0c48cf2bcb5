//! Certificates from a Secret that somebody else fills: a person, or cert-manager. Rotated twice, each time to
//! another CA, while pods are created all the time.

use std::{fs, time::Instant};

use serde_json::{Value, json};

use crate::harness::{
    Authority, Creator, FULLNAME, Identity, LONG, RELEASE_NAMESPACE, Release, bundle, check, client, kubectl,
    kubectl_json, metric, patch, repository, try_kubectl, wait_for,
};

const SERVER: &str = "gomemlimit.gomemlimit.svc";

/// Creates or replaces the Secret, as cert-manager would.
fn write_secret(name: &str, authority: &Authority, identity: &Identity) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": name, "namespace": RELEASE_NAMESPACE},
        "stringData": {"tls.crt": identity.certificate, "tls.key": identity.key, "ca.crt": authority.pem()},
    });
    try_kubectl(&["apply", "-f", "-"], &secret.to_string()).unwrap();
}

/// Rotates twice; `publish` says whom the API server shall trust.
async fn rotate_twice(
    release: &Release,
    what: &str,
    secret: &str,
    first: Authority,
    publish: impl Fn(&[&Authority]),
) {
    let mut authority = first;
    let creator = Creator::start(&release.client, 20).await;
    let started = Instant::now();
    for round in 1..=2 {
        let next = Authority::new(&format!("{what} {round}"));
        let identity = next.sign(SERVER, 48 + round);
        publish(&[&authority, &next]);
        write_secret(secret, &next, &identity);
        // Kubelet takes up to two minutes to bring it into the pods.
        for name in release.pod_names().await {
            wait_for("the new certificate is served", 2 * LONG, async || {
                let expires = metric(
                    &release.admin(&name, "metrics"),
                    "gomemlimit_certificate_expiry_timestamp_seconds",
                );
                #[expect(clippy::cast_possible_truncation, reason = "whole seconds")]
                let expires = expires as i64;
                check(expires == identity.expires, || format!("{expires}, not {}", identity.expires))
            })
            .await;
        }
        publish(&[&next]);
        authority = next;
    }
    // With the last CA only.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let rotated = started.elapsed();
    let tally = creator.stop().await;
    println!("files: {what}: rotated twice in {rotated:.0?}; {tally}");
    tally.assert_all_injected(100);
    release.assert_not_restarted().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_of_the_users_is_rotated_twice() {
    let client = client().await;
    Release::remove(&client).await;
    let _ = try_kubectl(&["create", "namespace", RELEASE_NAMESPACE], "");
    let (secret, first) = ("gomemlimit-e2e-tls", Authority::new("first"));
    write_secret(secret, &first, &first.sign(SERVER, 48));
    let values = |trusted: &[&Authority]| {
        format!(
            "tls.mode=existing-secret,tls.existingSecret.name={secret},webhook.caBundle={}",
            bundle(trusted)
        )
    };
    let release = Release::fresh_and_ready(&client, &["--set", &values(&[&first])]).await;
    rotate_twice(&release, "existing-secret", secret, first, |trusted| {
        release.upgrade(&["--set", &values(trusted)]);
    })
    .await;
    Release::remove(&client).await;
    kubectl(&["delete", "secret", secret, "-n", RELEASE_NAMESPACE]);
}

/// cert-manager's kinds without its schemas, and nobody who acts on them: what it would do is done by hand.
struct CertManagerKinds;

impl CertManagerKinds {
    const KINDS: [(&str, &str); 2] = [("issuers", "Issuer"), ("certificates", "Certificate")];

    /// `None` where the cluster has cert-manager already.
    fn define() -> Option<Self> {
        for (plural, kind) in Self::KINDS {
            let definition = json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {
                    "name": format!("{plural}.cert-manager.io"),
                    "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
                },
                "spec": {
                    "group": "cert-manager.io", "scope": "Namespaced",
                    "names": {"plural": plural, "kind": kind, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
                    "versions": [{
                        "name": "v1", "served": true, "storage": true,
                        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                    }],
                },
            });
            try_kubectl(&["create", "-f", "-"], &definition.to_string()).ok()?;
            let name = format!("crd/{plural}.cert-manager.io");
            kubectl(&["wait", "--for=condition=Established", &name, "--timeout=60s"]);
        }
        Some(Self)
    }
}

impl Drop for CertManagerKinds {
    fn drop(&mut self) {
        for (plural, _) in Self::KINDS {
            let _ = try_kubectl(&["delete", "crd", &format!("{plural}.cert-manager.io")], "");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_cert_manager_are_rotated_twice() {
    let client = client().await;
    Release::remove(&client).await;
    let Some(_kinds) = CertManagerKinds::define() else {
        println!("SKIPPED: the cluster has cert-manager, which would overwrite what this test writes");
        return;
    };
    let _ = try_kubectl(&["create", "namespace", RELEASE_NAMESPACE], "");
    let (secret, first) = ("gomemlimit-tls", Authority::new("first"));
    write_secret(secret, &first, &first.sign(SERVER, 48));
    // As its injector fills in what the annotation of the configuration asks for.
    let publish = |trusted: &[&Authority]| {
        let configuration: Value = kubectl_json(&["get", "mutatingwebhookconfiguration", FULLNAME]);
        let from = &configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"];
        assert_eq!(from, &format!("{RELEASE_NAMESPACE}/{secret}"));
        let entries = configuration["webhooks"].as_array().unwrap().len();
        let operations: Vec<_> = (0..entries)
            .map(|entry| {
                let path = format!("/webhooks/{entry}/clientConfig/caBundle");
                json!({"op": "add", "path": path, "value": bundle(trusted)})
            })
            .collect();
        patch(&["mutatingwebhookconfiguration", FULLNAME], "json", &operations.into());
    };
    let values = repository().join("charts/gomemlimit/ci/cert-manager-values.yaml");
    assert!(fs::read_to_string(&values).unwrap().contains("mode: cert-manager"));
    let release = Release::fresh_and_ready(&client, &["-f", values.to_str().unwrap()]).await;
    publish(&[&first]);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    rotate_twice(&release, "cert-manager", secret, first, publish).await;
    // An upgrade leaves alone what the injector wrote.
    let before = release.bundles().await;
    release.upgrade(&["-f", values.to_str().unwrap(), "--set", "webhook.timeoutSeconds=4"]);
    assert_eq!(release.bundles().await, before);
    Release::remove(&client).await;
    kubectl(&["delete", "secret", secret, "-n", RELEASE_NAMESPACE]);
}
