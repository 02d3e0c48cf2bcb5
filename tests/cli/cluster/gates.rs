//! `--fail-on` and `check` never pass on nothing: a namespace or selector with a typo, rights that are missing, pods
//! that are gone.

use rstest::rstest;
use serde_json::json;

use gomemlimit_fake_api_server::{
    ScriptedServer,
    cluster_fixture::{
        CONFIGURATIONS, ClusterFixture, NAMESPACES, PODS as PODS_OF_THE_WEBHOOK, namespace, state,
    },
    failure, forbidden, list, pod, pod_with,
};

const PODS: &str = "/api/v1/namespaces/shop/pods";

/// A server with these pods in every namespace, and no right to read anything else.
fn server(pods: &[serde_json::Value]) -> ScriptedServer {
    let pods = list(pods, "");
    ScriptedServer::start(move |path, _| match path {
        path if path.ends_with("/pods") => pods.clone(),
        path => forbidden(path),
    })
}

fn finished(name: &str) -> serde_json::Value {
    let mut pod = pod(name);
    pod["status"]["phase"] = "Succeeded".into();
    pod
}

#[rstest]
#[case::namespace(&["-n", "typo"], "there are no pods in namespace typo, so --fail-on has nothing to judge")]
#[case::of_the_context(&[], "there are no pods in namespace shop, so")]
#[case::selector(&["-l", "app=typo"], "there are no pods with labels app=typo in namespace shop, so")]
#[case::everywhere(&["-A"], "there are no pods in any namespace, so")]
#[case::for_programs(&["-n", "typo", "-o", "json"], "no pods in namespace typo")]
#[case::names(&["-n", "typo", "-o", "name"], "no pods in namespace typo")]
#[case::metrics(&["-n", "typo", "-o", "prometheus"], "no pods in namespace typo")]
#[case::summary(&["-n", "typo", "--summary"], "no pods in namespace typo")]
#[tokio::test]
async fn an_audit_of_nothing_is_no_gate(#[case] arguments: &[&str], #[case] said: &str) {
    let server = server(&[]);
    let gate = [&["audit"], arguments, &["--fail-on", "uncovered"]].concat();
    let (code, stdout, stderr) = server.run(&gate).await;
    assert_eq!(code, 2, "{stdout}{stderr}");
    let error = stderr.lines().last().unwrap();
    assert!(error.starts_with("error: ") && error.contains(said), "{stderr}");
    assert!(error.contains("pass --allow-empty"), "{stderr}");
    let (code, _, stderr) = server.run(&[&gate[..], &["--allow-empty"]].concat()).await;
    assert_eq!((code, stderr.contains("error: ")), (0, false), "{stderr}");
    // Without --fail-on the message is that of kubectl.
    let (code, stdout, stderr) = server.run(&[&["audit"], arguments].concat()).await;
    assert_eq!((code, stderr.contains("error: ")), (0, false), "{stdout}{stderr}");
    if !arguments.contains(&"json") {
        assert!(stderr.contains("No resources found"), "{stderr}");
    }
}

#[tokio::test]
async fn pods_that_are_left_out_are_reported() {
    let server = server(&[finished("done")]);
    let (code, stdout, stderr) = server.run(&["audit"]).await;
    assert_eq!((code, stdout.as_str()), (0, ""));
    let said = "No resources found in shop namespace. Pods that have ended well: 1; --finished shows them.";
    assert!(stderr.lines().any(|line| line == said), "{stderr}");
    assert_eq!(server.run(&["audit", "--fail-on", "stale"]).await.0, 2);
    assert_eq!(server.run(&["audit", "--fail-on", "stale", "--finished"]).await.0, 0);
}

#[tokio::test]
async fn a_namespace_that_does_not_exist_is_named() {
    let server = ScriptedServer::start(|path, _| match path {
        "/api/v1/namespaces/typo" => failure(404, "namespaces \"typo\" not found"),
        path if path.ends_with("/pods") => list(&[], ""),
        path => forbidden(path),
    });
    for command in [&["audit", "-n", "typo"][..], &["check", "-n", "typo"]] {
        let (code, stdout, stderr) = server.run(command).await;
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains("error: namespaces \"typo\" not found"), "{stderr}");
    }
}

/// A container without a value, of which nobody knows whether its namespace has opted in.
#[tokio::test]
async fn what_may_not_be_read_does_not_pass() {
    let server = server(&[pod_with("a", None)]);
    for word in ["not-labelled", "not-injected", "excluded-namespace"] {
        let (code, _, stderr) = server.run(&["audit", "--fail-on", word]).await;
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains(&format!("error: --fail-on {word} cannot be judged: ")), "{stderr}");
    }
    assert_eq!(server.run(&["audit", "--fail-on", "malformed"]).await.0, 0);
    let (code, _, stderr) = server.run(&["audit", "--fail-on", "not-labelled,namespace-unknown"]).await;
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.ends_with("--fail-on: 1 namespace-unknown\n"), "{stderr}");
}

#[tokio::test]
async fn a_pod_that_cannot_be_read_does_not_pass() {
    let strange = json!({"metadata": {"name": "strange"}, "spec": {"containers": 7}});
    let server = server(&[strange, pod_with("a", Some("512Mi"))]);
    let (code, _, stderr) = server.run(&["audit", "--fail-on", "stale", "--allow-empty"]).await;
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.ends_with("error: 1 pods cannot be read, so --fail-on cannot judge them\n"), "{stderr}");
    assert_eq!(server.run(&["audit", "--fail-on", "malformed"]).await.0, 1);
    assert_eq!(server.run(&["audit"]).await.0, 0);
}

/// A container without a value, of which nobody knows what the installation would do with it.
#[tokio::test]
async fn settings_that_may_not_be_read_do_not_pass() {
    let mut fixture = with_pod();
    fixture.put(PODS, &[pod_with("api-0", Some("900MiB"))]);
    fixture.forbid(CONFIGURATIONS);
    let server = fixture.serve();
    for word in ["no-memory-limit", "below-minimum", "audit-mode", "not-injected"] {
        let (code, stdout, stderr) = server.run(&["audit", "--fail-on", word]).await;
        assert_eq!(code, 2, "{stdout}{stderr}");
        let said = format!(
            "error: --fail-on {word} cannot be judged: what the webhook selects and decides by cannot"
        );
        assert!(stderr.lines().last().unwrap().starts_with(&said), "{stderr}");
        // Flags replace the settings of the webhook.
        assert_eq!(server.run(&["audit", "--fail-on", word, "--ratio", "0.8"]).await.0, 0);
    }
    // What a value means against the limit does not depend on them.
    assert_eq!(server.run(&["audit", "--fail-on", "stale,malformed,uncovered"]).await.0, 0);
    assert_eq!(server.run(&["audit"]).await.0, 0);
    // Nor may flags that cannot be read.
    let mut fixture = with_pod();
    fixture.object(PODS_OF_THE_WEBHOOK, 0)["spec"]["containers"][0]["args"] =
        json!(["serve", "--from-the-future"]);
    let (code, _, stderr) = fixture.serve().run(&["audit", "--fail-on", "no-memory-limit"]).await;
    assert_eq!(code, 2, "{stderr}");
}

/// Every check but what is forbidden is fine, and there is no dry run to prove that pods get a value.
#[tokio::test]
async fn a_check_that_knows_only_a_part_does_not_pass() {
    let mut fixture = ClusterFixture::sound();
    fixture.forbid(gomemlimit_fake_api_server::cluster_fixture::SERVICES);
    let server = fixture.serve();
    let (code, stdout, stderr) = server.run(&["check", "-n", "shop", "--no-dry-run"]).await;
    assert_eq!(code, 2, "{stdout}{stderr}");
    assert!(stdout.starts_with("CHECK ") && stdout.contains("service"), "{stdout}");
    assert!(stderr.starts_with("error: it is not known whether pods get a value: "), "{stderr}");
    assert!(stderr.contains("service"), "{stderr}");
    let (code, report) = server.json(&["check", "-n", "shop", "--no-dry-run"]).await;
    assert_eq!((code, &report["verified"], &report["broken"]), (2, &json!(false), &json!(null)), "{report}");
    // A pod that got a value has passed all checks.
    let (code, report) = server.json(&["check", "-n", "shop"]).await;
    assert_eq!((code, &report["verified"]), (0, &json!(true)), "{report}");
    // No namespace was looked at.
    let mut fixture = ClusterFixture::sound();
    fixture.forbid(NAMESPACES);
    let (code, report) = fixture.serve().json(&["check"]).await;
    assert_eq!((code, &report["verified"]), (2, &json!(false)), "{report}");
    // Broken is broken.
    let mut fixture = ClusterFixture::sound();
    fixture.put(NAMESPACES, &[namespace("shop", &json!({}))]);
    fixture.dry_run("shop", None);
    let (code, report) = fixture.serve().json(&["check", "-n", "shop"]).await;
    assert_eq!((code, &report["verified"]), (1, &json!(false)), "{report}");
}

/// The sound fixture with a pod of this memory limit in it.
fn with_pod() -> ClusterFixture {
    let mut fixture = ClusterFixture::sound();
    let mut pod = pod_with("api-0", None);
    (pod["apiVersion"], pod["kind"]) = ("v1".into(), "Pod".into());
    fixture.put(PODS, &[pod]);
    fixture
}

#[rstest]
#[case::namespaces(&[NAMESPACES], &[], "--fail-on cannot be judged: namespaces cannot be read; grant")]
#[case::configuration(&[CONFIGURATIONS], &[], "--fail-on cannot be judged: what the webhook selects and decides by cannot be read; grant")]
#[case::pods_of_the_webhook(&[PODS_OF_THE_WEBHOOK], &[], "what the webhook selects and decides by cannot be read")]
#[case::both(&[NAMESPACES, CONFIGURATIONS], &[], "namespaces, what the webhook selects and decides by cannot be read")]
#[case::for_programs(&[NAMESPACES], &["-o", "json"], "namespaces cannot be read")]
#[case::flags_do_not_help(&[NAMESPACES], &["--ratio", "0.8"], "namespaces cannot be read")]
#[tokio::test]
async fn an_explanation_by_what_may_not_be_read_does_not_pass(
    #[case] forbidden: &[&str],
    #[case] more: &[&str],
    #[case] said: &str,
) {
    let mut fixture = with_pod();
    for path in forbidden {
        fixture.forbid(path);
    }
    let server = fixture.serve();
    for word in ["no-memory-limit", "warning"] {
        let gate = [&["explain", "api-0", "--fail-on", word], more].concat();
        let (code, stdout, stderr) = server.run(&gate).await;
        assert_eq!(code, 2, "{stdout}{stderr}");
        let error = stderr.lines().last().unwrap();
        assert!(error.starts_with("error: ") && error.contains(said), "{stderr}");
        assert!(!stdout.is_empty(), "what is known is printed");
    }
    // What is found is found, and without a gate nothing fails.
    let gate = [&["explain", "api-0", "--fail-on", "injected"], more].concat();
    assert_eq!(server.run(&gate).await.0, 1);
    assert_eq!(server.run(&[&["explain", "api-0"], more].concat()).await.0, 0);
}

#[tokio::test]
async fn an_explanation_by_what_is_known_passes() {
    let gate = ["explain", "api-0", "--fail-on", "no-memory-limit"];
    let (code, _, stderr) = with_pod().serve().run(&gate).await;
    assert_eq!(code, 0, "{stderr}");
    // Flags replace the settings of the webhook.
    let mut fixture = with_pod();
    fixture.forbid(CONFIGURATIONS);
    let (code, _, stderr) = fixture.serve().run(&[&gate[..], &["--ratio", "0.8"]].concat()).await;
    assert_eq!(code, 0, "{stderr}");
    // That there is no webhook is known.
    let mut fixture = with_pod();
    fixture.put(CONFIGURATIONS, &[]);
    let (code, _, stderr) = fixture.serve().run(&gate).await;
    assert_eq!(code, 0, "{stderr}");
}

#[tokio::test]
async fn a_template_without_containers_is_no_gate() {
    let mut fixture = ClusterFixture::sound();
    fixture.put(
        "/apis/apps/v1/namespaces/shop/deployments",
        &[json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": "shop"},
            "spec": {"template": {"spec": {"containers": []}}},
        })],
    );
    let server = fixture.serve();
    let gate = ["explain", "deployment/api", "--fail-on", "no-memory-limit"];
    let (code, _, stderr) = server.run(&gate).await;
    assert_eq!(code, 2, "{stderr}");
    let (code, report) = server.json(&gate).await;
    assert_eq!((code, &report["objects"][0]["containers"]), (2, &json!([])));
    assert!(
        stderr.contains("error: there are no containers in these objects, so --fail-on has nothing"),
        "{stderr}"
    );
    assert_eq!(server.run(&[&gate[..], &["--allow-empty"]].concat()).await.0, 0);
}

/// A namespace that was named is tried, whatever may be read of it: a pod that got a value proves everything.
#[tokio::test]
async fn a_check_of_a_namespace_that_may_not_be_read_creates_a_pod() {
    let mut fixture = ClusterFixture::sound();
    fixture.forbid(NAMESPACES);
    let server = fixture.serve();
    let (code, report) = server.json(&["check", "-n", "shop"]).await;
    assert_eq!((code, &report["verified"]), (0, &json!(true)), "{report:#}");
    assert_eq!(
        (state(&report, "namespace-label"), state(&report, "dry-run")),
        ("unknown", "ok"),
        "{report:#}"
    );
    // Nothing at all may be read.
    fixture.forbid(CONFIGURATIONS);
    fixture.forbid("/apis/apps/v1/deployments");
    let (code, stdout, stderr) = fixture.serve().run(&["check", "-n", "shop"]).await;
    assert_eq!(code, 0, "{stdout}{stderr}");
    // A pod without a value: there is something to mend.
    fixture.dry_run("shop", None);
    let (code, report) = fixture.serve().json(&["check", "-n", "shop"]).await;
    assert_eq!((code, &report["broken"]["check"]), (1, &json!("dry-run")), "{report:#}");
}

#[tokio::test]
async fn a_check_does_not_advise_what_was_done() {
    let mut fixture = ClusterFixture::sound();
    fixture.forbid(NAMESPACES);
    fixture.forbid("POST /api/v1/namespaces/shop/pods");
    for (arguments, said) in [
        (&["check"][..], "no pod created by dry run got one; grant the rights, or name a namespace with -n"),
        (&["check", "-n", "shop"], "no pod created by dry run got one; grant the rights"),
        (
            &["check", "-n", "shop", "--no-dry-run"],
            "no pod was created; grant the rights, or leave out --no-dry-run",
        ),
        (
            &["check", "--no-dry-run"],
            "no pod was created; grant the rights, or name a namespace with -n and leave out --no-dry-run",
        ),
    ] {
        let (code, stdout, stderr) = fixture.serve().run(arguments).await;
        assert_eq!(code, 2, "{stdout}{stderr}");
        assert!(stderr.trim_end().ends_with(said), "{stderr}");
    }
}
