//! `version`: of the program, and of what runs in a cluster.

use gomemlimit_core::addresses::VERSION;
use gomemlimit_fake_api_server::{
    NEVER, ScriptedServer,
    cluster_fixture::{CONFIGURATIONS, ClusterFixture, PODS, POLICIES, admission_policy},
    failure,
};
use serde_json::{Value, json};

use crate::support::command::run;

const ALL_PODS: &str = "/api/v1/pods";

/// The sound installation, with these images in its pods.
fn with_images(images: &[&str]) -> ClusterFixture {
    let mut fixture = ClusterFixture::sound();
    let pod = fixture.object(PODS, 0).clone();
    let pods: Vec<Value> = images
        .iter()
        .map(|image| {
            let mut pod = pod.clone();
            pod["spec"]["containers"][0]["image"] = (*image).into();
            pod
        })
        .collect();
    fixture.put(PODS, &pods);
    fixture.put(ALL_PODS, &pods);
    fixture
}

#[tokio::test]
async fn both_versions_are_named() {
    let server = with_images(&[
        "r:5000/gomemlimit:0.0.9@sha256:ab",
        "r:5000/gomemlimit",
        "r/gomemlimit:0.1.0",
        "r/gomemlimit:0.1.0",
    ])
    .serve();
    let (code, stdout, stderr) = server.run(&["version"]).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    let lines: Vec<_> = stdout.lines().collect();
    assert!(lines[0].starts_with(&format!("Client version: {VERSION} (")), "{stdout}");
    assert_eq!(
        lines[1..],
        [
            "Webhook version: 0.0.9 (1 pod in namespace gomemlimit, image r:5000/gomemlimit:0.0.9@sha256:ab)",
            "Webhook version: 0.1.0 (2 pods in namespace gomemlimit, image r/gomemlimit:0.1.0)",
            "Webhook version: unknown (1 pod in namespace gomemlimit, image r:5000/gomemlimit)",
        ]
    );
    let (code, report) = server.json(&["version"]).await;
    assert_eq!((code, &report["client"]["version"], &report["problem"]), (0, &json!(VERSION), &Value::Null));
    let second = json!({
        "kind": "webhook", "version": "0.1.0", "namespace": "gomemlimit", "image": "r/gomemlimit:0.1.0", "pods": 2,
    });
    assert_eq!(report["cluster"][1], second);
}

/// Labels of a pod prove nothing: its maker may be anybody.
#[tokio::test]
async fn pods_of_other_namespaces_are_not_the_webhooks() {
    let mut fixture = with_images(&["r/gomemlimit:0.1.0"]);
    let mut evil = fixture.object(PODS, 0).clone();
    evil["metadata"]["namespace"] = "a-tenant".into();
    evil["spec"]["containers"][0]["image"] = "evil/gomemlimit:9.9.9".into();
    fixture.add(ALL_PODS, evil);
    let server = fixture.serve();
    let (code, stdout, _) = server.run(&["version"]).await;
    assert!(code == 0 && stdout.contains("\nWebhook version: 0.1.0 (1 pod "), "{stdout}");
    assert!(!stdout.contains("9.9.9"), "{stdout}");
    // Nothing that may be read: not known, which is not the same as not there.
    fixture.forbid(CONFIGURATIONS);
    let (code, stdout, _) = fixture.serve().run(&["version"]).await;
    assert!(code == 0 && stdout.contains("\nWebhook version: unknown: "), "{stdout}");
    assert!(stdout.ends_with("is forbidden\n"), "{stdout}");
}

#[tokio::test]
async fn a_policy_has_a_version_too_and_nothing_has_none() {
    let mut fixture = ClusterFixture::empty();
    fixture.put(ALL_PODS, &[]);
    let (code, stdout, _) = fixture.serve().run(&["version"]).await;
    assert!(code == 0 && stdout.ends_with("\nWebhook version: not found in this cluster\n"), "{stdout}");
    let [mut policy, _] = admission_policy();
    policy["metadata"]["labels"]["app.kubernetes.io/version"] = "0.1.0".into();
    fixture.put(POLICIES, &[policy]);
    let (_, stdout, _) = fixture.serve().run(&["version"]).await;
    assert!(stdout.ends_with("\nPolicy version: 0.1.0 (MutatingAdmissionPolicy gomemlimit)\n"), "{stdout}");
}

#[tokio::test]
async fn a_cluster_that_is_not_there_takes_nothing_away() {
    for answer in [failure(500, "etcd is sad"), (NEVER, String::new())] {
        let server = ScriptedServer::start(move |_, _| answer.clone());
        let (code, stdout, stderr) = server.run(&["version"]).await;
        assert_eq!((code, stderr.as_str()), (0, ""));
        assert!(
            stdout.starts_with("Client version: ") && stdout.contains("\nWebhook version: unknown: "),
            "{stdout}"
        );
        assert_eq!(stdout.lines().count(), 2, "{stdout}");
        let before = server.asked.lock().unwrap().len();
        let (code, stdout, _) = server.run(&["version", "--client"]).await;
        assert_eq!((code, stdout.lines().count()), (0, 1), "{stdout}");
        assert_eq!(server.asked.lock().unwrap().len(), before, "--client asks nobody");
    }
    let output = run(&["version", "--kubeconfig", "/nonexistent"]);
    assert_eq!(output.code, 0);
    let unknown = "\nWebhook version: unknown: cannot read the kubeconfig /nonexistent: ";
    assert!(output.stdout.contains(unknown), "{}", output.stdout);
}
