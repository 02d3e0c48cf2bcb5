//! `check` with partial rights: what may not be read is unknown, and the other checks go on.

use serde_json::json;

use gomemlimit_fake_api_server::cluster_fixture::{
    BINDINGS, CLUSTER_ROLES, CONFIG_MAPS, CONFIGURATIONS, ClusterFixture, DEPLOYMENTS, NAMESPACES, PODS,
    POLICIES, SERVICES, cluster_role, findings, namespace, state,
};

#[tokio::test]
async fn without_the_configuration_a_label_is_not_known_to_be_missing() {
    let mut fixture = ClusterFixture::sound();
    fixture.forbid(CONFIGURATIONS);
    fixture.put(NAMESPACES, &[namespace("shop", &json!({"team": "go"}))]);
    let (code, report) = fixture.check(&["-n", "shop"]).await;
    assert_eq!((code, state(&report, "namespace-label")), (0, "unknown"), "{report:#}");
    assert_eq!((state(&report, "configuration"), state(&report, "dry-run")), ("unknown", "ok"));
    let (_, stdout, _) = fixture.serve().run(&["check", "-n", "shop"]).await;
    let sentence =
        "Nothing is broken as far as could be looked at; not known: configuration, namespace-label.";
    assert!(stdout.contains(sentence), "{stdout}");
}

#[tokio::test]
async fn a_pod_with_a_value_refutes_a_missing_label() {
    let mut fixture = ClusterFixture::sound();
    fixture.put(NAMESPACES, &[namespace("shop", &json!({}))]);
    let (code, report) = fixture.check(&["-n", "shop"]).await;
    assert_eq!((code, state(&report, "namespace-label")), (0, "unknown"), "{report:#}");
    assert!(report["checks"].to_string().contains("got a value all the same"));
}

#[tokio::test]
async fn whether_a_policy_decides_may_not_be_known() {
    let mut fixture = ClusterFixture::sound();
    fixture.put(CONFIGURATIONS, &[]);
    fixture.forbid(POLICIES);
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, state(&report, "configuration")), (0, "unknown"), "{report:#}");
    // With a release there was a configuration.
    fixture.put(CLUSTER_ROLES, &[cluster_role("gomemlimit", "gomemlimit")]);
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, state(&report, "configuration")), (1, "broken"), "{report:#}");
    // Bindings alone.
    let mut fixture = ClusterFixture::sound();
    fixture.put(CONFIGURATIONS, &[]);
    let [policy, _] = gomemlimit_fake_api_server::cluster_fixture::admission_policy();
    fixture.put(POLICIES, &[policy]);
    fixture.forbid(BINDINGS);
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, state(&report, "binding")), (0, "unknown"), "{report:#}");
}

#[tokio::test]
async fn what_was_not_seen_is_not_called_fine() {
    let mut fixture = ClusterFixture::sound();
    fixture.forbid(SERVICES);
    fixture.dry_run("shop", None);
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, &report["broken"]["check"]), (1, &json!("dry-run")), "{report:#}");
    let what = report["broken"]["what"].as_str().unwrap();
    assert!(what.contains("all else that could be looked at is fine, and service could not be looked at"));
    assert!(!what.contains("although all else is fine"), "{what}");
}

#[tokio::test]
async fn a_policy_file_that_may_not_be_read_is_not_an_empty_one() {
    let mut fixture = ClusterFixture::sound();
    let pod = &mut fixture.object(PODS, 0)["spec"];
    pod["containers"][0]["args"] = json!(["serve", "--policy-file=/policy/policy.yaml"]);
    pod["containers"][0]["volumeMounts"] = json!([{"name": "policy", "mountPath": "/policy"}]);
    pod["volumes"] = json!([{"name": "policy", "configMap": {"name": "gomemlimit-policy"}}]);
    fixture.forbid(CONFIG_MAPS);
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, state(&report, "settings")), (0, "unknown"), "{report:#}");
    // If it can be read, it is what decides.
    let rules = "rules: [{name: java, is: not-go}]\n";
    fixture.put(
        CONFIG_MAPS,
        &[json!({"metadata": {"name": "gomemlimit-policy"}, "data": {"policy.yaml": rules}})],
    );
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, state(&report, "settings")), (1, "broken"), "{report:#}");
}

#[tokio::test]
async fn flags_that_cannot_be_read_are_told() {
    let mut fixture = ClusterFixture::sound();
    fixture.object(PODS, 0)["spec"]["containers"][0]["args"] = json!(["serve", "--from-the-future"]);
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, state(&report, "settings")), (0, "unknown"), "{report:#}");
}

#[tokio::test]
async fn without_deployments_the_other_checks_go_on() {
    let mut fixture = ClusterFixture::sound();
    fixture.forbid(DEPLOYMENTS);
    let (code, report) = fixture.check(&[]).await;
    assert_eq!(code, 0);
    for check in ["service", "pods", "endpoints", "ca-bundle"] {
        assert_eq!(state(&report, check), "ok", "{check}: {report:#}");
    }
    assert_eq!(findings(&report, "certificate").len(), 1);
    fixture.put(PODS, &[]);
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, &report["broken"]["check"]), (1, &json!("pods")), "{report:#}");
}

#[tokio::test]
async fn nothing_known_is_said_to_be_nothing_known() {
    let mut fixture = ClusterFixture::sound();
    for path in [CONFIGURATIONS, NAMESPACES] {
        fixture.forbid(path);
    }
    let (code, stdout, stderr) = fixture.serve().run(&["check"]).await;
    assert_eq!(code, 2, "{stdout}");
    let said =
        "it is not known whether pods get a value: configuration, namespace-label could not be looked at";
    assert!(stderr.starts_with("error: ") && stderr.contains(said), "{stderr}");
    assert!(!stdout.contains("Nothing is broken"), "{stdout}");
}
