//! `audit` of clusters with several installations, and of those where not all of one can be read.

use rstest::rstest;
use serde_json::{Value, json};

use gomemlimit_fake_api_server::{
    cluster_fixture::{
        CONFIG_MAPS, CONFIGURATIONS, ClusterFixture, NAMESPACES, PODS, SERVICES, configuration, namespace,
        with_pod_opt_in,
    },
    failure, list, pod_with,
};

fn in_namespace(namespace: &str, name: &str) -> Value {
    let mut pod = pod_with(name, None);
    pod["metadata"]["namespace"] = namespace.into();
    pod
}

async fn audit(fixture: &ClusterFixture) -> Value {
    fixture.serve().json(&["audit", "-A"]).await.1
}

#[tokio::test]
async fn with_pod_opt_in_a_pod_of_a_namespace_without_the_label_is_not_labelled() {
    let mut fixture = ClusterFixture::sound();
    fixture.put(CONFIGURATIONS, &[with_pod_opt_in(configuration("gomemlimit", "enabled"))]);
    fixture.add(NAMESPACES, namespace("bare", &json!({})));
    let mut opted_in = in_namespace("bare", "b");
    opted_in["metadata"]["labels"] = json!({"gomemlimit.dev/inject": "enabled"});
    let mut opted_out = in_namespace("shop", "c");
    opted_out["metadata"]["labels"] = json!({"gomemlimit.dev/inject": "false"});
    fixture.answer("/api/v1/pods", list(&[in_namespace("bare", "a"), opted_in, opted_out], ""));
    let report = audit(&fixture).await;
    let reasons: Vec<_> =
        report["containers"].as_array().unwrap().iter().map(|one| one["reason"].clone()).collect();
    assert_eq!(reasons, ["not-labelled", "not-injected", "opted-out"], "{report:#}");
    let advice = report["containers"][0]["advice"].as_str().unwrap();
    assert!(advice.starts_with("kubectl label namespace bare gomemlimit.dev/inject=enabled; "), "{advice}");
}

#[tokio::test]
async fn each_pod_is_judged_by_the_installation_that_selects_it() {
    let mut fixture = ClusterFixture::sound();
    fixture.add(CONFIGURATIONS, configuration("gomemlimit-canary", "canary"));
    fixture.release("gomemlimit-canary", &["serve", "--min-limit=2Gi"]);
    fixture.add(NAMESPACES, namespace("early", &json!({"gomemlimit.dev/inject": "canary"})));
    fixture.add(NAMESPACES, namespace("bare", &json!({})));
    let pods = ["shop", "early", "bare"].map(|name| in_namespace(name, "a"));
    fixture.answer("/api/v1/pods", list(&pods, ""));
    let report = audit(&fixture).await;
    let reasons: Vec<_> =
        report["containers"].as_array().unwrap().iter().map(|one| one["reason"].clone()).collect();
    assert_eq!(reasons, ["not-injected", "below-minimum", "not-labelled"], "{report:#}");
    let source = "the flags of pod gomemlimit/gomemlimit-0 for gomemlimit and the flags of pod \
                  gomemlimit/gomemlimit-canary-0 for gomemlimit-canary";
    assert_eq!(report["settingsFrom"], source);
    assert_eq!(report["unknown"], json!([]));
    let server = fixture.serve();
    let (code, stdout, stderr) = server.run(&["check"]).await;
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("choose one with --webhook-config"), "{stderr}");
    // The other's namespaces are not its own.
    fixture.dry_run("early", Some("966367641"));
    let (code, report) = fixture.serve().json(&["check", "--webhook-config", "gomemlimit-canary"]).await;
    let namespaces: Vec<_> =
        report["checks"].as_array().unwrap().iter().map(|one| &one["namespace"]).collect();
    assert!(!namespaces.contains(&&json!("shop")), "{report:#}");
    assert_eq!(report["broken"]["check"], "settings", "{code}: {report:#}");
}

/// Whatever keeps the settings from being known is reported.
#[rstest]
#[case::no_service(|fixture: &mut ClusterFixture| fixture.put(SERVICES, &[]), "service gomemlimit in gomemlimit does not exist")]
#[case::no_pods(|fixture: &mut ClusterFixture| fixture.put(PODS, &[]), "service gomemlimit in gomemlimit has no pods")]
#[case::pods_forbidden(
    |fixture: &mut ClusterFixture| fixture.forbid(PODS),
    "cannot read the pods of service gomemlimit in gomemlimit, so this program's settings are assumed"
)]
#[case::service_gone(
    |fixture: &mut ClusterFixture| fixture.forbid(SERVICES),
    "cannot read service gomemlimit in gomemlimit, so this program's settings are assumed"
)]
#[case::url(
    |fixture: &mut ClusterFixture| {
        for index in 0..2 {
            fixture.object(CONFIGURATIONS, 0)["webhooks"][index]["clientConfig"] = json!({"url": "https://x/mutate"});
        }
    },
    "names a URL"
)]
#[case::wrapped(
    |fixture: &mut ClusterFixture| fixture.object(PODS, 0)["spec"]["containers"][0]["args"] = json!(["sh", "-c", "gomemlimit serve"]),
    "do not begin with `serve`"
)]
#[tokio::test]
async fn settings_that_are_not_known_are_told(#[case] damage: fn(&mut ClusterFixture), #[case] said: &str) {
    let mut fixture = ClusterFixture::sound();
    damage(&mut fixture);
    fixture.answer("/api/v1/pods", list(&[in_namespace("shop", "a")], ""));
    let report = audit(&fixture).await;
    assert_eq!(report["settingsFrom"], "this program's defaults", "{report:#}");
    assert!(report["unknown"].to_string().contains(said), "{report:#}");
    // The selectors are known all the same.
    assert!(!report["unknown"].to_string().contains("selectors"), "{report:#}");
    assert_eq!(report["containers"][0]["reason"], "not-injected");
}

#[tokio::test]
async fn a_config_map_that_has_just_gone_does_not_end_the_audit() {
    let mut fixture = ClusterFixture::sound();
    let pod = &mut fixture.object(PODS, 0)["spec"];
    pod["containers"][0]["args"] = json!(["serve", "--policy-file=/policy/policy.yaml"]);
    pod["containers"][0]["volumeMounts"] = json!([{"name": "policy", "mountPath": "/policy"}]);
    pod["volumes"] = json!([{"name": "policy", "configMap": {"name": "gomemlimit-policy"}}]);
    fixture.answer("/api/v1/pods", list(&[in_namespace("shop", "a")], ""));
    for answer in [failure(404, "configmaps \"gomemlimit-policy\" not found"), failure(403, "no")] {
        fixture.answer(CONFIG_MAPS, answer);
        let report = audit(&fixture).await;
        assert!(
            report["unknown"].to_string().contains("cannot read the webhook's policy file"),
            "{report:#}"
        );
        assert_eq!(report["settingsFrom"], "the flags of pod gomemlimit/gomemlimit-0");
    }
}

#[tokio::test]
async fn a_configuration_without_its_rule_leaves_the_charts_selectors() {
    let mut fixture = ClusterFixture::sound();
    for index in 0..2 {
        fixture.object(CONFIGURATIONS, 0)["webhooks"][index]["rules"] = json!([]);
    }
    fixture.answer("/api/v1/pods", list(&[in_namespace("shop", "a")], ""));
    let report = audit(&fixture).await;
    assert_eq!(report["containers"][0]["reason"], "not-injected", "{report:#}");
    assert!(report["unknown"].to_string().contains("see gomemlimit check"), "{report:#}");
}

#[tokio::test]
async fn what_cannot_be_read_of_a_list_is_counted() {
    let mut fixture = ClusterFixture::sound();
    fixture.add(NAMESPACES, json!({"metadata": {"name": "odd", "labels": 7}}));
    fixture.answer("/api/v1/pods", list(&[in_namespace("shop", "a")], ""));
    let report = audit(&fixture).await;
    assert!(report["unknown"].to_string().contains("1 namespaces cannot be read"), "{report:#}");
}
