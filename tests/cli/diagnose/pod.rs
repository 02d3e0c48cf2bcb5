//! `gomemlimit diagnose POD` as a user runs it, on a fake API server that forwards ports, too.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rstest::rstest;
use serde_json::{Value, json};

use gomemlimit_fake_api_server::{CommandOutput, PodServer, Program, program};

const POD: &str = "/api/v1/namespaces/shop/pods/api";
const SUMMARY: &str = "/api/v1/nodes/n/proxy/stats/summary";
const METRICS: &str = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods/api";
const QUICK: [&str; 3] = ["api", "--interval", "10ms"];

/// A pod of one container of 256Mi that was restarted so often.
fn pod(restarts: usize) -> Value {
    let last = match restarts {
        0 => json!({}),
        _ => {
            json!({"terminated": {"reason": "Error", "exitCode": 137, "finishedAt": "2026-01-01T00:00:09Z"}})
        }
    };
    json!({
        "metadata": {"name": "api", "namespace": "shop"},
        "spec": {"nodeName": "n", "containers": [{"name": "app", "resources": {"limits": {"memory": "256Mi"}}}]},
        "status": {"phase": "Running", "containerStatuses": [{
            "name": "app", "restartCount": restarts, "containerID": format!("c{restarts}"),
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "lastState": last,
        }]},
    })
}

fn summary(rss: u64) -> Value {
    json!({"pods": [{"podRef": {"name": "api", "namespace": "shop"},
                     "containers": [{"name": "app", "memory": {"rssBytes": rss, "workingSetBytes": 1}}]}]})
}

/// The kubelet answers first, and is silent or new to the pod later; one trend has figures of one kind.
#[rstest]
#[case::kubelet(|count| (count == 0).then(|| summary(100 << 20)), "kubelet", Value::Null)]
#[case::metrics_server(|count| Some(if count == 0 { json!({}) } else { summary(100 << 20) }), "metrics-server", json!(7 << 20))]
fn resident_memory_is_of_one_source(
    #[case] kubelet: fn(usize) -> Option<Value>,
    #[case] source: &str,
    #[case] last: Value,
) {
    let cluster = PodServer::with_program(
        move |path, count| match path {
            POD => Some((200, pod(0))),
            SUMMARY => kubelet(count).map(|body| (200, body)),
            METRICS => Some((200, json!({"containers": [{"name": "app", "usage": {"memory": "7Mi"}}]}))),
            _ => None,
        },
        |path, _| program(path),
    );
    let report = cluster.run("diagnose", &[&QUICK[..], &["--captures", "2", "-o", "json"]].concat()).json();
    assert_eq!((&report["figures"]["rssSource"], &report["figures"]["rss"]), (&json!(source), &last));
}

/// The kubelet of a node that is gone never answers.
#[test]
fn a_kubelet_that_keeps_silent_is_not_waited_for() {
    let cluster = PodServer::with_program(
        |path, _| match path {
            POD => Some((200, pod(0))),
            SUMMARY => {
                std::thread::sleep(Duration::from_mins(2));
                None
            }
            _ => None,
        },
        |path, _| program(path),
    );
    let started = Instant::now();
    let report = cluster.run("diagnose", &[&QUICK[..], &["--captures", "1", "-o", "json"]].concat()).json();
    assert_eq!((&report["figures"]["captures"], &report["figures"]["rss"]), (&json!(1), &Value::Null));
    assert!(started.elapsed() < Duration::from_mins(1), "{:?}", started.elapsed());
}

/// The same limits as those of the webhook and of audit.
#[rstest]
#[case::remainder(&json!([{"name": "app"}, {"name": "proxy", "resources": {"limits": {"memory": "128Mi"}}}]), json!({"bytes": 896 << 20}))]
#[case::shared(&json!([{"name": "app"}, {"name": "proxy"}]), json!("unknown"))]
fn a_limit_of_the_pod(#[case] containers: &Value, #[case] wanted: Value) {
    let containers = containers.clone();
    let cluster = PodServer::with_program(
        move |path, _| {
            let mut pod = pod(0);
            pod["spec"]["containers"] = containers.clone();
            pod["spec"]["resources"] = json!({"limits": {"memory": "1Gi"}});
            (path == POD).then_some((200, pod))
        },
        |path, _| program(path),
    );
    let output = cluster.run("diagnose", &["api", "-c", "app", "--captures", "1", "-o", "json"]);
    assert_eq!(output.json()["figures"]["limit"], wanted);
}

/// The pods of a deployment: two that run, one that is ready of them, and one that has ended.
fn pods() -> Value {
    let of = |name: &str, phase: &str, ready: &str| {
        let mut pod = pod(0);
        pod["metadata"]["name"] = json!(name);
        pod["status"]["phase"] = json!(phase);
        pod["status"]["conditions"] =
            json!([{"type": "Ready", "status": ready, "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        pod
    };
    let pods =
        [of("ended", "Succeeded", "True"), of("starting", "Running", "False"), of("api", "Running", "True")];
    json!({"metadata": {}, "items": pods})
}

/// The API server with a workload that selects `app=api`.
fn workload(path: &'static str, selector: &'static str) -> PodServer {
    PodServer::with_program(
        move |asked, _| match asked {
            POD => Some((200, pod(0))),
            "/api/v1/namespaces/shop/pods" => Some((200, pods())),
            _ if asked == path => {
                let selector: Value = serde_json::from_str(selector).unwrap();
                Some((200, json!({"spec": {"selector": selector}})))
            }
            _ => None,
        },
        |path, _| program(path),
    )
}

#[rstest]
#[case(
    "deployment/api",
    "/apis/apps/v1/namespaces/shop/deployments/api",
    r#"{"matchLabels": {"app": "api"}}"#
)]
#[case(
    "deployment.apps/api",
    "/apis/apps/v1/namespaces/shop/deployments/api",
    r#"{"matchLabels": {"app": "api"}}"#
)]
#[case("Deploy/api", "/apis/apps/v1/namespaces/shop/deployments/api", r#"{"matchLabels": {"app": "api"}}"#)]
#[case("rc/api", "/api/v1/namespaces/shop/replicationcontrollers/api", r#"{"app": "api"}"#)]
#[case("job.batch/api", "/apis/batch/v1/namespaces/shop/jobs/api", r#"{"matchLabels": {"app": "api"}}"#)]
fn of_a_workload_it_is_the_pod_of_kubectl_logs(
    #[case] target: &str,
    #[case] path: &'static str,
    #[case] selector: &'static str,
) {
    let cluster = workload(path, selector);
    let output = cluster.run("diagnose", &[target, "--captures", "1", "-o", "json"]);
    assert_eq!(output.json()["target"], "shop/api/app", "{}", output.stderr);
    assert_eq!(output.stderr, "note: found 2 pods, using pod/api\n");
    let asked = cluster.asked();
    let listed = asked.iter().find(|path| path.starts_with("/api/v1/namespaces/shop/pods?")).unwrap();
    assert!(listed.contains("labelSelector=app%3Dapi"), "{listed}");
}

#[test]
fn workloads_without_a_pod() {
    let cluster = workload("/apis/batch/v1/namespaces/shop/cronjobs/nightly", "{}");
    cluster
        .run("diagnose", &["cronjob.batch/nightly"])
        .is_refused("cronjob/nightly has no pods of its own; name one of its jobs, or a pod");
    cluster.run("diagnose", &["sts/db"]).is_refused("error: there is no statefulset db in namespace shop\n");
    let cluster = PodServer::new(|path, _| match path {
        "/apis/apps/v1/namespaces/shop/deployments/api" => {
            Some((200, json!({"spec": {"selector": {"matchLabels": {"app": "api"}}}})))
        }
        "/api/v1/namespaces/shop/pods" => Some((200, json!({"metadata": {}, "items": []}))),
        _ => None,
    });
    cluster.run("diagnose", &["deploy/api"]).is_refused("no pod of deployment/api runs in namespace shop");
}

/// As `kubectl logs` chooses, but for the port that is called `pprof`.
#[rstest]
#[case::first(&[], json!({}), "proxy", "note: defaulted container proxy out of: proxy, app\n")]
#[case::port(&[], json!({"ports": [{"name": "pprof", "containerPort": 6060}]}), "app",
    "note: defaulted container app out of: proxy, app\n")]
#[case::annotation(&[], json!("app"), "app", "")]
#[case::flag(&["-c", "app"], json!("proxy"), "app", "")]
fn of_several_containers(
    #[case] flags: &[&str],
    #[case] app: Value,
    #[case] container: &str,
    #[case] said: &str,
) {
    let mut pod = pod(0);
    if app.is_string() {
        pod["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/default-container": app});
    }
    pod["spec"]["containers"] =
        json!([{"name": "proxy"}, {"name": "app", "ports": app.get("ports").unwrap_or(&json!([]))}]);
    let status = |name: &str| json!({"name": name, "restartCount": 0, "containerID": name, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}});
    pod["status"]["containerStatuses"] = json!([status("proxy"), status("app")]);
    let cluster = PodServer::with_program(
        move |path, _| (path == POD).then(|| (200, pod.clone())),
        |path, _| program(path),
    );
    let output = cluster.run("diagnose", &[&["pod/api", "--captures", "1", "-o", "json"], flags].concat());
    assert_eq!(output.json()["target"], format!("shop/api/{container}"));
    assert_eq!(output.stderr, said);
    let output = cluster.run("diagnose", &["api", "-c", "db"]);
    output.is_refused("error: pod shop/api has no container db; it has proxy, app\n");
}

/// The stream of a port-forward goes through the client that renews credentials.
#[test]
fn a_port_is_forwarded_with_the_token_of_a_plugin() {
    let cluster =
        PodServer::with_program(|path, _| (path == POD).then(|| (200, pod(0))), |path, _| program(path));
    let kubeconfig = cluster.path("kubeconfig");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&kubeconfig).unwrap()).unwrap();
    config["users"][0]["user"] = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", "command": "echo",
        "args": [json!({"kind": "ExecCredential", "status": {"token": "t"}}).to_string()],
    }});
    fs::write(&kubeconfig, config.to_string()).unwrap();
    let output = cluster.run("diagnose", &["api", "--captures", "1", "-o", "json"]);
    assert_eq!(output.json()["figures"]["captures"], 1, "{}", output.stderr);
}

#[rstest]
#[case::by_the_oom_killer("OOMKilled", true)]
#[case::by_the_kubelet("Error", false)]
fn exit_code_137_is_an_oom_kill_only_where_the_runtime_reports_one(
    #[case] reason: &'static str,
    #[case] is_oom_kill: bool,
) {
    let killed = move |path: &str, _| {
        let mut pod = pod(1);
        pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"] = reason.into();
        (path == POD).then_some((200, pod))
    };
    let cluster = PodServer::with_program(killed, |path, _| program(path));
    let report = cluster.run("diagnose", &["api", "--captures", "1", "-o", "json"]).json();
    let history = json!({"oomKilled": is_oom_kill, "malformed": false, "restarts": 1});
    assert_eq!(report["figures"]["history"], history);
}

#[test]
fn what_the_program_and_the_kubelet_say() {
    let one = |answer: fn(&str) -> Program| {
        let cluster = PodServer::with_program(
            |path, _| (path == POD).then(|| (200, pod(0))),
            move |path, _| answer(path),
        );
        cluster.run("diagnose", &QUICK)
    };
    one(|_| Program::Page(404, b"no".to_vec()))
        .is_refused("error: port 6060 of pod shop/api answered with HTTP 404 to /debug/pprof/heap: there is");
    one(|_| Program::Page(500, b"\x1b[2Joh".to_vec())).is_refused(
        "/debug/pprof/heap?gc=1&debug=1 on port 6060 of pod shop/api answered with HTTP 500 Internal Server Error: \
         \\u{1b}[2Joh",
    );
    one(|_| Program::Problem("\x1b[31mconnect failed".to_owned()))
        .is_refused("port 6060 of pod shop/api: \\u{1b}[31mconnect failed");
    one(|_| Program::Problem("dial tcp4 127.0.0.1:6060: connect: connection refused".to_owned()))
        .is_refused("nothing listens on port 6060 of pod shop/api; import net/http/pprof");
}

/// Two captures, then the container is killed.
#[test]
fn what_was_captured_of_a_container_that_is_killed_is_kept() {
    let cluster = PodServer::with_program(
        |path, count| match (path, count) {
            (POD, 0 | 1) => Some((200, pod(0))),
            (POD, _) => {
                let mut pod = pod(1);
                pod["status"]["containerStatuses"][0]["state"] =
                    json!({"waiting": {"reason": "CrashLoopBackOff"}});
                Some((200, pod))
            }
            _ => None,
        },
        |path, _| program(path),
    );
    let output = cluster.run("diagnose", &[&QUICK[..], &["--save", "kept"]].concat());
    assert_eq!((output.code, &*output.stdout), (2, ""), "{}", output.stderr);
    let wanted = "error: container app of pod shop/api ended half-way (Error, exit code 137); \
                  the 2 captures before that lie in kept\n";
    assert_eq!(output.stderr, wanted);
    assert!(cluster.path("kept/heap-2.pb.gz").exists());
    let output = cluster.run("diagnose", &["-f", "kept"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    cluster.run("diagnose", &["api"]).is_refused(
        "container app of pod shop/api does not run (CrashLoopBackOff); before, it ended with Error, exit code 137\n",
    );
}

/// The pod is replaced by one of another name.
#[test]
fn what_was_captured_of_a_pod_that_is_replaced_is_kept() {
    let cluster = PodServer::with_program(
        |path, count| (path == POD && count < 2).then(|| (200, pod(0))),
        |path, _| program(path),
    );
    let output = cluster.run("diagnose", &[&QUICK[..], &["--save", "kept"]].concat());
    assert_eq!((output.code, &*output.stdout), (2, ""), "{}", output.stderr);
    assert_eq!(output.stderr, "error: pod shop/api is gone; the 2 captures before that lie in kept\n");
}

/// Captures are taken long after each other; a signal comes after one of them, and none is lost.
#[rstest]
#[case::kept("INT", &["--save", "kept"], 1)]
#[case::not_kept("TERM", &[], 1)]
#[case::before_the_first("INT", &[], 0)]
fn a_signal_loses_nothing(#[case] signal: &str, #[case] more: &[&str], #[case] captures: usize) {
    let cluster = PodServer::with_program(
        |path, _| (path == POD).then(|| (200, pod(0))),
        move |path, _| {
            if captures == 0 {
                std::thread::sleep(Duration::from_mins(2));
            }
            program(path)
        },
    );
    let child = cluster.start("diagnose", &[&["api", "--interval", "10m"][..], more].concat());
    // The last page of a capture.
    let until = Instant::now() + Duration::from_secs(30);
    let is_there = || match captures {
        0 => cluster.count(&format!("{POD}/portforward")) > 0,
        _ => cluster.pages("/debug/pprof/goroutineleak?debug=1") == captures,
    };
    while !is_there() {
        assert!(Instant::now() < until, "nothing was asked");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    crate::support::running::signal(child.id(), signal);
    let output = CommandOutput::of(child);
    let files = |path: &Path| fs::read_dir(path).unwrap().count();
    assert_eq!(files(&cluster.path("tmp")), 0, "nothing is left over");
    if captures == 0 {
        return output.is_refused("interrupted before anything was captured");
    }
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(output.stderr, "note: interrupted; this is by the 1 capture until then\n");
    assert!(output.stdout.starts_with("inconclusive: "), "{}", output.stdout);
    assert_eq!(output.stdout.contains("The captures are in kept;"), !more.is_empty(), "{}", output.stdout);
    if !more.is_empty() {
        assert!(cluster.path(&format!("kept/heap-{captures}.pb.gz")).exists());
    }
}
