//! `check` of the entries of the webhook configuration: what they select, and where they call.

use gomemlimit_core::addresses::{VERSION, chart};
use rstest::rstest;
use serde_json::{Value, json};

use gomemlimit_fake_api_server::cluster_fixture::{
    CONFIGURATIONS, ClusterFixture, PODS, configuration, entry, findings, requirement, with_pod_opt_in,
};

/// The command that brings back what is missing of a release of this version.
fn upgrade(version: &str) -> String {
    let chart = chart();
    format!("helm upgrade gomemlimit {chart} --version {version} -n gomemlimit --reset-then-reuse-values")
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
    // Its pods say what it was installed with.
    fixture.object(PODS, 0)["spec"]["containers"][0]["args"] =
        json!(["serve", "--namespace-settings", "--namespace-selector=team in (go)"]);
    let is_told = async |fixture: &ClusterFixture| {
        for arguments in [&["-n", "shop"][..], &[]] {
            let (code, report) = fixture.check(arguments).await;
            assert_eq!((code, &report["broken"]["check"]), (1, &json!("namespace-label")), "{report:#}");
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
    let (_, report) = fixture.check(&["-n", "shop"]).await;
    assert_eq!(report["broken"]["check"], "namespace-selector", "{report:#}");
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
    #[case] check: &str,
    #[case] said: &str,
) {
    let mut fixture = ClusterFixture::sound();
    fixture.entries()[index]["clientConfig"]["service"][field] = value;
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, &report["broken"]["check"]), (1, &json!(check)), "{report:#}");
    assert!(report["broken"]["what"].as_str().unwrap().contains(said), "{report:#}");
}

/// The path is a secret: who prints it gives it away.
#[tokio::test]
async fn a_path_of_its_own_is_sound_and_never_shown() {
    let mut fixture = ClusterFixture::sound();
    for entry in [0, 1] {
        fixture.entries()[entry]["clientConfig"]["service"]["path"] = json!("/0123456789");
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
        let (_, report) = fixture.check(&[]).await;
        let states: Vec<_> = findings(&report, "service").into_iter().map(|one| &one["state"]).collect();
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
    let (code, report) = fixture.check(&[]).await;
    assert_eq!((code, &report["broken"]["check"]), (1, &json!("rules")), "{report:#}");
    assert!(report["broken"]["what"].as_str().unwrap().contains("entry pods.gomemlimit.dev"), "{report:#}");
}
