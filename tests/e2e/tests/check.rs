//! `check` names the check that was broken, and the command that it prints fixes it.

use std::time::Instant;

use gomemlimit_core::addresses::{VERSION, chart, manifest};
use serde_json::{Value, json};

use crate::harness::{
    Authority, FULLNAME, LONG, Namespace, RELEASE_NAMESPACE, Release, bundle, check, client, gomemlimit,
    kubectl, repository, run, try_kubectl, wait_for,
};

const PAGE: &str = include_str!("../../../docs/check.md");

fn report(namespace: &str) -> (i32, Value) {
    let ran = gomemlimit(&["check", "-n", namespace, "-o", "json"]);
    // With 2 too little could be looked at for a moment.
    assert!(ran.code < 2 || ran.stdout.starts_with('{'), "{}", ran.stderr);
    (ran.code, ran.json())
}

fn configuration(operations: &Value) {
    let patch = operations.to_string();
    kubectl(&["patch", "mutatingwebhookconfiguration", FULLNAME, "--type=json", "-p", &patch]);
}

fn replace(path: &str, value: &Value) {
    configuration(&json!([{"op": "replace", "path": format!("/webhooks/0/{path}"), "value": value}]));
}

fn in_release(arguments: &[&str]) {
    kubectl(&[arguments, &["-n", RELEASE_NAMESPACE]].concat());
}

fn patch_service(patch: &Value) {
    in_release(&["patch", "service", FULLNAME, "--type=merge", "-p", &patch.to_string()]);
}

/// Something that is broken, the cause that has to be named, and a fix if the printed command is none.
struct Breakage<'a> {
    what: &'a str,
    cause: &'a str,
    damage: Box<dyn Fn() + 'a>,
    fix: Option<Box<dyn Fn() + 'a>>,
}

fn breakage<'a>(what: &'a str, cause: &'a str, damage: impl Fn() + 'a) -> Breakage<'a> {
    Breakage { what, cause, damage: Box::new(damage), fix: None }
}

fn breakages<'a>(name: &'a str, foreign: &'a str) -> Vec<Breakage<'a>> {
    let elsewhere = json!({"matchLabels": {"tier": "elsewhere"}});
    let (namespace, pods) = (elsewhere.clone(), elsewhere);
    let never = json!({"name": "never", "expression": "false"});
    vec![
        breakage("the namespace's label is removed", "not-opted-in", || {
            kubectl(&["label", "namespace", name, "gomemlimit.dev/inject-"]);
        }),
        breakage("an annotation switches the namespace off", "annotation-withholds-value", || {
            kubectl(&["annotate", "namespace", name, "gomemlimit.dev/mode=off"]);
        }),
        breakage("the configuration is deleted", "configuration-missing", || {
            kubectl(&["delete", "mutatingwebhookconfiguration", FULLNAME]);
        }),
        breakage("the namespaceSelector selects others", "namespace-not-selected", move || {
            replace("namespaceSelector", &namespace);
        }),
        breakage("the objectSelector selects others", "pods-not-selected", move || {
            replace("objectSelector", &pods);
        }),
        breakage("the rules are about updates", "no-create-rule", || {
            replace("rules/0/operations", &json!(["UPDATE"]));
        }),
        breakage("a condition is never met", "foreign-conditions", move || {
            configuration(&json!([{"op": "add", "path": "/webhooks/0/matchConditions/-", "value": never}]));
        }),
        breakage("the configuration names another Service", "service-missing", || {
            replace("clientConfig/service/name", &json!("other"));
        }),
        breakage("the Service is deleted", "service-missing", || {
            in_release(&["delete", "service", FULLNAME]);
        }),
        breakage("the Service has another port", "service-port-missing", || {
            patch_service(
                &json!({"spec": {"ports": [{"name": "https", "port": 444, "targetPort": "https"}]}}),
            );
        }),
        breakage("the Service selects other pods", "service-selects-no-pods", || {
            patch_service(&json!({"spec": {"selector": {"app.kubernetes.io/component": "other"}}}));
        }),
        breakage("the Service goes to a port that nobody listens on", "no-tls", || {
            patch_service(&json!({"spec": {"ports": [{"name": "https", "port": 443, "targetPort": 10999}]}}));
        }),
        breakage("the Deployment is scaled to nothing", "scaled-to-zero", || {
            in_release(&["scale", "deployment", FULLNAME, "--replicas=0"]);
        }),
        breakage(
            "the CA bundle is another's, and the right to fix it is gone",
            "certificate-of-unknown-issuer",
            move || {
                kubectl(&["delete", "clusterrole", FULLNAME]);
                // Until the API server knows, the bundle would be restored at once.
                std::thread::sleep(std::time::Duration::from_secs(2));
                replace("clientConfig/caBundle", &json!(foreign));
            },
        ),
        Breakage {
            what: "no pod is ready",
            cause: "pods-not-ready",
            damage: Box::new(|| {
                let image = "webhook=gomemlimit.invalid/missing:1";
                in_release(&[
                    "patch",
                    "deployment",
                    FULLNAME,
                    "-p",
                    r#"{"spec":{"strategy":{"rollingUpdate":{"maxUnavailable":"100%"}}}}"#,
                ]);
                in_release(&["set", "image", "deployment", FULLNAME, image]);
                in_release(&["delete", "pods", "--all", "--grace-period=1", "--wait"]);
            }),
            fix: Some(Box::new(|| in_release(&["rollout", "undo", "deployment", FULLNAME]))),
        },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broken_check_is_named_and_the_printed_command_fixes_it() {
    let client = client().await;
    let release = Release::fresh(&client, &["--set", "minReadySeconds=0,server.shutdownDelay=1s"]).await;
    release.assert_ready().await;
    let namespace = Namespace::labelled(&client).await;
    let name = &namespace.name;
    all_is_well(name).await;
    let whole = gomemlimit(&["check", "-n", name]);
    assert_eq!(whole.code, 0, "{}", whole.stdout);
    println!("check:\n{}", whole.stdout.replace(name.as_str(), "shop"));

    let foreign = bundle(&[&Authority::new("somebody else's")]);
    for one in breakages(name, &foreign) {
        let started = Instant::now();
        (one.damage)();
        let broken = wait_for(&format!("{} is named: {}", one.cause, one.what), LONG, async || {
            let (code, report) = report(name);
            check(code == 1 && report["broken"]["cause"] == one.cause, || report.to_string())?;
            Ok(report["broken"].clone())
        })
        .await;
        let seconds = started.elapsed().as_secs_f64();
        let command = broken["command"].as_str().unwrap();
        println!("check: {}: {}: {}: {command} ({seconds:.1} s)", one.what, one.cause, broken["what"]);
        if let Some(fix) = &one.fix {
            fix();
        } else {
            // The chart and the manifest of this checkout: nothing of it is published.
            let command = command
                .replace(&format!("{} --version {VERSION}", chart()), "charts/gomemlimit")
                .replace(&manifest(VERSION), "deploy/install.yaml");
            let script = format!("cd {} && {command}", repository().display());
            run("sh", &["-c", &script], "").unwrap_or_else(|said| panic!("{}: {said}", one.what));
        }
        all_is_well(name).await;
    }
    a_namespace_that_is_excluded();
    Release::remove(&client).await;
    let (code, report) = report(name);
    assert_eq!((code, &report["broken"]["check"]), (1, &json!("configuration")), "{report}");
    assert_eq!(
        report["broken"]["command"],
        format!(
            "helm install gomemlimit {} --version {VERSION} -n gomemlimit --create-namespace --wait",
            chart()
        )
    );
}

async fn all_is_well(name: &str) {
    // The page has every check, of which `binding` is one of the policy engine.
    let words = PAGE.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once("` | ")?.0));
    let expected: Vec<_> = words.filter(|word| *word != "binding").collect();
    wait_for("nothing is broken or unknown", LONG, async || {
        let (code, report) = report(name);
        let checks = report["checks"].as_array().unwrap();
        let found: Vec<_> = checks.iter().filter_map(|one| one["check"].as_str()).collect();
        let bad: Vec<_> = checks.iter().filter(|one| one["state"] != "ok").collect();
        check(code == 0 && bad.is_empty() && found == expected, || report.to_string())
    })
    .await;
}

fn a_namespace_that_is_excluded() {
    kubectl(&["label", "namespace", "kube-public", "gomemlimit.dev/inject=enabled"]);
    let (code, report) = report("kube-public");
    let _ = try_kubectl(&["label", "namespace", "kube-public", "gomemlimit.dev/inject-"], "");
    assert_eq!((code, &report["broken"]["check"]), (1, &json!("namespace-selector")), "{report}");
}
