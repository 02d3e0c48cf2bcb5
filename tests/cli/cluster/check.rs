//! `check` names the check that is broken, its cause and where it is explained, and no other check.

use gomemlimit_core::addresses::docs;
use serde_json::{Value, json};

use gomemlimit_fake_api_server::{
    cluster_fixture::{
        CLUSTER_ROLES, CONFIGURATIONS, ClusterFixture, DEPLOYMENTS, NAMESPACES, PODS, SERVICES, cluster_role,
        configuration, findings, namespace, state, with_pod_opt_in,
    },
    failure,
};

#[tokio::test]
async fn a_sound_installation_has_no_broken_check() {
    let (code, report) = ClusterFixture::sound().check(&[]).await;
    assert_eq!((code, &report["broken"]), (0, &Value::Null), "{report:#}");
    for check in
        ["configuration", "namespace-label", "rules", "object-selector", "service", "pods", "dry-run"]
    {
        assert_eq!(state(&report, check), "ok", "{check}: {report:#}");
    }
    // This server forwards no ports.
    assert_eq!(state(&report, "certificate"), "unknown", "{report:#}");
}

#[tokio::test]
async fn the_output_ends_with_what_to_fix_first_and_where_it_is_explained() {
    let mut fixture = ClusterFixture::sound();
    fixture.put(PODS, &[]);
    fixture.object(DEPLOYMENTS, 0)["spec"]["replicas"] = 0.into();
    fixture.dry_run("shop", None);
    let (code, report) = fixture.check(&[]).await;
    let address = format!("{}#scaled-to-zero", docs("check"));
    assert_eq!((code, &report["broken"]["cause"]), (1, &json!("scaled-to-zero")), "{report:#}");
    assert_eq!(report["broken"]["docs"], address);
    // What follows from it has its own cause; what is fine has none.
    assert_eq!(findings(&report, "dry-run")[0]["cause"], "no-value", "{report:#}");
    assert_eq!(findings(&report, "rules")[0]["cause"], Value::Null, "{report:#}");
    let (_, page) = include_str!("../../../docs/check.md").split_once("| tail -n 5\n").unwrap();
    let shown = page.split("\n```").next().unwrap();
    let (_, stdout, _) = fixture.serve().run(&["check"]).await;
    let lines: Vec<_> = stdout.lines().collect();
    let default = "https://github.com/OWNER/gomemlimit/blob/main/docs/check.md";
    assert_eq!(lines[lines.len() - 5..].join("\n").replace(&docs("check"), default), shown);
}

#[tokio::test]
async fn with_pod_opt_in_a_namespace_without_the_label_has_not_opted_in() {
    let mut fixture = ClusterFixture::sound();
    fixture.put(CONFIGURATIONS, &[with_pod_opt_in(configuration("gomemlimit", "enabled"))]);
    fixture.add(NAMESPACES, namespace("bare", &json!({})));
    fixture.dry_run("bare", None);
    let (code, report) = fixture.check(&["-n", "bare"]).await;
    assert_eq!((code, &report["broken"]["check"]), (1, &json!("namespace-label")), "{report:#}");
    let command = "kubectl label namespace bare gomemlimit.dev/inject=enabled --overwrite";
    assert_eq!(report["broken"]["command"], command);
    assert!(findings(&report, "object-selector").is_empty(), "{report:#}");
    let (code, report) = fixture.check(&[]).await;
    assert_eq!(code, 0, "only what has opted in is looked at: {report:#}");
    assert_eq!(findings(&report, "dry-run").len(), 1);
}

#[tokio::test]
async fn another_release_in_the_namespace_breaks_nothing() {
    let mut fixture = ClusterFixture::sound();
    fixture.release("canary", &["serve"]);
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, state(&report, "service")), (0, "ok"), "{report:#}");

    // Only that one is scaled to nothing, and it is not the one that is first in the list.
    let mut scaled = ClusterFixture::sound();
    scaled.put(DEPLOYMENTS, &[]);
    scaled.put(PODS, &[]);
    scaled.put(SERVICES, &[]);
    scaled.release("canary", &["serve"]);
    scaled.release("gomemlimit", &["serve"]);
    scaled.put(PODS, &[]);
    scaled.object(DEPLOYMENTS, 1)["spec"]["replicas"] = 0.into();
    let (code, report) = scaled.check(&[]).await;
    assert_eq!((code, &report["broken"]["check"]), (1, &json!("pods")), "{report:#}");
    assert_eq!(report["broken"]["command"], "kubectl scale deployment/gomemlimit -n gomemlimit --replicas=2");

    // If none of them has what the Service selects, the Service is the cause.
    fixture.object(SERVICES, 0)["spec"]["selector"] = json!({"app.kubernetes.io/component": "other"});
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, state(&report, "service")), (1, "broken"), "{report:#}");
    assert!(report["broken"]["what"].as_str().unwrap().contains("of deployment gomemlimit do not have"));
}

#[tokio::test]
async fn a_release_with_a_name_of_its_own_is_known_by_its_chart() {
    let mut fixture = ClusterFixture::sound();
    for index in [PODS, DEPLOYMENTS] {
        let labels = &mut fixture.object(index, 0)["metadata"]["labels"];
        labels["app.kubernetes.io/name"] = "gomemlimit-canary".into();
    }
    fixture.put(CONFIGURATIONS, &[]);
    let mut role = cluster_role("gomemlimit", "gomemlimit");
    role["metadata"]["labels"] =
        json!({"app.kubernetes.io/name": "gomemlimit-canary", "helm.sh/chart": "gomemlimit-0.1.0"});
    fixture.put(CLUSTER_ROLES, &[role]);
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, &report["broken"]["check"]), (1, &json!("configuration")));
    assert!(report["broken"]["what"].as_str().unwrap().contains("deleted it to stop it"), "{report:#}");
}

#[tokio::test]
async fn what_was_named_and_is_not_there_is_refused() {
    let mut fixture = ClusterFixture::sound();
    fixture.add(CONFIGURATIONS, json!({"metadata": {"name": "istio"}, "webhooks": [{"name": "x.istio.io"}]}));
    fixture.put("/apis/apps/v1/namespaces/elsewhere/deployments", &[]);
    let server = fixture.serve();
    for (arguments, said) in [
        (["--webhook-config", "gomemlimti"], "there is no webhook configuration gomemlimti"),
        (["--webhook-config", "istio"], "there is no webhook configuration istio with entries of gomemlimit"),
        (["--release-namespace", "elsewhere"], "there is no release of gomemlimit in namespace elsewhere"),
    ] {
        let (code, stdout, stderr) = server.run(&[&["check"], &arguments[..]].concat()).await;
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said) && stderr.contains("found: gomemlimit"), "{stderr}");
    }
    let (code, stdout, stderr) = server.run(&["check", "--release-namespace", "gomemlimit"]).await;
    assert_eq!(code, 0, "{stdout}{stderr}");
    let (_, stdout, _) = ClusterFixture::empty().serve().run(&["check"]).await;
    assert!(stdout.contains("gomemlimit is not installed in this cluster"), "{stdout}");
}

#[tokio::test]
async fn a_namespace_that_goes_away_meanwhile_does_not_take_the_others_with_it() {
    let mut fixture = ClusterFixture::sound();
    fixture.add(NAMESPACES, namespace("going", &json!({"gomemlimit.dev/inject": "enabled"})));
    fixture.answer("POST /api/v1/namespaces/going/pods", failure(404, "namespaces \"going\" not found"));
    let (code, report) = fixture.check(&[]).await;
    assert_eq!(code, 0, "{report:#}");
    let states: Vec<_> = findings(&report, "dry-run").into_iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["unknown", "ok"], "{report:#}");
}

#[tokio::test]
async fn another_webhook_that_cannot_be_called_makes_the_dry_run_unknown() {
    let said = |name: &str| {
        failure(500, &format!("Internal error occurred: failed calling webhook \"{name}\": no endpoints"))
    };
    let mut fixture = ClusterFixture::sound();
    fixture.answer("POST /api/v1/namespaces/shop/pods", said("pods.policy.example.com"));
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, state(&report, "dry-run")), (2, "unknown"), "{report:#}");
    assert!(report["checks"].to_string().contains("another webhook, pods.policy.example.com"), "{report:#}");
    fixture.answer("POST /api/v1/namespaces/shop/pods", said("namespaces.gomemlimit.dev"));
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, state(&report, "dry-run")), (1, "broken"), "{report:#}");
}

#[tokio::test]
async fn a_pod_that_does_not_answer_is_not_waited_for() {
    let mut fixture = ClusterFixture::sound();
    fixture.object(PODS, 0)["status"] = json!({});
    fixture.answer(
        "/api/v1/namespaces/gomemlimit/pods/gomemlimit-0:8081/proxy/readyz",
        (gomemlimit_fake_api_server::NEVER, String::new()),
    );
    let started = std::time::Instant::now();
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, &report["broken"]["check"]), (1, &json!("pods")), "{report:#}");
    assert!(started.elapsed().as_secs() < 30);
}
