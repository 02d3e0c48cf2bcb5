//! `gomemlimit observe` as a user runs it, on a fake API server. What it makes of a real cluster is in
//! tests/e2e/tests/observe.rs.

use std::{
    fs,
    time::{Duration, Instant},
};

use rstest::rstest;
use serde_json::{Value, json};

use gomemlimit_fake_api_server::{CommandOutput, PodServer, status};

mod sources;

const PODS: &str = "/api/v1/namespaces/shop/pods";
const SUMMARY: &str = "/api/v1/nodes/n/proxy/stats/summary";

fn list(pods: &[Value]) -> (u16, Value) {
    (200, json!({"metadata": {"resourceVersion": "1"}, "items": pods}))
}

/// A pod with one container of 256Mi that was restarted so often, the last time for an OOM kill.
fn pod(name: &str, restarts: usize, gomemlimit: Option<&str>) -> Value {
    let env: Vec<_> = gomemlimit.iter().map(|value| json!({"name": "GOMEMLIMIT", "value": value})).collect();
    let last = if restarts == 0 {
        json!({})
    } else {
        let finished = format!("2026-01-01T00:00:{restarts:02}Z");
        json!({"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": finished}})
    };
    json!({
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"nodeName": "n", "containers": [
            {"name": "app", "env": env, "resources": {"limits": {"memory": "256Mi"}}}]},
        "status": {"phase": "Running", "containerStatuses": [{
            "name": "app", "restartCount": restarts, "containerID": format!("c{restarts}"),
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "lastState": last,
        }]},
    })
}

/// The kubelet's statistics: working sets of the container of these pods.
fn summary(working_sets: &[(&str, u64)]) -> (u16, Value) {
    let pods = working_sets.iter().map(|(pod, mib)| {
        json!({"podRef": {"name": pod, "namespace": "shop"},
               "containers": [{"name": "app", "memory": {"workingSetBytes": mib << 20, "rssBytes": 1}}]})
    });
    (200, json!({"pods": pods.collect::<Vec<_>>()}))
}

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/api";

fn deployment() -> (u16, Value) {
    (200, json!({"metadata": {"name": "api"}, "spec": {"selector": {"matchLabels": {"app": "api"}}}}))
}

/// A Deployment whose pod is OOM killed between any two polls, or one with a value that stays.
fn cluster(is_protected: bool) -> PodServer {
    PodServer::new(move |path, count| {
        Some(match path {
            DEPLOYMENT => deployment(),
            PODS if is_protected => list(&[pod("api-2", 0, Some("241591910"))]),
            PODS => list(&[pod("api-1", count, None)]),
            SUMMARY if is_protected => summary(&[("api-2", 222)]),
            SUMMARY => summary(&[("api-1", if count == 1 { 255 } else { 180 })]),
            _ if path.ends_with("/portforward") => status(403, "cannot create resource \"pods/portforward\""),
            _ => return None,
        })
    })
}

const SHORT: [&str; 4] = ["--for", "350ms", "--interval", "100ms"];

#[test]
fn before_and_after() {
    let (before, after) = (cluster(false), cluster(true));
    let (saved, svg) = (before.path("before.json"), before.path("memory.svg"));
    let (saved, svg) = (saved.to_str().unwrap(), svg.to_str().unwrap());
    let first = before.run("observe", &[&["deployment/api", "--save", saved][..], &SHORT].concat());
    assert_eq!((first.code, first.stderr.as_str()), (0, ""));
    let kept: Value = serde_json::from_str(&fs::read_to_string(saved).unwrap()).unwrap();
    let restarts = kept["containers"][0]["restarts"].as_u64().unwrap();
    // The first list does not count: what it shows was before.
    assert!(restarts >= 1, "{kept}");
    assert_eq!(kept["containers"][0]["ends"].as_array().unwrap().len() as u64, restarts);
    assert!(
        before.asked().contains(&format!("{PODS}?&labelSelector=app%3Dapi&limit=250")),
        "{:?}",
        before.asked()
    );
    for words in [
        "deployment/api in namespace shop, 1 pod for 0 s\n",
        "MOST MEMORY",
        &format!("{restarts} ({restarts} OOMKilled)"),
        "255Mi (100 %)",
        "\nTo know: garbage collection of app is missing: cannot create resource \"pods/portforward\" (it takes get and",
    ] {
        assert!(first.stdout.contains(words), "{words} is not in\n{}", first.stdout);
    }
    let arguments = ["deployment/api", "--baseline", saved, "--svg", svg];
    let second = after.run("observe", &[&arguments[..], &SHORT].concat());
    assert_eq!((second.code, second.stderr.as_str()), (0, ""));
    for words in ["BEFORE  AFTER    CHANGE", "none    230.4Mi", "255Mi   222Mi    -13 %", "-100 %"] {
        assert!(second.stdout.contains(words), "{words} is not in\n{}", second.stdout);
    }
    assert!(fs::read_to_string(svg).unwrap().contains(">memory limit 256Mi<"));
    let report = after.run("observe", &[&arguments[..3], &SHORT, &["-o", "json"]].concat()).json();
    let compared = &report["compared"][0];
    assert_eq!(
        (&compared["before"]["oomKills"], &compared["after"]["oomKills"]),
        (&restarts.into(), &0.into())
    );
    assert_eq!(report["figures"][0]["peak"], 222 << 20);
    assert_eq!(report["figures"][0]["gomemlimits"], json!(["241591910"]));
}

#[test]
fn pods_are_followed_through_a_rollout() {
    let cluster = PodServer::new(|path, count| {
        Some(match (path, count) {
            (PODS, 0) => list(&[pod("old", 3, None)]),
            (PODS, 1) => list(&[pod("old", 3, None), pod("new", 1, Some("241591910"))]),
            // An API server that is away for a moment.
            (PODS, 2) => status(500, "etcd is away"),
            (PODS, _) => list(&[pod("new", 1, Some("241591910"))]),
            (SUMMARY, _) => status(403, "cannot get resource \"nodes/proxy\""),
            _ => return None,
        })
    });
    let report =
        cluster.run("observe", &["-l", "app=api", "--for", "1s", "--interval", "100ms", "-o", "json"]).json();
    let of = |place: usize| {
        let one = &report["containers"][place];
        (one["pod"].as_str().unwrap(), one["restarts"].as_u64(), one["gomemlimit"].as_str().unwrap())
    };
    assert_eq!([of(0), of(1)], [("old", Some(0), "off"), ("new", Some(1), "241591910")], "{report}");
    assert_eq!((&report["failedPolls"], &report["figures"][0]["oomKills"]), (&1.into(), &1.into()));
    let notes = report["notes"].to_string();
    for words in [
        "memory of app is missing: the kubelet of node n: cannot get resource \\\"nodes/proxy\\\" (in ",
        "; there is no metrics.k8s.io (in ",
        " polls); no Go metrics and no pprof answer on a port that it declares, nor on 6060",
        " polls: the API server answered: etcd is away",
    ] {
        assert!(notes.contains(words), "{words} is not in {notes}");
    }
}

#[rstest]
#[case::forbidden(status(403, "cannot get resource \"nodes/proxy\""))]
#[case::out_of_order(status(500, "etcd is sad"))]
#[case::garbage((200, json!("<html>")))]
fn metrics_server_is_asked_where_the_kubelet_tells_nothing(#[case] kubelet: (u16, Value)) {
    let cluster = PodServer::new(move |path, _| {
        Some(match path {
            "/api/v1/namespaces/shop/pods/api" => (200, pod("api", 0, Some("900M"))),
            SUMMARY => kubelet.clone(),
            "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods/api" => {
                (200, json!({"containers": [{"name": "app", "usage": {"memory": "131072Ki"}}]}))
            }
            _ => return None,
        })
    });
    let report = cluster.run("observe", &[&["api", "-o", "json"][..], &SHORT].concat()).json();
    assert_eq!(report["target"], "pod/api");
    assert_eq!(report["containers"][0]["peak"], 128 << 20);
    assert_eq!(report["containers"][0]["gomemlimit"], "900M");
    assert!(!report["notes"].to_string().contains("memory of"), "{report}");
}

/// As a kubelet writes it of a pod whose containers it has not looked at yet.
#[test]
fn a_pod_without_figures_takes_none_away_from_others() {
    let cluster = PodServer::new(|path, _| {
        Some(match path {
            "/api/v1/namespaces/shop/pods/api" => (200, pod("api", 0, None)),
            SUMMARY => {
                let mut stats = summary(&[("api", 100)]).1;
                let new = json!({"podRef": {"name": "new", "namespace": "shop"}, "containers": null});
                stats["pods"].as_array_mut().unwrap().push(new);
                (200, stats)
            }
            _ => return None,
        })
    });
    let report = cluster.run("observe", &[&["api", "-o", "json"][..], &SHORT].concat()).json();
    assert_eq!(report["containers"][0]["peak"], 100 << 20);
}

/// Of several containers the one that is named is asked at the port that is named.
#[test]
fn the_port_is_that_of_the_container_that_is_named() {
    let cluster = PodServer::new(|path, _| {
        Some(match path {
            "/api/v1/namespaces/shop/pods/api" => {
                let mut pod = pod("api", 0, None);
                let mut other = pod["spec"]["containers"][0].clone();
                other["name"] = "proxy".into();
                pod["spec"]["containers"].as_array_mut().unwrap().push(other);
                (200, pod)
            }
            SUMMARY => summary(&[("api", 100)]),
            _ => return None,
        })
    });
    let _ = cluster.run("observe", &[&["api", "-c", "app", "--port", "9090"][..], &SHORT].concat());
    let asked = cluster.asked();
    assert!(asked.iter().any(|target| target.ends_with("/pods/api/portforward?&ports=9090")), "{asked:?}");
}

/// The pod does not show the value, which is from a ConfigMap; the log of the incarnation that ended does.
#[rstest]
#[case::of_the_previous("previous=true", true)]
#[case::of_the_current("previous=false", true)]
#[case::of_neither("previous=maybe", false)]
fn a_malformed_value_is_told_by_the_log(#[case] which: &'static str, #[case] is_malformed: bool) {
    let cluster = PodServer::with_queries(move |path, query, count| {
        let mut pod = pod("api", 0, None);
        pod["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "settings"}}]);
        let status = &mut pod["status"]["containerStatuses"][0];
        status["state"] = json!({"waiting": {"reason": "CrashLoopBackOff"}});
        status["lastState"] =
            json!({"terminated": {"reason": "Error", "exitCode": 2, "finishedAt": "2026-01-01T00:00:01Z"}});
        if count == 0 {
            status["lastState"] = json!({});
        }
        Some(match path {
            "/api/v1/namespaces/shop/pods/api" => (200, pod),
            "/api/v1/namespaces/shop/pods/api/log" if query.contains(which) => (
                200,
                "runtime: GOMEMLIMIT=900M\nfatal error: malformed GOMEMLIMIT; see `go doc runtime/debug`"
                    .into(),
            ),
            "/api/v1/namespaces/shop/pods/api/log" => (200, "another incarnation".into()),
            _ => return None,
        })
    });
    let report = cluster.run("observe", &[&["api", "-o", "json"][..], &SHORT].concat()).json();
    let wanted = if is_malformed { "malformed-gomemlimit" } else { "failed" };
    assert_eq!(report["containers"][0]["ends"][0]["kind"], wanted, "{report}");
    let diagnosed = cluster.run("diagnose", &["api"]);
    if is_malformed {
        assert!(
            diagnosed.stdout.starts_with("misconfigured: the container exited with code 2"),
            "{}",
            diagnosed.stdout
        );
    } else {
        diagnosed.is_refused("does not run (CrashLoopBackOff); before, it ended with Error, exit code 2");
    }
    let logs = || cluster.asked().iter().filter(|one| one.contains("/log?")).count();
    assert!(logs() <= 4, "a log is read once for each command: {:?}", cluster.asked());
}

#[test]
fn a_pod_that_goes_away_ends_it() {
    let cluster = PodServer::new(|path, count| {
        (path == "/api/v1/namespaces/shop/pods/api" && count < 3).then(|| (200, pod("api", 0, None)))
    });
    let started = Instant::now();
    let output = cluster.run("observe", &["pod/api", "--for", "5m", "--interval", "100ms"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stdout.contains(", until the pod was gone\n"), "{}", output.stdout);
    assert!(started.elapsed() < Duration::from_mins(1));
}

#[rstest]
#[case("INT")]
#[case("TERM")]
fn a_signal_ends_it_and_nothing_is_lost(#[case] signal: &str) {
    let cluster = cluster(false);
    let child = cluster
        .start("observe", &["deploy/api", "--for", "10m", "--interval", "100ms", "--save", "kept.json"]);
    let until = Instant::now() + Duration::from_secs(30);
    while cluster.asked().iter().filter(|one| one.starts_with(PODS)).count() < 4 {
        assert!(Instant::now() < until, "nothing was asked");
        std::thread::sleep(Duration::from_millis(20));
    }
    crate::support::running::signal(child.id(), signal);
    let output = CommandOutput::of(child);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stdout.contains(", interrupted\n"), "{}", output.stdout);
    let kept: Value = serde_json::from_str(&fs::read_to_string(cluster.path("kept.json")).unwrap()).unwrap();
    assert_eq!(kept["ended"], "interrupted");
    assert!(kept["containers"][0]["restarts"].as_u64().unwrap() >= 1, "{kept}");
}

#[rstest]
#[case::no_pod(&["api-0"], "there is no pod api-0 in namespace shop; of a workload write TYPE/NAME, such as deployment/api-0")]
#[case::no_workload(&["deploy/other"], "there is no deployment other in namespace shop")]
#[case::no_kind(&["service/api"], "\"service\" is not a resource type with pods, unlike service.serving.knative.dev (ksvc); there are pod (po), deployment (deploy), ")]
#[case::no_name(&["deploy/A"], "\"A\" is not a name of Kubernetes")]
#[case::no_selector(&["cronjob/nightly"], "cronjob/nightly has no pods of its own; name one of its jobs")]
#[case::no_pods(&["-l", "app=none"], "pods app=none has no pods in namespace shop")]
#[case::everything(&["-l", " "], "--selector selects nothing: write KEY=VALUE")]
#[case::forbidden(&["sts/db"], "cannot get resource \"statefulsets\"; grant get on statefulsets, or name a pod")]
#[case::no_container(&["deploy/api", "-c", "proxy"], "deployment/api has no container proxy; it has app")]
#[case::no_baseline(&["deploy/api", "--baseline", "none.json"], "cannot read none.json")]
#[case::endless_baseline(&["deploy/api", "--baseline", "/dev/zero"], "cannot read /dev/zero: it is larger than 256 MiB")]
#[case::other_baseline(&["deploy/api", "--baseline", "kubeconfig"], "kubeconfig: is not what observe --save writes")]
#[case::same_file(&["deploy/api", "--baseline", "b.json", "--save", "b.json"], "--save would overwrite the baseline")]
#[case::no_folder(&["deploy/api", "--save", "none/a.json"], "cannot write none/a.json: No such file or directory (os error 2)\n")]
#[case::no_folder_for_a_picture(&["deploy/api", "--svg", "none/a.svg"], "cannot write none/a.svg: No such file or directory (os error 2)\n")]
fn what_cannot_be_observed(#[case] arguments: &[&str], #[case] wanted: &str) {
    let cluster = PodServer::new(|path, _| {
        Some(match path {
            DEPLOYMENT => deployment(),
            "/apis/batch/v1/namespaces/shop/cronjobs/nightly" => {
                (200, json!({"spec": {"schedule": "@daily"}}))
            }
            "/apis/apps/v1/namespaces/shop/statefulsets/db" => {
                status(403, "cannot get resource \"statefulsets\"")
            }
            PODS => list(&[pod("api-1", 0, None)]),
            _ => return None,
        })
    });
    fs::write(cluster.path("b.json"), "{\"schema\":\"gomemlimit.dev/observation\",\"version\":1}").unwrap();
    if arguments.first() == Some(&"-l") {
        let empty = PodServer::new(|path, _| (path == PODS).then(|| list(&[])));
        return empty.run("observe", arguments).is_refused(wanted);
    }
    cluster.run("observe", arguments).is_refused(wanted);
}

#[rstest]
#[case(&[], "required arguments were not provided")]
#[case(&["api", "-l", "app=api"], "cannot be used with")]
#[case(&["api", "--for", "0s"], "must be more than 0s")]
#[case(&["api", "--for", "2d"], "must be at most 24h")]
#[case(&["api", "--interval", "1ns"], "must be at least 100ms")]
#[case(&["api", "--port", "0"], "0 is not in 1..=65535")]
#[case(&["api", "-o", "yaml"], "possible values: table, json")]
fn arguments_that_make_no_sense(#[case] arguments: &[&str], #[case] wanted: &str) {
    let output = PodServer::new(|_, _| None).run("observe", arguments);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""));
    assert!(output.stderr.contains(wanted), "{}", output.stderr);
}

#[test]
fn the_page_explains_every_field_that_is_saved() {
    let page = include_str!("../../../docs/observe.md");
    let sources = [
        include_str!("../../../crates/observation/src/record.rs"),
        include_str!("../../../crates/observation/src/figures.rs"),
    ];
    let mut count = 0;
    for line in sources.iter().flat_map(|source| source.lines()) {
        let Some((name, _)) = line.trim().strip_prefix("pub ").and_then(|line| line.split_once(": ")) else {
            continue;
        };
        if name.contains(' ') {
            continue;
        }
        let mut words = name.split('_');
        let mut field = words.next().unwrap().to_owned();
        for word in words {
            field += &(word[..1].to_uppercase() + &word[1..]);
        }
        assert!(page.contains(&format!("`{field}`")), "{field} is not explained");
        count += 1;
    }
    assert!(count > 35, "{count}");
}
