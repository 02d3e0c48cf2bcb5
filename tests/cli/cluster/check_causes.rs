//! Each cause of a broken check, by the damage that leads to it. Those of served certificates need a real cluster:
//! tests/e2e/tests/check.rs.

use rstest::rstest;
use serde_json::{Value, json};

use gomemlimit_fake_api_server::{
    cluster_fixture::{
        ALL_DEPLOYMENTS, BINDINGS, CLUSTER_ROLES, CONFIG_MAPS, CONFIGURATIONS, ClusterFixture, DEPLOYMENTS,
        NAMESPACES, PODS, POLICIES, SERVICES, admission_policy, cluster_role, namespace, with_pod_opt_in,
    },
    failure,
};

fn set_service(fixture: &mut ClusterFixture, field: &str, value: &Value) {
    for entry in fixture.entries() {
        entry["clientConfig"]["service"][field] = value.clone();
    }
}

fn not_ready(fixture: &mut ClusterFixture) {
    fixture.object(PODS, 0)["status"] = json!({});
}

fn annotate(fixture: &mut ClusterFixture, key: &str, value: &str) {
    fixture.object(NAMESPACES, 0)["metadata"]["annotations"] = json!({key: value});
}

fn args(fixture: &mut ClusterFixture, args: &[&str]) {
    fixture.object(PODS, 0)["spec"]["containers"][0]["args"] = json!(args);
}

fn with_policy(fixture: &mut ClusterFixture, has_binding: bool) {
    let [policy, binding] = admission_policy();
    fixture.put(CONFIGURATIONS, &[]);
    fixture.put(POLICIES, &[policy]);
    fixture.put(BINDINGS, if has_binding { std::slice::from_ref(&binding) } else { &[] });
}

/// A pod without a value shows every cause that depends on one.
#[rstest]
#[case("not-installed", |fixture: &mut ClusterFixture| {
    *fixture = ClusterFixture::empty();
    fixture.put(NAMESPACES, &[namespace("shop", &json!({}))]);
})]
#[case("configuration-missing", |fixture: &mut ClusterFixture| {
    fixture.put(CONFIGURATIONS, &[]);
    fixture.put(CLUSTER_ROLES, &[cluster_role("gomemlimit", "gomemlimit")]);
})]
#[case("release-unknown", |fixture: &mut ClusterFixture| {
    fixture.put(CONFIGURATIONS, &[]);
    let deployment = fixture.object(DEPLOYMENTS, 0).clone();
    fixture.put(ALL_DEPLOYMENTS, &[deployment]);
})]
#[case("binding-missing", |fixture: &mut ClusterFixture| with_policy(fixture, false))]
#[case("not-opted-in", |fixture: &mut ClusterFixture| fixture.put(NAMESPACES, &[namespace("shop", &json!({}))]))]
#[case("namespace-excluded", |fixture: &mut ClusterFixture| {
    let excluded = json!({"matchExpressions": [
        {"key": "gomemlimit.dev/inject", "operator": "In", "values": ["enabled"]},
        {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["shop"]},
    ]});
    fixture.entries()[0]["namespaceSelector"] = excluded;
})]
#[case("namespace-not-selected", |fixture: &mut ClusterFixture| {
    fixture.entries()[0]["namespaceSelector"] = json!({"matchLabels": {"tier": "elsewhere"}});
})]
#[case("no-create-rule", |fixture: &mut ClusterFixture| {
    fixture.entries()[0]["rules"][0]["operations"] = json!(["UPDATE"]);
})]
#[case("entry-without-create-rule", |fixture: &mut ClusterFixture| {
    let configuration = with_pod_opt_in(fixture.object(CONFIGURATIONS, 0).clone());
    fixture.put(CONFIGURATIONS, &[configuration]);
    fixture.entries()[2]["rules"][0]["operations"] = json!(["UPDATE"]);
})]
#[case("pods-not-selected", |fixture: &mut ClusterFixture| {
    fixture.entries()[0]["objectSelector"] = json!({"matchLabels": {"tier": "elsewhere"}});
})]
#[case("foreign-conditions", |fixture: &mut ClusterFixture| {
    fixture.entries()[0]["matchConditions"] = json!([{"name": "never", "expression": "false"}]);
})]
#[case("service-outside-release", |fixture: &mut ClusterFixture| set_service(fixture, "namespace", &json!("shop")))]
#[case("entry-calls-other-service", |fixture: &mut ClusterFixture| {
    fixture.entries()[1]["clientConfig"]["service"]["name"] = json!("other");
})]
#[case("path-not-served", |fixture: &mut ClusterFixture| set_service(fixture, "path", &json!("/other")))]
#[case("service-missing", |fixture: &mut ClusterFixture| fixture.put(SERVICES, &[]))]
#[case("service-port-missing", |fixture: &mut ClusterFixture| set_service(fixture, "port", &json!(444)))]
#[case("service-selects-no-pods", |fixture: &mut ClusterFixture| {
    fixture.object(SERVICES, 0)["spec"]["selector"] = json!({"a": "b"});
})]
#[case("pods-not-ready", not_ready)]
#[case("no-pods", |fixture: &mut ClusterFixture| { fixture.put(PODS, &[]); fixture.forbid(DEPLOYMENTS); })]
#[case("scaled-to-zero", |fixture: &mut ClusterFixture| {
    fixture.put(PODS, &[]);
    fixture.object(DEPLOYMENTS, 0)["spec"]["replicas"] = 0.into();
})]
#[case("deployment-without-pods", |fixture: &mut ClusterFixture| fixture.put(PODS, &[]))]
#[case("deployment-missing", |fixture: &mut ClusterFixture| {
    fixture.put(PODS, &[]);
    fixture.put(DEPLOYMENTS, &[]);
})]
#[case("no-ready-endpoint", |fixture: &mut ClusterFixture| {
    fixture.put("/apis/discovery.k8s.io/v1/namespaces/gomemlimit/endpointslices", &[]);
})]
#[case("target-port-missing", |fixture: &mut ClusterFixture| {
    fixture.object(SERVICES, 0)["spec"]["ports"][0]["targetPort"] = "other".into();
})]
#[case("ca-bundle-unusable", |fixture: &mut ClusterFixture| {
    fixture.entries()[0]["clientConfig"]["caBundle"] = "".into();
})]
#[case("annotation-withholds-value", |fixture: &mut ClusterFixture| annotate(fixture, "gomemlimit.dev/mode", "off"))]
#[case("rule-withholds-value", |fixture: &mut ClusterFixture| {
    args(fixture, &["serve", "--policy-file=/policy/policy.yaml"]);
    let pod = &mut fixture.object(PODS, 0)["spec"];
    pod["containers"][0]["volumeMounts"] = json!([{"name": "policy", "mountPath": "/policy"}]);
    pod["volumes"] = json!([{"name": "policy", "configMap": {"name": "policy"}}]);
    let data = json!({"policy.yaml": "rules: [{name: java, is: not-go}]\n"});
    fixture.put(CONFIG_MAPS, &[json!({"metadata": {"name": "policy"}, "data": data})]);
})]
#[case("settings-withhold-value", |fixture: &mut ClusterFixture| args(fixture, &["serve", "--mode=off"]))]
#[case("webhook-call-failed", |fixture: &mut ClusterFixture| {
    let problem = "failed calling webhook \"namespaces.gomemlimit.dev\": no endpoints";
    fixture.answer("POST /api/v1/namespaces/shop/pods", failure(500, problem));
})]
#[case("webhook-not-reached", |_: &mut ClusterFixture| {})]
#[case("policy-failed", |fixture: &mut ClusterFixture| with_policy(fixture, true))]
#[case("no-value-unexplained", |fixture: &mut ClusterFixture| fixture.forbid(CONFIGURATIONS))]
#[tokio::test]
async fn a_damage_has_its_cause(#[case] cause: &str, #[case] damage: impl Fn(&mut ClusterFixture)) {
    let mut fixture = ClusterFixture::sound();
    fixture.dry_run("shop", None);
    damage(&mut fixture);
    let (code, report) = fixture.check(&["-n", "shop"]).await;
    assert_eq!((code, &report["broken"]["cause"]), (1, &json!(cause)), "{report:#}");
}

/// Without `-n` it is the only cause that is about no namespace.
#[tokio::test]
async fn without_a_namespace_there_is_nothing_to_check() {
    let mut fixture = ClusterFixture::sound();
    fixture.put(NAMESPACES, &[]);
    let (_, report) = fixture.check(&[]).await;
    assert_eq!(report["broken"]["cause"], "no-namespace-opted-in", "{report:#}");
}
