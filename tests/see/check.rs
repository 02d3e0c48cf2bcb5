//! `check` names the link that is broken, and no other.

use std::time::{Duration, SystemTime};

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use gomemlimit::certs::{Authority, Fingerprint};
use gomemlimit_core::addresses::{VERSION, chart, manifest};
use rstest::rstest;
use serde_json::{Value, json};

use gomemlimit_fake_api_server::{
    cluster_fixture::{
        CLUSTER_ROLES, CONFIGURATIONS, ClusterFixture, DEPLOYMENTS, NAMESPACES, PODS, SERVICES, cluster_role,
        configuration, entry, links, namespace, requirement, state, with_pod_opt_in,
    },
    failure,
};

/// The command that brings back what is missing of a release of this version.
fn upgrade(version: &str) -> String {
    let chart = chart();
    format!("helm upgrade gomemlimit {chart} --version {version} -n gomemlimit --reset-then-reuse-values")
}

async fn check(fixture: &ClusterFixture, arguments: &[&str]) -> (i32, Value) {
    fixture.serve().json(&[&["check"], arguments].concat()).await
}

#[tokio::test]
async fn a_sound_installation_has_no_broken_link() {
    let (code, report) = check(&ClusterFixture::sound(), &[]).await;
    assert_eq!((code, &report["broken"]), (0, &Value::Null), "{report:#}");
    for link in ["configuration", "namespace-label", "rules", "object-selector", "service", "pods", "dry-run"]
    {
        assert_eq!(state(&report, link), "ok", "{link}: {report:#}");
    }
    // This server forwards no ports.
    assert_eq!(state(&report, "certificate"), "unknown", "{report:#}");
}

#[tokio::test]
async fn with_pod_opt_in_a_namespace_without_the_label_has_not_opted_in() {
    let mut fixture = ClusterFixture::sound();
    fixture.put(CONFIGURATIONS, &[with_pod_opt_in(configuration("gomemlimit", "enabled"))]);
    fixture.add(NAMESPACES, namespace("bare", &json!({})));
    fixture.dry_run("bare", None);
    let (code, report) = check(&fixture, &["-n", "bare"]).await;
    assert_eq!((code, &report["broken"]["link"]), (1, &json!("namespace-label")), "{report:#}");
    let command = "kubectl label namespace bare gomemlimit.dev/inject=enabled --overwrite";
    assert_eq!(report["broken"]["command"], command);
    assert!(links(&report, "object-selector").is_empty(), "{report:#}");
    let (code, report) = check(&fixture, &[]).await;
    assert_eq!(code, 0, "only what has opted in is looked at: {report:#}");
    assert_eq!(links(&report, "dry-run").len(), 1);
}

#[tokio::test]
async fn another_release_in_the_namespace_breaks_nothing() {
    let mut fixture = ClusterFixture::sound();
    fixture.release("canary", &["serve"]);
    let (code, report) = check(&fixture, &[]).await;
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
    let (code, report) = check(&scaled, &[]).await;
    assert_eq!((code, &report["broken"]["link"]), (1, &json!("pods")), "{report:#}");
    assert_eq!(report["broken"]["command"], "kubectl scale deployment/gomemlimit -n gomemlimit --replicas=2");

    // Where none of them has what the Service selects, the Service is to blame.
    fixture.object(SERVICES, 0)["spec"]["selector"] = json!({"app.kubernetes.io/component": "other"});
    let (code, report) = check(&fixture, &[]).await;
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
    let (code, report) = check(&fixture, &[]).await;
    assert_eq!((code, &report["broken"]["link"]), (1, &json!("configuration")));
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
async fn an_own_label_is_the_one_that_is_missing_whatever_other_label_there_is() {
    let mut fixture = ClusterFixture::sound();
    let own = requirement("team", "In", &["go"]);
    let pods = requirement("gomemlimit.dev/inject", "NotIn", &["disabled"]);
    let mut configuration = configuration("gomemlimit", "enabled");
    configuration["webhooks"] = json!([entry("namespaces.gomemlimit.dev", "gomemlimit", &own, &pods, false)]);
    fixture.put(CONFIGURATIONS, &[configuration.clone()]);
    fixture.dry_run("shop", None);
    // Its pods show what it was installed with.
    fixture.object(PODS, 0)["spec"]["containers"][0]["args"] =
        json!(["serve", "--namespace-settings", "--namespace-selector=team in (go)"]);
    let is_told = async |fixture: &ClusterFixture| {
        for arguments in [&["-n", "shop"][..], &[]] {
            let (code, report) = check(fixture, arguments).await;
            assert_eq!((code, &report["broken"]["link"]), (1, &json!("namespace-label")), "{report:#}");
            assert_eq!(report["broken"]["command"], "kubectl label namespace shop team=go --overwrite");
        }
    };
    is_told(&fixture).await;
    // As with pods that opt in by themselves: annotations of all namespaces are followed.
    fixture.object(PODS, 0)["spec"]["containers"][0]["args"] =
        json!(["serve", "--namespace-settings", "--namespace-selector="]);
    is_told(&fixture).await;
    // Installed with the usual label: somebody has changed the selector.
    fixture.object(PODS, 0)["spec"]["containers"][0]["args"] = json!(["serve", "--namespace-settings"]);
    let (_, report) = check(&fixture, &["-n", "shop"]).await;
    assert_eq!(report["broken"]["link"], "namespace-selector", "{report:#}");
    assert_eq!(
        report["broken"]["command"],
        format!("kubectl delete mutatingwebhookconfiguration gomemlimit && {}", upgrade(VERSION))
    );
}

#[rstest]
#[case::path(0, "path", json!("/"), "service", "calls a path that pod gomemlimit-0 does not answer at (serve --path)")]
#[case::other_entry(1, "name", json!("other"), "service", "entry resize.gomemlimit.dev calls service other")]
#[tokio::test]
async fn every_entry_calls_where_the_webhook_answers(
    #[case] index: usize,
    #[case] field: &str,
    #[case] value: Value,
    #[case] link: &str,
    #[case] said: &str,
) {
    let mut fixture = ClusterFixture::sound();
    fixture.object(CONFIGURATIONS, 0)["webhooks"][index]["clientConfig"]["service"][field] = value;
    let (code, report) = check(&fixture, &[]).await;
    assert_eq!((code, &report["broken"]["link"]), (1, &json!(link)), "{report:#}");
    assert!(report["broken"]["what"].as_str().unwrap().contains(said), "{report:#}");
}

/// The path is a secret: who prints it gives it away.
#[tokio::test]
async fn a_path_of_its_own_is_sound_and_never_shown() {
    let mut fixture = ClusterFixture::sound();
    for entry in [0, 1] {
        fixture.object(CONFIGURATIONS, 0)["webhooks"][entry]["clientConfig"]["service"]["path"] =
            json!("/0123456789");
    }
    let args = |paths: &[&str]| {
        let flags = paths.iter().map(|path| format!("--path={path}"));
        json!(
            ["serve".to_owned(), "--namespace-settings".to_owned()]
                .into_iter()
                .chain(flags)
                .collect::<Vec<_>>()
        )
    };
    for (paths, state) in
        [(&["/mutate,/0123456789"][..], "ok"), (&["/a", "/0123456789"], "ok"), (&["/9876543210"], "broken")]
    {
        fixture.object(PODS, 0)["spec"]["containers"][0]["args"] = args(paths);
        let (_, report) = check(&fixture, &[]).await;
        let states: Vec<_> = links(&report, "service").into_iter().map(|one| &one["state"]).collect();
        assert!(states.contains(&&json!(state)), "{paths:?}: {report:#}");
        assert_eq!(states.contains(&&json!("broken")), state == "broken", "{paths:?}: {report:#}");
        for secret in ["0123456789", "9876543210"] {
            assert!(!report.to_string().contains(secret), "{paths:?}: {report:#}");
        }
    }
}

#[tokio::test]
async fn an_entry_without_its_rule_is_named() {
    let mut fixture = ClusterFixture::sound();
    let mut configuration = with_pod_opt_in(configuration("gomemlimit", "enabled"));
    configuration["webhooks"][2]["rules"][0]["operations"] = json!(["UPDATE"]);
    fixture.put(CONFIGURATIONS, &[configuration]);
    let (code, report) = check(&fixture, &[]).await;
    assert_eq!((code, &report["broken"]["link"]), (1, &json!("rules")), "{report:#}");
    assert!(report["broken"]["what"].as_str().unwrap().contains("entry pods.gomemlimit.dev"), "{report:#}");
}

#[tokio::test]
async fn a_namespace_that_goes_away_meanwhile_does_not_take_the_others_with_it() {
    let mut fixture = ClusterFixture::sound();
    fixture.add(NAMESPACES, namespace("going", &json!({"gomemlimit.dev/inject": "enabled"})));
    fixture.answer("POST /api/v1/namespaces/going/pods", failure(404, "namespaces \"going\" not found"));
    let (code, report) = check(&fixture, &[]).await;
    assert_eq!(code, 0, "{report:#}");
    let states: Vec<_> = links(&report, "dry-run").into_iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["unknown", "ok"], "{report:#}");
}

#[tokio::test]
async fn a_webhook_that_is_not_ours_is_not_our_broken_link() {
    let said = |name: &str| {
        failure(500, &format!("Internal error occurred: failed calling webhook \"{name}\": no endpoints"))
    };
    let mut fixture = ClusterFixture::sound();
    fixture.answer("POST /api/v1/namespaces/shop/pods", said("pods.policy.example.com"));
    let (code, report) = check(&fixture, &[]).await;
    assert_eq!((code, state(&report, "dry-run")), (2, "unknown"), "{report:#}");
    assert!(report["links"].to_string().contains("another webhook, pods.policy.example.com"), "{report:#}");
    fixture.answer("POST /api/v1/namespaces/shop/pods", said("namespaces.gomemlimit.dev"));
    let (code, report) = check(&fixture, &[]).await;
    assert_eq!((code, state(&report, "dry-run")), (1, "broken"), "{report:#}");
}

#[tokio::test]
async fn the_command_for_an_empty_bundle_fits_the_installation() {
    let mut fixture = ClusterFixture::sound();
    let entries = fixture.object(CONFIGURATIONS, 0)["webhooks"].as_array_mut().unwrap();
    for entry in entries {
        entry["clientConfig"]["caBundle"] = "".into();
    }
    let pod = &mut fixture.object(PODS, 0)["spec"];
    pod["containers"][0]["args"] = json!(["serve", "--tls-cert=/tls/tls.crt", "--tls-key=/tls/tls.key"]);
    pod["containers"][0]["volumeMounts"] = json!([{"name": "tls", "mountPath": "/tls"}]);
    pod["volumes"] = json!([{"name": "tls", "secret": {"secretName": "own"}}]);
    let (_, report) = check(&fixture, &[]).await;
    assert_eq!(report["broken"]["link"], "ca-bundle", "{report:#}");
    let ca = r"$(kubectl get secret own -n gomemlimit -o jsonpath='{.data.ca\.crt}')";
    let helm = format!("{} --set webhook.caBundle=\"{ca}\"", upgrade(VERSION));
    assert_eq!(report["broken"]["command"], helm);
    fixture.object(CONFIGURATIONS, 0)["metadata"]["annotations"] = json!({});
    let (_, report) = check(&fixture, &[]).await;
    let command = report["broken"]["command"].as_str().unwrap();
    assert!(command.starts_with("kubectl patch mutatingwebhookconfiguration gomemlimit --type=json -p '["));
    assert!(command.contains("/webhooks/1/clientConfig/caBundle") && command.contains(ca), "{command}");
    // What is missing comes back as deploy/README.md says.
    fixture.put(SERVICES, &[]);
    let (_, report) = check(&fixture, &[]).await;
    assert_eq!(report["broken"]["command"], format!("kubectl apply --server-side -f {}", manifest(VERSION)));
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
    let (code, report) = check(&fixture, &[]).await;
    assert_eq!((code, &report["broken"]["link"]), (1, &json!("pods")), "{report:#}");
    assert!(started.elapsed().as_secs() < 30);
}

#[tokio::test]
async fn a_terminal_does_not_obey_what_stands_in_objects() {
    let mut fixture = ClusterFixture::sound();
    fixture.object(PODS, 0)["status"] = json!({"conditions": [{"type": "Ready", "status": "False", "message": "\u{1b}[2Jall is well\u{202e}"}]});
    let (_, stdout, stderr) = fixture.serve().run(&["check"]).await;
    assert!(!(stdout + &stderr).contains(['\u{1b}', '\u{202e}']));
}

/// A release of another version is mended with its own chart.
#[tokio::test]
async fn what_is_missing_comes_back_in_the_version_that_is_installed() {
    let mut fixture = ClusterFixture::sound();
    fixture.put(SERVICES, &[]);
    for (label, version) in [("0.0.7", "0.0.7"), ("../../evil", VERSION), ("1;touch x", VERSION)] {
        fixture.object(CONFIGURATIONS, 0)["metadata"]["labels"]["app.kubernetes.io/version"] = label.into();
        let (_, report) = check(&fixture, &[]).await;
        assert_eq!(report["broken"]["command"], upgrade(version));
    }
}

/// Whatever a cluster answers with, a printed command runs nothing but itself.
#[tokio::test]
async fn names_of_a_cluster_are_quoted_in_commands() {
    const EVIL: &str = "$(touch x)`touch x`; touch x\ntouch x'\"";
    let mut fixture = ClusterFixture::sound();
    for entry in fixture.object(CONFIGURATIONS, 0)["webhooks"].as_array_mut().unwrap() {
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
    let (_, report) = check(&fixture, &[]).await;
    assert!(report["links"].to_string().contains("is not a name of Kubernetes"), "{report:#}");
    assert_eq!(report["broken"]["link"], "ca-bundle", "what cannot be read is not missing: {report:#}");
    assert_eq!(report["broken"]["command"], "", "{report:#}");
    // Selectors and annotations of namespaces.
    let mut fixture = ClusterFixture::sound();
    fixture.dry_run("shop", None);
    let entries = fixture.object(CONFIGURATIONS, 0)["webhooks"].as_array_mut().unwrap();
    for entry in entries {
        entry["namespaceSelector"] = json!({"matchLabels": {EVIL: EVIL}});
    }
    let (_, report) = check(&fixture, &["-n", "shop"]).await;
    assert!(!report.to_string().contains("kubectl label"), "{report:#}");
    let mut fixture = ClusterFixture::sound();
    let key = format!("gomemlimit.dev/{EVIL}");
    let mut shop = namespace("shop", &json!({"gomemlimit.dev/inject": "enabled"}));
    shop["metadata"]["annotations"] = json!({key: "x", "gomemlimit.dev/mode": "off"});
    fixture.put(NAMESPACES, &[shop]);
    fixture.dry_run("shop", None);
    runs_nothing_else(&fixture, "kubectl annotate namespace shop gomemlimit.dev/mode-").await;
}

/// What is no name of Kubernetes may be an option of a program, or a path: such an object is left out and reported.
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
            for entry in fixture.object(CONFIGURATIONS, 0)["webhooks"].as_array_mut().unwrap() {
                entry["clientConfig"]["service"]["name"] = evil.into();
            }
        },
        |fixture, evil| {
            for entry in fixture.object(CONFIGURATIONS, 0)["webhooks"].as_array_mut().unwrap() {
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
        let (_, report) = check(&fixture, &[]).await;
        assert!(report["links"].to_string().contains("is not a name of Kubernetes"), "{index}: {report:#}");
        for link in report["links"].as_array().unwrap() {
            assert!(!link["command"].as_str().unwrap().contains(evil), "{index}: {link:#}");
        }
    }
}

/// Runs the command that `check` prints, in an empty folder and with programs that do nothing.
async fn runs_nothing_else(fixture: &ClusterFixture, begins: &str) {
    let (_, report) = check(fixture, &[]).await;
    let command = report["broken"]["command"].as_str().unwrap();
    assert!(command.starts_with(begins), "{command}");
    let folder = tempfile::tempdir().unwrap();
    let script = format!("kubectl() {{ :; }}; helm() {{ :; }}; {command}");
    let ran =
        std::process::Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    assert!(ran.status.success(), "{command}: {ran:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{command}");
}

/// A release whose replicas mount what a keeper signs, and the keeper with this number of ready pods, of all.
fn kept(keeper: Option<(u32, u32)>) -> ClusterFixture {
    let mut fixture = ClusterFixture::sound();
    let pod = &mut fixture.object(PODS, 0)["spec"];
    pod["containers"][0]["args"] = json!(["serve", "--tls-cert=/tls/tls.crt", "--tls-key=/tls/tls.key"]);
    pod["containers"][0]["volumeMounts"] = json!([{"name": "tls", "mountPath": "/tls"}]);
    pod["volumes"] = json!([{"name": "tls", "secret": {"secretName": "gomemlimit-serving"}}]);
    if let Some((replicas, ready)) = keeper {
        let labels = json!({
            "app.kubernetes.io/name": "gomemlimit", "app.kubernetes.io/instance": "gomemlimit",
            "app.kubernetes.io/component": "keeper", "helm.sh/chart": "gomemlimit-0.1.0",
        });
        let containers = json!([{"args": ["certificates", "--webhook-config=gomemlimit"]}]);
        fixture.add(
            DEPLOYMENTS,
            json!({
                "metadata": {"name": "gomemlimit-keeper", "namespace": "gomemlimit", "labels": labels},
                "spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}},
                "status": {"readyReplicas": ready},
            }),
        );
    }
    fixture
}

/// Nobody but the keeper can mend the CA bundle, or fill the Secret that pods wait for.
#[rstest]
#[case::gone(None, upgrade(VERSION), "there is no keeper of certificates")]
#[case::scaled(
    Some((0, 0)),
    "kubectl scale deployment/gomemlimit-keeper -n gomemlimit --replicas=1".to_owned(),
    "deployment gomemlimit-keeper, which keeps the certificates, is scaled to 0"
)]
#[case::unready(
    Some((1, 0)),
    "kubectl logs deployment/gomemlimit-keeper -n gomemlimit".to_owned(),
    "deployment gomemlimit-keeper, which keeps the certificates, has no ready pod"
)]
#[case::at_work(Some((1, 1)), upgrade(VERSION), "the CA bundle is empty")]
#[tokio::test]
async fn a_keeper_that_is_missing_is_named(
    #[case] keeper: Option<(u32, u32)>,
    #[case] command: String,
    #[case] said: &str,
) {
    let mut fixture = kept(keeper);
    fixture.object(CONFIGURATIONS, 0)["webhooks"][0]["clientConfig"]["caBundle"] = json!("");
    fixture.dry_run("shop", None);
    let (code, report) = check(&fixture, &[]).await;
    assert_eq!((code, &report["broken"]["link"]), (1, &json!("ca-bundle")), "{report:#}");
    assert_eq!(report["broken"]["command"], command);
    assert!(report["broken"]["what"].as_str().unwrap().contains(said), "{report:#}");

    if keeper != Some((1, 1)) {
        let mut waiting = kept(keeper);
        let status = &mut waiting.object(PODS, 0)["status"];
        status["conditions"][0]["status"] = "False".into();
        status["containerStatuses"] = json!([{"state": {"waiting": {"reason": "ContainerCreating"}}}]);
        let (code, report) = check(&waiting, &[]).await;
        assert_eq!((code, &report["broken"]["link"]), (1, &json!("pods")), "{report:#}");
        assert_eq!(report["broken"]["command"], command);
        assert!(report["broken"]["what"].as_str().unwrap().contains(said), "{report:#}");
    }
}

#[tokio::test]
async fn the_cas_of_the_live_bundle_are_listed_and_one_that_no_replica_would_publish_is_marked() {
    let mut fixture = ClusterFixture::sound();
    fixture.object(PODS, 0)["spec"]["containers"][0]["args"]
        .as_array_mut()
        .unwrap()
        .push(json!("--ca-duration=24h"));
    let authority = |name: &str, hours| {
        Authority::generate(name, SystemTime::now(), Duration::from_hours(hours)).unwrap()
    };
    let cas = [
        (authority("gomemlimit.gomemlimit.svc", 24), None),
        (authority("gomemlimit.gomemlimit.svc", 48), Some("it ends later than --ca-duration allows")),
        (authority("other.gomemlimit.svc", 24), Some("it is not limited to the name of the Service")),
    ];
    let bundle: String = cas.iter().map(|(ca, _)| ca.certificate.to_pem()).collect();
    for entry in fixture.object(CONFIGURATIONS, 0)["webhooks"].as_array_mut().unwrap() {
        entry["clientConfig"]["caBundle"] = STANDARD.encode(&bundle).into();
    }
    let (code, report) = check(&fixture, &[]).await;
    let listed = links(&report, "ca-bundle")[0]["certificates"].as_array().unwrap().clone();
    let expected = cas.iter().map(|(ca, unexpected)| {
        let ends = humantime::format_rfc3339_seconds(ca.certificate.not_after).to_string();
        let sha256 = Fingerprint::of(&ca.certificate).to_string();
        json!({"sha256": sha256, "notAfter": ends, "unexpected": unexpected})
    });
    assert_eq!((code, listed), (0, expected.collect::<Vec<_>>()), "{report:#}");
    let (_, table, _) = fixture.serve().run(&["check"]).await;
    for (ca, unexpected) in &cas {
        let line = table.lines().find(|line| line.starts_with(&Fingerprint::of(&ca.certificate).to_string()));
        assert!(line.is_some_and(|line| line.ends_with(unexpected.unwrap_or("-"))), "{table}");
    }
    // A CA of cert-manager, or of somebody's own, is as it is.
    fixture.object(PODS, 0)["spec"]["containers"][0]["args"] = json!(["serve", "--tls-cert=/tls/tls.crt"]);
    let (_, report) = check(&fixture, &[]).await;
    let listed = links(&report, "ca-bundle")[0]["certificates"].as_array().unwrap().clone();
    assert!(listed.len() == 3 && listed.iter().all(|ca| ca["unexpected"].is_null()), "{report:#}");
}
