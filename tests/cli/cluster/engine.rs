//! `check` and `audit` if the API server decides by a policy, and there is no webhook to blame.

use serde_json::{Value, json};

use gomemlimit_fake_api_server::{
    cluster_fixture::{
        BINDINGS, CONFIGURATIONS, ClusterFixture, NAMESPACES, POLICIES, admission_policy, namespace, state,
    },
    list, pod_with,
};

fn with_policy() -> ClusterFixture {
    let mut fixture = ClusterFixture::sound();
    let [policy, binding] = admission_policy();
    fixture.put(CONFIGURATIONS, &[]);
    fixture.put(POLICIES, &[policy]);
    fixture.put(BINDINGS, &[binding]);
    fixture
}

#[tokio::test]
async fn a_sound_policy_has_no_broken_check() {
    let (code, report) = with_policy().check(&[]).await;
    assert_eq!((code, &report["broken"]), (0, &Value::Null), "{report:#}");
    for check in
        ["configuration", "binding", "namespace-label", "object-selector", "match-conditions", "settings"]
    {
        assert_eq!(state(&report, check), "ok", "{check}: {report:#}");
    }
}

#[tokio::test]
async fn a_policy_that_is_not_ours_decides_nothing() {
    let mut fixture = ClusterFixture::empty();
    let foreign = json!({
        "metadata": {"name": "sidecars"},
        "spec": {"matchConditions": [{"name": "x", "expression": "object.metadata.labels['gomemlimit.dev/inject'] == 'x'"}]},
    });
    fixture.put(POLICIES, &[foreign]);
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, &report["broken"]["check"]), (1, &json!("configuration")), "{report:#}");
    assert_eq!(report["broken"]["what"], "gomemlimit is not installed in this cluster");
}

#[tokio::test]
async fn a_policy_without_its_binding_is_the_broken_check() {
    let mut fixture = with_policy();
    fixture.put(BINDINGS, &[]);
    fixture.dry_run("shop", None);
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, &report["broken"]["check"]), (1, &json!("binding")), "{report:#}");
    assert_eq!(report["broken"]["command"], "gomemlimit policy --name gomemlimit | kubectl apply -f -");
}

#[tokio::test]
async fn the_binding_selects_namespaces() {
    let mut fixture = with_policy();
    fixture.object(BINDINGS, 0)["spec"]["matchResources"]["namespaceSelector"] =
        json!({"matchLabels": {"team": "go"}});
    fixture.dry_run("shop", None);
    let (code, report) = fixture.check(&["-n", "shop"]).await;
    assert_eq!((code, &report["broken"]["check"]), (1, &json!("namespace-label")), "{report:#}");
    assert_eq!(report["broken"]["command"], "kubectl label namespace shop team=go --overwrite");
}

#[tokio::test]
async fn without_a_value_no_webhook_is_blamed() {
    let mut fixture = with_policy();
    fixture.dry_run("shop", None);
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, &report["broken"]["check"]), (1, &json!("dry-run")), "{report:#}");
    let text = report["broken"].to_string();
    assert!(!text.contains("webhook") && text.contains("an expression of the policy"), "{text}");
    // Its settings are as good as flags.
    let variables = fixture.object(POLICIES, 0)["spec"]["variables"].as_array_mut().unwrap();
    let settings = variables.iter_mut().find(|one| one["name"] == "settings").unwrap();
    let off = settings["expression"].as_str().unwrap().replace("\"mode\":\"inject\"", "\"mode\":\"off\"");
    settings["expression"] = off.into();
    let (_, report) = fixture.check(&[]).await;
    assert_eq!(report["broken"]["check"], "settings", "{report:#}");
}

#[tokio::test]
async fn an_audit_knows_bindings_and_settings() {
    let mut fixture = with_policy();
    fixture.put(NAMESPACES, &[namespace("shop", &json!({"team": "go"}))]);
    fixture.object(BINDINGS, 0)["spec"]["matchResources"]["namespaceSelector"] =
        json!({"matchLabels": {"team": "go"}});
    fixture.answer("/api/v1/namespaces/shop/pods", list(&[pod_with("a", None)], ""));
    let server = fixture.serve();
    let (_, report) = server.json(&["audit"]).await;
    assert_eq!(report["containers"][0]["reason"], "not-injected", "{report:#}");
    assert_eq!(report["settingsFrom"], "the MutatingAdmissionPolicy gomemlimit");
    assert_eq!(report["unknown"], json!([]));
    fixture.put(BINDINGS, &[]);
    let (_, report) = fixture.serve().json(&["audit"]).await;
    assert!(report["unknown"].to_string().contains("has no binding"), "{report:#}");
}
