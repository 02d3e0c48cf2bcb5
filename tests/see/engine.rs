//! `check` and `audit` where the API server decides by a policy, and there is no webhook to blame.

use serde_json::{Value, json};

use crate::scripted::{
    list, pod_with,
    world::{BINDINGS, CONFIGURATIONS, NAMESPACES, POLICIES, World, admission_policy, namespace, state},
};

fn with_policy() -> World {
    let mut world = World::sound();
    let [policy, binding] = admission_policy();
    world.put(CONFIGURATIONS, &[]);
    world.put(POLICIES, &[policy]);
    world.put(BINDINGS, &[binding]);
    world
}

async fn check(world: &World, arguments: &[&str]) -> (i32, Value) {
    world.serve().await.json(&[&["check"], arguments].concat()).await
}

#[tokio::test]
async fn a_sound_policy_has_no_broken_link() {
    let (code, report) = check(&with_policy(), &[]).await;
    assert_eq!((code, &report["broken"]), (0, &Value::Null), "{report:#}");
    for link in
        ["configuration", "binding", "namespace-label", "object-selector", "match-conditions", "settings"]
    {
        assert_eq!(state(&report, link), "ok", "{link}: {report:#}");
    }
}

#[tokio::test]
async fn a_policy_that_is_not_ours_decides_nothing() {
    let mut world = World::empty();
    let foreign = json!({
        "metadata": {"name": "sidecars"},
        "spec": {"matchConditions": [{"name": "x", "expression": "object.metadata.labels['gomemlimit.dev/inject'] == 'x'"}]},
    });
    world.put(POLICIES, &[foreign]);
    let (code, report) = check(&world, &[]).await;
    assert_eq!((code, &report["broken"]["link"]), (1, &json!("configuration")), "{report:#}");
    assert_eq!(report["broken"]["what"], "gomemlimit is not installed in this cluster");
}

#[tokio::test]
async fn a_policy_without_its_binding_is_the_broken_link() {
    let mut world = with_policy();
    world.put(BINDINGS, &[]);
    world.dry_run("shop", None);
    let (code, report) = check(&world, &[]).await;
    assert_eq!((code, &report["broken"]["link"]), (1, &json!("binding")), "{report:#}");
    assert_eq!(report["broken"]["command"], "gomemlimit policy --name gomemlimit | kubectl apply -f -");
}

#[tokio::test]
async fn the_binding_selects_namespaces() {
    let mut world = with_policy();
    world.object(BINDINGS, 0)["spec"]["matchResources"]["namespaceSelector"] =
        json!({"matchLabels": {"team": "go"}});
    world.dry_run("shop", None);
    let (code, report) = check(&world, &["-n", "shop"]).await;
    assert_eq!((code, &report["broken"]["link"]), (1, &json!("namespace-label")), "{report:#}");
    assert_eq!(report["broken"]["command"], "kubectl label namespace shop team=go --overwrite");
}

#[tokio::test]
async fn without_a_value_no_webhook_is_blamed() {
    let mut world = with_policy();
    world.dry_run("shop", None);
    let (code, report) = check(&world, &[]).await;
    assert_eq!((code, &report["broken"]["link"]), (1, &json!("dry-run")), "{report:#}");
    let text = report["broken"].to_string();
    assert!(!text.contains("webhook") && text.contains("an expression of the policy"), "{text}");
    // Its settings are as good as flags.
    let variables = world.object(POLICIES, 0)["spec"]["variables"].as_array_mut().unwrap();
    let settings = variables.iter_mut().find(|one| one["name"] == "settings").unwrap();
    let off = settings["expression"].as_str().unwrap().replace("\"mode\":\"inject\"", "\"mode\":\"off\"");
    settings["expression"] = off.into();
    let (_, report) = check(&world, &[]).await;
    assert_eq!(report["broken"]["link"], "settings", "{report:#}");
}

#[tokio::test]
async fn an_audit_knows_bindings_and_settings() {
    let mut world = with_policy();
    world.put(NAMESPACES, &[namespace("shop", &json!({"team": "go"}))]);
    world.object(BINDINGS, 0)["spec"]["matchResources"]["namespaceSelector"] =
        json!({"matchLabels": {"team": "go"}});
    world.answer("/api/v1/namespaces/shop/pods", list(&[pod_with("a", None)], ""));
    let server = world.serve().await;
    let (_, report) = server.json(&["audit"]).await;
    assert_eq!(report["containers"][0]["reason"], "not-injected", "{report:#}");
    assert_eq!(report["settingsFrom"], "the MutatingAdmissionPolicy gomemlimit");
    assert_eq!(report["unknown"], json!([]));
    world.put(BINDINGS, &[]);
    let (_, report) = world.serve().await.json(&["audit"]).await;
    assert!(report["unknown"].to_string().contains("has no binding"), "{report:#}");
}
