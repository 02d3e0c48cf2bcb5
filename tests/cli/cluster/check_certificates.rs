//! `check` of the CA bundle, and of the keeper of certificates.

use std::time::{Duration, SystemTime};

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use gomemlimit::certs::{Authority, Fingerprint};
use gomemlimit_core::addresses::{VERSION, chart};
use rstest::rstest;
use serde_json::json;

use gomemlimit_fake_api_server::cluster_fixture::{ClusterFixture, DEPLOYMENTS, PODS, findings};

/// The command that brings back what is missing of a release of this version.
fn upgrade(version: &str) -> String {
    let chart = chart();
    format!("helm upgrade gomemlimit {chart} --version {version} -n gomemlimit --reset-then-reuse-values")
}

/// A release whose replicas mount what a keeper signs, and the keeper with `ready` of `desired` pods ready.
fn kept(keeper: Option<(u32, u32)>) -> ClusterFixture {
    let mut fixture = ClusterFixture::sound();
    let pod = &mut fixture.object(PODS, 0)["spec"];
    pod["containers"][0]["args"] = json!(["serve", "--tls-cert=/tls/tls.crt", "--tls-key=/tls/tls.key"]);
    pod["containers"][0]["volumeMounts"] = json!([{"name": "tls", "mountPath": "/tls"}]);
    pod["volumes"] = json!([{"name": "tls", "secret": {"secretName": "gomemlimit-serving"}}]);
    if let Some((replicas, ready)) = keeper {
        let labels = json!({
            "app.kubernetes.io/name": "gomemlimit", "app.kubernetes.io/instance": "gomemlimit",
            "app.kubernetes.io/component": "keeper", "helm.sh/chart": "gomemlimit-0.1.0",
        });
        let containers = json!([{"args": ["certificates", "--webhook-config=gomemlimit"]}]);
        fixture.add(
            DEPLOYMENTS,
            json!({
                "metadata": {"name": "gomemlimit-keeper", "namespace": "gomemlimit", "labels": labels},
                "spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}},
                "status": {"readyReplicas": ready},
            }),
        );
    }
    fixture
}

/// Nobody but the keeper can restore the CA bundle, or fill the Secret that pods wait for.
#[rstest]
#[case::gone(None, upgrade(VERSION), "there is no keeper of certificates")]
#[case::scaled(
    Some((0, 0)),
    "kubectl scale deployment/gomemlimit-keeper -n gomemlimit --replicas=1".to_owned(),
    "deployment gomemlimit-keeper, which keeps the certificates, is scaled to 0"
)]
#[case::unready(
    Some((1, 0)),
    "kubectl logs deployment/gomemlimit-keeper -n gomemlimit".to_owned(),
    "deployment gomemlimit-keeper, which keeps the certificates, has no ready pod"
)]
#[case::at_work(Some((1, 1)), upgrade(VERSION), "the CA bundle is empty")]
#[tokio::test]
async fn a_keeper_that_is_missing_is_named(
    #[case] keeper: Option<(u32, u32)>,
    #[case] command: String,
    #[case] said: &str,
) {
    let mut fixture = kept(keeper);
    fixture.entries()[0]["clientConfig"]["caBundle"] = json!("");
    fixture.dry_run("shop", None);
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, &report["broken"]["check"]), (1, &json!("ca-bundle")), "{report:#}");
    assert_eq!(report["broken"]["command"], command);
    assert!(report["broken"]["what"].as_str().unwrap().contains(said), "{report:#}");

    if keeper != Some((1, 1)) {
        let mut waiting = kept(keeper);
        let status = &mut waiting.object(PODS, 0)["status"];
        status["conditions"][0]["status"] = "False".into();
        status["containerStatuses"] = json!([{"state": {"waiting": {"reason": "ContainerCreating"}}}]);
        let (code, report) = waiting.check(&[]).await;
        assert_eq!((code, &report["broken"]["check"]), (1, &json!("pods")), "{report:#}");
        assert_eq!(report["broken"]["command"], command);
        assert!(report["broken"]["what"].as_str().unwrap().contains(said), "{report:#}");
    }
}

#[tokio::test]
async fn the_cas_of_the_live_bundle_are_listed_and_one_that_no_replica_would_publish_is_marked() {
    let mut fixture = ClusterFixture::sound();
    fixture.object(PODS, 0)["spec"]["containers"][0]["args"]
        .as_array_mut()
        .unwrap()
        .push(json!("--ca-duration=24h"));
    let authority = |name: &str, hours| {
        Authority::generate(name, SystemTime::now(), Duration::from_hours(hours)).unwrap()
    };
    let cas = [
        (authority("gomemlimit.gomemlimit.svc", 24), None),
        (authority("gomemlimit.gomemlimit.svc", 48), Some("it ends later than --ca-duration allows")),
        (authority("other.gomemlimit.svc", 24), Some("it is not limited to the name of the Service")),
    ];
    let bundle: String = cas.iter().map(|(ca, _)| ca.certificate.to_pem()).collect();
    for entry in fixture.entries() {
        entry["clientConfig"]["caBundle"] = STANDARD.encode(&bundle).into();
    }
    let (code, report) = fixture.check(&[]).await;
    let listed = findings(&report, "ca-bundle")[0]["certificates"].as_array().unwrap().clone();
    let expected = cas.iter().map(|(ca, unexpected)| {
        let ends = humantime::format_rfc3339_seconds(ca.certificate.not_after).to_string();
        let sha256 = Fingerprint::of(&ca.certificate).to_string();
        json!({"sha256": sha256, "notAfter": ends, "unexpected": unexpected})
    });
    assert_eq!((code, listed), (0, expected.collect::<Vec<_>>()), "{report:#}");
    let (_, table, _) = fixture.serve().run(&["check"]).await;
    for (ca, unexpected) in &cas {
        let line = table.lines().find(|line| line.starts_with(&Fingerprint::of(&ca.certificate).to_string()));
        assert!(line.is_some_and(|line| line.ends_with(unexpected.unwrap_or("-"))), "{table}");
    }
    // A CA of cert-manager, or of somebody's own, is as it is.
    fixture.object(PODS, 0)["spec"]["containers"][0]["args"] = json!(["serve", "--tls-cert=/tls/tls.crt"]);
    let (_, report) = fixture.check(&[]).await;
    let listed = findings(&report, "ca-bundle")[0]["certificates"].as_array().unwrap().clone();
    assert!(listed.len() == 3 && listed.iter().all(|ca| ca["unexpected"].is_null()), "{report:#}");
}
