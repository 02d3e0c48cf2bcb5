//! How `audit` prints: short rows, what to do below them, and what programs take.

use rstest::rstest;
use serde_json::{Value, json};

use gomemlimit_fake_api_server::{ScriptedServer, forbidden, list, pod, pod_with};

/// A pod of a workload that ended so last.
fn ended(name: &str, value: Option<&str>, reason: &str, code: i32) -> Value {
    let mut pod = pod_with(name, value);
    let last =
        json!({"terminated": {"reason": reason, "exitCode": code, "finishedAt": "2026-01-01T00:00:00Z"}});
    pod["status"]["containerStatuses"] =
        json!([{"name": "app", "restartCount": 3, "state": {"running": {}}, "lastState": last}]);
    pod
}

fn of(mut pod: Value, workload: &str) -> Value {
    pod["metadata"]["ownerReferences"] =
        json!([{"kind": "StatefulSet", "name": workload, "controller": true}]);
    pod
}

/// Pods for every kind of row, with names as long as usual ones.
fn server() -> ScriptedServer {
    let pods = [
        of(pod("checkout-service-7d9c5b6f4-x2x9k"), "checkout-service"),
        of(pod_with("mail-0", Some("512Mi")), "mail"),
        of(pod_with("mail-1", Some("512Mi")), "mail"),
        ended("payment-gateway-5c4855dbb4-hdlsn", Some("900MiB"), "Error", 137),
        ended("recommendation-engine-69f5c-zq4vt", Some("966367641"), "OOMKilled", 137),
        ended("shipping-0", None, "OOMKilled", 137),
        pod_with("web-0", None),
    ];
    ScriptedServer::start(move |path, _| match path {
        "/api/v1/namespaces/shop/pods" | "/api/v1/pods" => list(&pods, ""),
        path => forbidden(path),
    })
}

#[tokio::test]
async fn rows_are_short_and_what_to_do_is_below_them_once() {
    let server = server();
    let (code, stdout, stderr) = server.run(&["audit", "-n", "shop"]).await;
    assert_eq!(code, 0, "{stderr}");
    let longest = stdout.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(longest <= 120, "{longest}\n{stdout}");
    let (rows, rest) = stdout.split_once("\n\n").unwrap();
    let words: Vec<Vec<&str>> = rows.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["POD", "CONTAINER", "LIMIT", "GOMEMLIMIT", "STATUS", "RESTARTS"]);
    assert_eq!(words[1][2..], ["1Gi", "900MiB", "covered", "0"]);
    assert_eq!(words[2][3..], ["512Mi", "malformed", "0"]);
    assert_eq!(words[4][4..], ["covered", "3", "(SIGKILL)"]);
    assert_eq!(words[5][4..], ["oom-killed/covered", "3", "(OOMKilled)"]);
    assert_eq!(words[6][3..], ["-", "oom-killed/uncovered/namespace-unknown", "3", "(OOMKilled)"]);
    let (summary, fix) = rest.split_once("\n\n").unwrap();
    assert!(
        summary.starts_with("NAMESPACE  OOM-KILLED  SIGKILLED  COVERED  MALFORMED  UNCOVERED\n"),
        "{summary}"
    );
    let counts: Vec<_> = summary.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(counts, ["shop", "2", "1", "3", "2", "2"]);
    let fix: Vec<_> = fix.lines().collect();
    assert_eq!(fix[0], "To fix:");
    // What has happened comes first.
    assert_eq!(fix[1], "  recommendation-engine-69f5c-zq4vt/app");
    assert!(fix[2].starts_with("    raise the limit, lower the ratio"), "{fix:?}");
    assert!(fix.contains(&"  mail-0/app, mail-1/app"), "{fix:?}");
    assert_eq!(fix.iter().filter(|line| line.contains("statefulset/mail")).count(), 1, "{fix:?}");
    // With all namespaces there is a column for them.
    let (_, stdout, _) = server.run(&["audit", "-A"]).await;
    assert!(stdout.starts_with("NAMESPACE  POD "), "{stdout}");
    assert!(stdout.contains("\n  shop/mail-0/app, shop/mail-1/app\n"), "{stdout}");
}

#[tokio::test]
async fn wide_rows_have_everything_with_bytes() {
    let (_, stdout, _) = server().run(&["audit", "-o", "wide"]).await;
    let header: Vec<_> = stdout.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header, ["POD", "CONTAINER", "LIMIT", "GOMEMLIMIT", "STATUS", "RESTARTS", "WORKLOAD", "WHY"]);
    let row = stdout.lines().find(|line| line.starts_with("recommendation")).unwrap();
    assert!(
        row.contains(" 1073741824  966367641 ") && row.contains("; OOM-killed; raise the limit"),
        "{row}"
    );
    let row = stdout.lines().find(|line| line.starts_with("mail-1")).unwrap();
    assert!(row.contains(" statefulset/mail ") && row.contains("write bytes or MiB"), "{row}");
    assert!(stdout.contains("\nNAMESPACE  OOM-KILLED ") && !stdout.contains("To fix"), "{stdout}");
}

#[tokio::test]
async fn programs_take_names_and_rows_without_headers() {
    let server = server();
    let (_, stdout, _) = server.run(&["audit", "--only", "malformed,oom-killed", "-o", "name"]).await;
    assert_eq!(stdout, "pod/mail-0\npod/mail-1\npod/recommendation-engine-69f5c-zq4vt\npod/shipping-0\n");
    let (_, stdout, _) = server.run(&["audit", "--no-headers"]).await;
    assert_eq!(stdout.lines().count(), 7, "{stdout}");
    assert!(stdout.starts_with("checkout-service-7d9c5b6f4-x2x9k "), "{stdout}");
    let (_, stdout, _) = server.run(&["audit", "--no-headers", "--summary"]).await;
    assert_eq!(stdout.split_whitespace().collect::<Vec<_>>(), ["shop", "2", "1", "3", "2", "2"]);
    let (_, report) = server.json(&["audit", "--only", "sigkilled"]).await;
    let [one] = &report["containers"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!(
        (&one["sigkilled"], &one["oomKilled"], &one["status"]),
        (&json!(true), &json!(false), &json!("covered"))
    );
    let total = &report["summary"]["total"];
    assert_eq!((&total["oomKilled"], &total["sigkilled"]), (&json!(2), &json!(1)));
    let (_, stdout, _) = server.run(&["audit", "-o", "prometheus"]).await;
    for line in [
        "gomemlimit_containers_oom_killed{namespace=\"shop\"} 2",
        "gomemlimit_containers_sigkilled{namespace=\"shop\"} 1",
    ] {
        assert!(stdout.lines().any(|seen| seen == line), "{stdout}");
    }
}

#[tokio::test]
async fn nothing_but_a_terminal_gets_colours() {
    for command in [&["audit"][..], &["audit", "-o", "wide"]] {
        let (_, stdout, stderr) = server().run(command).await;
        assert!(!stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'), "{stdout}{stderr}");
    }
}

/// The exit code is that of what is asked for, and what happened is said first.
#[rstest]
#[case("oom-killed", 1, "--fail-on: 2 oom-killed\n")]
#[case("uncovered,sigkilled,oom-killed", 1, "--fail-on: 2 oom-killed, 2 uncovered, 1 sigkilled\n")]
#[case("malformed-crash", 0, "")]
#[tokio::test]
async fn what_failed_is_said(#[case] words: &str, #[case] code: i32, #[case] said: &str) {
    for output in ["table", "json", "name"] {
        let (exit, _, stderr) = server().run(&["audit", "--fail-on", words, "-o", output]).await;
        assert_eq!((exit, stderr.contains("--fail-on")), (code, !said.is_empty()), "{stderr}");
        assert!(stderr.ends_with(said), "{stderr}");
    }
}

/// The pods of the example: a container of 64Mi with the value for it, unless something else is said.
fn example() -> Vec<Value> {
    let ours = |name: &str, limit: u64, value: &str| {
        let mut pod = of(pod_with(&format!("{name}-0"), Some(value)), name);
        let status = json!({"version": 1, "containers": {"app": {
            "value": value, "limit": limit, "ratio": "0.9", "headroom": 0, "kind": "literal", "source": "default"}}});
        pod["metadata"]["annotations"] = json!({"gomemlimit.dev/status": status.to_string()});
        pod["spec"]["containers"][0]["resources"] = json!({"limits": {"memory": limit.to_string()}});
        pod["status"]["containerStatuses"] = json!([{"name": "app", "restartCount": 0}]);
        pod
    };
    let small = 64 << 20;
    let mut resized = ours("cart", small, "60397977");
    resized["status"]["containerStatuses"][0]["resources"] = json!({"limits": {"memory": "128Mi"}});
    let mut whole = ours("feed", small, "60397977");
    let limit = json!({"resourceFieldRef": {"resource": "limits.memory"}});
    whole["spec"]["containers"][0]["env"] = json!([{"name": "GOMEMLIMIT", "valueFrom": limit}]);
    whole["metadata"]["annotations"] = json!({});
    let mut malformed = ours("mail", small, "60397977");
    malformed["spec"]["containers"][0]["env"][0]["value"] = "48Mi".into();
    let mut killed = ours("search", small / 2, "30198988");
    let mut hung = ours("video", small, "60397977");
    let mut without = of(pod_with("web-0", None), "web");
    without["spec"]["containers"][0]["resources"] = json!({});
    for (pod, restarts, reason, code) in
        [(&mut malformed, 4, "Error", 2), (&mut killed, 3, "OOMKilled", 137), (&mut hung, 1, "Error", 137)]
    {
        let last =
            json!({"terminated": {"reason": reason, "exitCode": code, "finishedAt": "2026-01-01T00:00:00Z"}});
        let status = &mut pod["status"]["containerStatuses"][0];
        (status["restartCount"], status["lastState"]) = (restarts.into(), last);
    }
    vec![ours("api", small, "60397977"), resized, whole, malformed, killed, hung, without]
}

/// `UPDATE_GOLDEN=1` writes the example anew.
#[tokio::test]
async fn the_examples_of_the_pages_are_real() {
    let pods = example();
    let server = ScriptedServer::start(move |path, _| match path {
        "/api/v1/namespaces/shop/pods" => list(&pods, ""),
        path => forbidden(path),
    });
    let (code, stdout, stderr) = server.run(&["audit", "-n", "shop"]).await;
    assert_eq!(code, 0, "{stderr}");
    let start = "```console\n$ gomemlimit audit -n shop\n";
    for page in ["docs/audit.md", "README.md"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once(start).unwrap();
        let (shown, after) = rest.split_once("```").unwrap();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, format!("{before}{start}{stdout}```{after}")).unwrap();
        } else {
            assert_eq!(shown, stdout, "{page}");
        }
    }
}

#[tokio::test]
async fn many_remedies_and_many_names_are_cut() {
    let mut pods: Vec<_> = (0..25)
        .map(|index| format!("mail-{index}"))
        .map(|name| of(pod_with(&name, Some("512Mi")), &name))
        .collect();
    pods.extend((0..30).map(|index| {
        let mut pod = ended(&format!("web-{index}"), None, "OOMKilled", 137);
        pod["spec"]["containers"][0]["resources"] = json!({});
        pod
    }));
    let server = ScriptedServer::start(move |path, _| match path {
        "/api/v1/namespaces/shop/pods" => list(&pods, ""),
        path => forbidden(path),
    });
    let (_, stdout, _) = server.run(&["audit"]).await;
    let (_, fix) = stdout.split_once("To fix:\n").unwrap();
    assert_eq!(fix.lines().count(), 41, "{fix}");
    assert!(fix.lines().all(|line| line.chars().count() <= 120), "{fix}");
    let first = fix.lines().next().unwrap();
    assert!(first.starts_with("  web-0/app, web-1/app, ") && first.ends_with(" more"), "{fix}");
    assert!(fix.ends_with("  … and 6 more: -o wide has all of them\n"), "{fix}");
}
