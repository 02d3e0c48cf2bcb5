//! Which release `check` prints commands for: one that the user or an object of the whole cluster names, and never one
//! that a tenant can make up.

use gomemlimit_core::addresses::{VERSION, chart};
use rstest::rstest;
use serde_json::{Value, json};

use gomemlimit_fake_api_server::{
    cluster_fixture::{
        ALL_DEPLOYMENTS, CLUSTER_ROLES, CONFIGURATIONS, ClusterFixture, DEPLOYMENTS, cluster_role, state,
    },
    list, pod_with,
};

/// A release that a tenant makes up in a namespace that is the first of all.
const TENANT: &str = "a-tenant";

fn upgrade(name: &str, namespace: &str) -> String {
    format!("helm upgrade {name} {} --version {VERSION} -n {namespace} --reset-then-reuse-values", chart())
}

/// Somebody has deleted the configuration; a tenant has a Deployment with all labels and annotations of a release.
fn stopped() -> ClusterFixture {
    let mut fixture = ClusterFixture::sound();
    fixture.put(CONFIGURATIONS, &[]);
    let own = fixture.object(DEPLOYMENTS, 0).clone();
    let mut evil = own.clone();
    evil["metadata"]["namespace"] = TENANT.into();
    evil["metadata"]["labels"]["app.kubernetes.io/instance"] = "gomemlimit-prod".into();
    evil["metadata"]["labels"]["app.kubernetes.io/version"] = "9.9.9".into();
    evil["metadata"]["annotations"] = json!({
        "meta.helm.sh/release-name": "gomemlimit-prod", "meta.helm.sh/release-namespace": TENANT,
    });
    fixture.put(&format!("/apis/apps/v1/namespaces/{TENANT}/deployments"), &[evil.clone()]);
    fixture.put(ALL_DEPLOYMENTS, &[evil, own]);
    fixture
}

/// The broken check is the configuration, the command is this one, and nothing of the tenant's is printed.
async fn mends_with(fixture: &ClusterFixture, arguments: &[&str], command: &str) -> String {
    let (code, report) = fixture.check(arguments).await;
    assert_eq!((code, &report["broken"]["check"]), (1, &json!("configuration")), "{report:#}");
    assert_eq!(report["broken"]["command"], command, "{report:#}");
    for evil in [TENANT, "gomemlimit-prod", "9.9.9"] {
        assert!(!report.to_string().contains(evil), "{report:#}");
    }
    report["broken"]["what"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_deployment_names_no_release() {
    let what = mends_with(&stopped(), &[], "").await;
    assert!(
        what.contains("name it with --release-namespace, and with --release if it is not called"),
        "{what}"
    );
    // The tenant alone, and roles that may not be read.
    let mut fixture = stopped();
    let evil = fixture.object(ALL_DEPLOYMENTS, 0).clone();
    fixture.put(ALL_DEPLOYMENTS, &[evil]);
    mends_with(&fixture, &[], "").await;
    fixture.forbid(CLUSTER_ROLES);
    mends_with(&fixture, &[], "").await;
    // Without any there is nothing to lose.
    fixture.put(ALL_DEPLOYMENTS, &[]);
    let install = format!(
        "helm install gomemlimit {} --version {VERSION} -n gomemlimit --create-namespace --wait",
        chart()
    );
    assert_eq!(mends_with(&fixture, &[], &install).await, "gomemlimit is not installed in this cluster");
}

#[tokio::test]
async fn a_role_of_the_whole_cluster_names_the_release() {
    let mut fixture = stopped();
    fixture.put(
        CLUSTER_ROLES,
        &[
            json!({"metadata": {"name": "system:node"}}),
            json!({"metadata": {"name": "view"}}),
            cluster_role("limits", "ops"),
        ],
    );
    let what = mends_with(&fixture, &[], &upgrade("limits", "ops")).await;
    assert!(what.contains("deleted it to stop it"), "{what}");
    // Several: none is guessed.
    fixture.add(CLUSTER_ROLES, cluster_role("canary", "ops"));
    let (code, stdout, stderr) = fixture.serve().run(&["check"]).await;
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(
        stderr
            .contains("several releases of it (ops/canary, ops/limits): choose one with --release-namespace")
    );
    mends_with(&fixture, &["--release-namespace", "ops", "--release", "canary"], &upgrade("canary", "ops"))
        .await;
}

#[tokio::test]
async fn the_user_names_the_release() {
    let fixture = stopped();
    mends_with(&fixture, &["--release-namespace", "gomemlimit"], &upgrade("gomemlimit", "gomemlimit")).await;
    let arguments = ["--release-namespace", "gomemlimit", "--release", "limits"];
    mends_with(&fixture, &arguments, &upgrade("limits", "gomemlimit")).await;
    let (code, _, stderr) = fixture.serve().run(&["check", "--release", "limits"]).await;
    assert!(code == 2 && stderr.contains("--release-namespace"), "{stderr}");
}

/// A label is not Helm's word, and what Helm did not write names nothing.
#[rstest]
#[case::option(json!({"meta.helm.sh/release-name": "--post-renderer=/tmp/x", "meta.helm.sh/release-namespace": "gomemlimit"}))]
#[case::shell(json!({"meta.helm.sh/release-name": "$(touch x)", "meta.helm.sh/release-namespace": "gomemlimit"}))]
#[case::namespace(json!({"meta.helm.sh/release-name": "gomemlimit", "meta.helm.sh/release-namespace": "x --set a=b"}))]
#[case::half(json!({"meta.helm.sh/release-name": "gomemlimit"}))]
#[tokio::test]
async fn annotations_that_are_not_helms_name_no_release(#[case] annotations: Value) {
    let mut fixture = ClusterFixture::sound();
    fixture.put("/api/v1/namespaces/gomemlimit/services", &[]);
    fixture.object(CONFIGURATIONS, 0)["metadata"]["labels"]["app.kubernetes.io/instance"] = "other".into();
    let (_, report) = fixture.check(&[]).await;
    assert_eq!(report["broken"]["command"], upgrade("gomemlimit", "gomemlimit"), "{report:#}");
    fixture.object(CONFIGURATIONS, 0)["metadata"]["annotations"] = annotations;
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, &report["broken"]["check"]), (1, &json!("service")), "{report:#}");
    assert_eq!(report["broken"]["command"], "", "{report:#}");
    assert!(report["checks"].to_string().contains("name it with --release-namespace"), "{report:#}");
    let (_, report) = fixture.check(&["--release-namespace", "gomemlimit"]).await;
    assert_eq!(report["broken"]["command"], upgrade("gomemlimit", "gomemlimit"), "{report:#}");
}

/// Pods in a tenant's namespace show nothing about the release, even if the configuration calls them.
#[tokio::test]
async fn a_service_outside_of_the_releases_namespace_is_not_believed() {
    let mut fixture = ClusterFixture::sound();
    for entry in fixture.entries() {
        entry["clientConfig"]["service"]["namespace"] = TENANT.into();
    }
    for (from, to) in [("services", "services"), ("pods", "pods")] {
        let object = fixture.object(&format!("/api/v1/namespaces/gomemlimit/{from}"), 0).clone();
        fixture.put(&format!("/api/v1/namespaces/{TENANT}/{to}"), &[object]);
    }
    fixture.object(&format!("/api/v1/namespaces/{TENANT}/pods"), 0)["spec"]["containers"][0]["args"] =
        json!(["serve", "--mode=off"]);
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, state(&report, "service")), (1, "broken"), "{report:#}");
    let what = "it calls service gomemlimit in namespace a-tenant, and its release is in namespace gomemlimit; what \
                answers there is not looked at";
    assert_eq!(report["broken"]["what"], what);
    let restore = format!(
        "kubectl delete mutatingwebhookconfiguration gomemlimit && {}",
        upgrade("gomemlimit", "gomemlimit")
    );
    assert_eq!(report["broken"]["command"], restore);
    // Nor are its flags settings of the installation.
    let mut pod = pod_with("a", None);
    pod["metadata"]["namespace"] = "shop".into();
    fixture.answer("/api/v1/pods", list(&[pod], ""));
    let (_, report) = fixture.serve().json(&["audit", "-A"]).await;
    assert_eq!(report["settingsFrom"], "this program's defaults", "{report:#}");
    assert!(report["unknown"].to_string().contains("its release is in namespace gomemlimit"), "{report:#}");
}

/// A pod with the labels of the webhook's decides nothing outside of the release's namespace.
#[tokio::test]
async fn settings_are_those_of_pods_behind_the_configurations_service() {
    let mut fixture = ClusterFixture::sound();
    let mut evil = fixture.object("/api/v1/namespaces/gomemlimit/pods", 0).clone();
    evil["metadata"]["namespace"] = TENANT.into();
    evil["metadata"]["name"] = "a".into();
    evil["spec"]["containers"][0]["args"] = json!(["serve", "--mode=off"]);
    let mut pod = pod_with("b", None);
    pod["metadata"]["namespace"] = "shop".into();
    fixture.put("/api/v1/pods", &[evil.clone(), pod.clone()]);
    fixture.put(&format!("/api/v1/namespaces/{TENANT}/pods"), &[evil]);
    fixture.put("/api/v1/namespaces/shop/pods", &[pod]);
    let server = fixture.serve();
    let (_, report) = server.json(&["audit", "-A"]).await;
    assert_eq!(report["settingsFrom"], "the flags of pod gomemlimit/gomemlimit-0", "{report:#}");
    let reasons: Vec<_> = report["containers"].as_array().unwrap().iter().map(|one| &one["reason"]).collect();
    assert!(
        reasons.contains(&&json!("not-injected")) && !reasons.contains(&&json!("mode-off")),
        "{report:#}"
    );
    let (_, report) = server.json(&["explain", "b", "-n", "shop"]).await;
    assert_eq!(report["settingsFrom"], "the flags of pod gomemlimit/gomemlimit-0", "{report:#}");
}
