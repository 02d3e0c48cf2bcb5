//! The commands that `check` prints: they fit the installation, and nothing of a cluster can make them run more.

use gomemlimit_core::addresses::{VERSION, chart, manifest};
use rstest::rstest;
use serde_json::json;

use gomemlimit_fake_api_server::cluster_fixture::{
    CONFIGURATIONS, ClusterFixture, DEPLOYMENTS, NAMESPACES, PODS, SERVICES, namespace,
};

/// The command that brings back what is missing of a release of this version.
fn upgrade(version: &str) -> String {
    let chart = chart();
    format!("helm upgrade gomemlimit {chart} --version {version} -n gomemlimit --reset-then-reuse-values")
}

#[tokio::test]
async fn the_command_for_an_empty_bundle_fits_the_installation() {
    let mut fixture = ClusterFixture::sound();
    let entries = fixture.entries();
    for entry in entries {
        entry["clientConfig"]["caBundle"] = "".into();
    }
    let pod = &mut fixture.object(PODS, 0)["spec"];
    pod["containers"][0]["args"] = json!(["serve", "--tls-cert=/tls/tls.crt", "--tls-key=/tls/tls.key"]);
    pod["containers"][0]["volumeMounts"] = json!([{"name": "tls", "mountPath": "/tls"}]);
    pod["volumes"] = json!([{"name": "tls", "secret": {"secretName": "own"}}]);
    let (_, report) = fixture.check(&[]).await;
    assert_eq!(report["broken"]["check"], "ca-bundle", "{report:#}");
    let ca = r"$(kubectl get secret own -n gomemlimit -o jsonpath='{.data.ca\.crt}')";
    let helm = format!("{} --set webhook.caBundle=\"{ca}\"", upgrade(VERSION));
    assert_eq!(report["broken"]["command"], helm);
    fixture.without_helm();
    let (_, report) = fixture.check(&[]).await;
    let command = report["broken"]["command"].as_str().unwrap();
    assert!(command.starts_with("kubectl patch mutatingwebhookconfiguration gomemlimit --type=json -p '["));
    assert!(command.contains("/webhooks/1/clientConfig/caBundle") && command.contains(ca), "{command}");
    // What is missing comes back as in deploy/README.md.
    fixture.put(SERVICES, &[]);
    let (_, report) = fixture.check(&[]).await;
    assert_eq!(report["broken"]["command"], format!("kubectl apply --server-side -f {}", manifest(VERSION)));
}

#[tokio::test]
async fn a_terminal_does_not_obey_texts_of_objects() {
    let mut fixture = ClusterFixture::sound();
    fixture.object(PODS, 0)["status"] = json!({"conditions": [{"type": "Ready", "status": "False", "message": "\u{1b}[2Jall is well\u{202e}"}]});
    let (_, stdout, stderr) = fixture.serve().run(&["check"]).await;
    assert!(!(stdout + &stderr).contains(['\u{1b}', '\u{202e}']));
}

/// A release of another version is restored with its own chart.
#[tokio::test]
async fn what_is_missing_comes_back_in_the_version_that_is_installed() {
    let mut fixture = ClusterFixture::sound();
    fixture.put(SERVICES, &[]);
    for (label, version) in [("0.0.7", "0.0.7"), ("../../evil", VERSION), ("1;touch x", VERSION)] {
        fixture.object(CONFIGURATIONS, 0)["metadata"]["labels"]["app.kubernetes.io/version"] = label.into();
        let (_, report) = fixture.check(&[]).await;
        assert_eq!(report["broken"]["command"], upgrade(version));
    }
}

/// Whatever a cluster answers with, a printed command runs nothing but itself.
#[tokio::test]
async fn names_of_a_cluster_are_quoted_in_commands() {
    const EVIL: &str = "$(touch x)`touch x`; touch x\ntouch x'\"";
    let mut fixture = ClusterFixture::sound();
    for entry in fixture.entries() {
        entry["clientConfig"]["caBundle"] = "".into();
    }
    fixture.object(PODS, 0)["spec"]["containers"][0]["args"] = json!(["serve"]);
    let metadata = &mut fixture.object(CONFIGURATIONS, 0)["metadata"];
    metadata["annotations"]["cert-manager.io/inject-ca-from"] = EVIL.into();
    runs_nothing_else(&fixture, "kubectl annotate").await;
    // The Secret that a pod mounts.
    fixture.object(CONFIGURATIONS, 0)["metadata"]["annotations"]
        .as_object_mut()
        .unwrap()
        .remove("cert-manager.io/inject-ca-from");
    let pod = &mut fixture.object(PODS, 0)["spec"];
    pod["containers"][0]["args"] = json!(["serve", "--tls-cert=/tls/tls.crt"]);
    pod["containers"][0]["volumeMounts"] = json!([{"name": "tls", "mountPath": "/tls"}]);
    pod["volumes"] = json!([{"name": "tls", "secret": {"secretName": EVIL}}]);
    let (_, report) = fixture.check(&[]).await;
    assert!(report["checks"].to_string().contains("is not a name of Kubernetes"), "{report:#}");
    assert_eq!(report["broken"]["check"], "ca-bundle", "what cannot be read is not missing: {report:#}");
    assert_eq!(report["broken"]["command"], "", "{report:#}");
    // Selectors and annotations of namespaces.
    let mut fixture = ClusterFixture::sound();
    fixture.dry_run("shop", None);
    let entries = fixture.entries();
    for entry in entries {
        entry["namespaceSelector"] = json!({"matchLabels": {EVIL: EVIL}});
    }
    let (_, report) = fixture.check(&["-n", "shop"]).await;
    assert!(!report.to_string().contains("kubectl label"), "{report:#}");
    let mut fixture = ClusterFixture::sound();
    let key = format!("gomemlimit.dev/{EVIL}");
    let mut shop = namespace("shop", &json!({"gomemlimit.dev/inject": "enabled"}));
    shop["metadata"]["annotations"] = json!({key: "x", "gomemlimit.dev/mode": "off"});
    fixture.put(NAMESPACES, &[shop]);
    fixture.dry_run("shop", None);
    runs_nothing_else(&fixture, "kubectl annotate namespace shop gomemlimit.dev/mode-").await;
}

/// What is no name of Kubernetes may be an option of a program, or a path: such an object is left out, and shown.
#[rstest]
#[case("$(touch x)`touch x`; touch x\ntouch x'\"")]
#[case("--all")]
#[case("../../secrets/x")]
#[tokio::test]
async fn objects_without_a_proper_name_are_in_no_command(#[case] evil: &str) {
    type Damage = fn(&mut ClusterFixture, &str);
    let damages: [Damage; 6] = [
        |fixture, evil| fixture.object(CONFIGURATIONS, 0)["metadata"]["name"] = evil.into(),
        |fixture, evil| {
            for entry in fixture.entries() {
                entry["clientConfig"]["service"]["name"] = evil.into();
            }
        },
        |fixture, evil| {
            for entry in fixture.entries() {
                entry["clientConfig"]["service"]["namespace"] = evil.into();
            }
        },
        |fixture, evil| {
            fixture.object(PODS, 0)["metadata"]["name"] = evil.into();
            fixture.object(PODS, 0)["status"] = json!({});
        },
        |fixture, evil| {
            fixture.put(PODS, &[]);
            fixture.object(DEPLOYMENTS, 0)["metadata"]["name"] = evil.into();
            fixture.object(DEPLOYMENTS, 0)["spec"]["replicas"] = 0.into();
        },
        |fixture, evil| {
            let labels = json!({"gomemlimit.dev/inject": "enabled"});
            fixture.put(NAMESPACES, &[json!({"metadata": {"name": evil, "labels": labels}})]);
        },
    ];
    for (index, damage) in damages.iter().enumerate() {
        let mut fixture = ClusterFixture::sound();
        damage(&mut fixture, evil);
        let (_, report) = fixture.check(&[]).await;
        assert!(report["checks"].to_string().contains("is not a name of Kubernetes"), "{index}: {report:#}");
        for check in report["checks"].as_array().unwrap() {
            assert!(!check["command"].as_str().unwrap().contains(evil), "{index}: {check:#}");
        }
    }
}

/// Runs the command that `check` prints, in an empty folder and with programs that do nothing.
async fn runs_nothing_else(fixture: &ClusterFixture, begins: &str) {
    let (_, report) = fixture.check(&[]).await;
    let command = report["broken"]["command"].as_str().unwrap();
    assert!(command.starts_with(begins), "{command}");
    let folder = tempfile::tempdir().unwrap();
    let script = format!("kubectl() {{ :; }}; helm() {{ :; }}; {command}");
    let ran =
        std::process::Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    assert!(ran.status.success(), "{command}: {ran:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{command}");
}
