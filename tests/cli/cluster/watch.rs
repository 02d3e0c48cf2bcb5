//! `audit --watch`: what is said, how often the API server is asked, and when it ends.

use std::{
    process::Stdio,
    sync::Mutex,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout},
    time::timeout,
};

use gomemlimit_fake_api_server::{
    SILENT, ScriptedServer, cluster_fixture::namespace, event, failure, forbidden, list, pod, pod_with,
};

const PODS: &str = "/api/v1/namespaces/shop/pods";
const LONG: Duration = Duration::from_secs(30);

/// A server with a list of pods at first and for ever, and watches one after the other; the last one stays.
fn server(watches: Vec<(u16, String)>) -> ScriptedServer {
    let watches = Mutex::new(watches);
    ScriptedServer::start(move |path, query| match (path, query.get("watch")) {
        (PODS, None) => list(&[pod("a"), pod_with("b", Some("512Mi"))], ""),
        (PODS, Some(_)) => {
            let mut watches = watches.lock().unwrap();
            if watches.len() > 1 { watches.remove(0) } else { watches[0].clone() }
        }
        (path, _) => forbidden(path),
    })
}

fn start(server: &ScriptedServer, arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = server.command(&[&["audit", "--watch"], arguments].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

/// The next lines about pods.
async fn said(lines: &mut Lines<BufReader<ChildStdout>>, count: usize) -> Vec<String> {
    let mut said = Vec::new();
    while said.len() < count {
        let line = timeout(LONG, lines.next_line()).await.expect("a line").unwrap().expect("more lines");
        if line.starts_with("shop/") || line.starts_with('{') {
            said.push(line);
        }
    }
    said
}

async fn stop(child: &mut Child, signal: &str) -> Option<i32> {
    let pid = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
    timeout(LONG, child.wait()).await.unwrap().unwrap().code()
}

#[tokio::test]
async fn a_pod_that_only_leaves_out_is_not_gone() {
    let changes = [
        event("MODIFIED", &pod_with("b", Some("900MiB"))),
        event("MODIFIED", &pod_with("b", Some("512Mi"))),
        event("MODIFIED", &pod_with("a", Some("800MiB"))),
        event("DELETED", &pod_with("a", Some("800MiB"))),
        event("DELETED", &pod_with("b", Some("512Mi"))),
    ];
    let server = server(vec![(SILENT, changes.concat())]);
    let (mut child, mut lines) = start(&server, &["--only", "malformed"]);
    let seen = said(&mut lines, 3).await;
    assert!(seen[0].starts_with("shop/b app: covered, ") && seen[0].ends_with("(none of --only any more)"));
    assert!(seen[1].starts_with("shop/b app: malformed, "), "{seen:?}");
    assert_eq!(seen[2], "shop/b: gone");
    assert_eq!(stop(&mut child, "-INT").await, Some(0));
    // The same for programs.
    let (_child, mut lines) = start(&server, &["--only", "malformed", "-o", "json"]);
    let seen: Vec<serde_json::Value> =
        said(&mut lines, 4).await.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |index: usize| (seen[index]["event"].clone(), seen[index]["container"]["status"].clone());
    assert_eq!(of(0), (json!("found"), json!("malformed")));
    assert_eq!(of(1), (json!("changed"), json!("covered")));
    assert_eq!(of(2), (json!("changed"), json!("malformed")));
    assert_eq!(seen[3], json!({"event": "gone", "namespace": "shop", "pod": "b"}));
}

#[tokio::test]
async fn what_only_leaves_out_can_fail_all_the_same_and_sigterm_says_so() {
    let changes = event("ADDED", &pod_with("c", Some("0")));
    for signal in ["-TERM", "-INT"] {
        let server =
            server(vec![(SILENT, changes.clone() + &event("DELETED", &pod_with("b", Some("512Mi"))))]);
        let (mut child, mut lines) = start(&server, &["--only", "malformed", "--fail-on", "too-low"]);
        assert_eq!(said(&mut lines, 1).await, ["shop/b: gone"]);
        assert_eq!(stop(&mut child, signal).await, Some(1));
    }
}

#[tokio::test]
async fn watches_that_end_at_once_are_not_begun_again_at_once() {
    let server = server(vec![(200, String::new())]);
    let (_child, _lines) = start(&server, &[]);
    watched(&server, 1).await;
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    // After 0.5, 1 and 2 s, or later on a busy machine.
    assert!(server.count(PODS, true) <= 4, "{}", server.count(PODS, true));
    watched(&server, 2).await;
}

/// Pods have been watched so often.
async fn watched(server: &ScriptedServer, times: usize) {
    let enough = async {
        while server.count(PODS, true) < times {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, enough).await.unwrap_or_else(|_| panic!("{} watches", server.count(PODS, true)));
}

#[tokio::test]
async fn what_may_not_be_watched_is_listed_now_and_then() {
    let server = server(vec![failure(403, "pods is forbidden: cannot watch")]);
    let (mut child, _lines) = start(&server, &[]);
    watched(&server, 1).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((server.count(PODS, true), server.count(PODS, false)), (1, 1));
    let stderr = child.stderr.take().unwrap();
    stop(&mut child, "-INT").await;
    let mut lines = BufReader::new(stderr).lines();
    let mut told = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        told.extend(line.contains("cannot watch").then_some(line));
    }
    assert_eq!(told, ["warning: pods is forbidden: cannot watch; all is listed every 1m instead"]);
}

#[tokio::test]
async fn after_a_list_that_failed_nothing_is_watched_from_before_it() {
    let lists = Mutex::new(0);
    let server = ScriptedServer::start(move |path, query| match (path, query.get("watch")) {
        (PODS, None) => {
            let mut lists = lists.lock().unwrap();
            *lists += 1;
            match *lists {
                1 => list(&[pod("a")], ""),
                2 | 3 => failure(500, "etcd is sad"),
                _ => list(&[pod_with("a", Some("512Mi"))], ""),
            }
        }
        (PODS, Some(_)) => (200, event("ERROR", &json!({"code": 410, "message": "too old"}))),
        (path, _) => forbidden(path),
    });
    let (_child, mut lines) = start(&server, &[]);
    assert!(said(&mut lines, 1).await[0].starts_with("shop/a app: malformed, "));
    let asked = server.asked.lock().unwrap();
    let kinds: Vec<_> =
        asked.iter().filter(|(path, _)| path == PODS).map(|(_, query)| query.contains_key("watch")).collect();
    assert_eq!(kinds[..5], [false, true, false, false, false]);
}

#[tokio::test]
async fn it_ends_when_nobody_reads() {
    let changes: String =
        (0..20).map(|index| event("ADDED", &pod_with(&format!("c{index}"), Some("512Mi")))).collect();
    let server = server(vec![(SILENT, changes)]);
    let (mut child, mut lines) = start(&server, &[]);
    timeout(LONG, lines.next_line()).await.unwrap().unwrap();
    drop(lines);
    let code = timeout(LONG, child.wait()).await.expect("it has ended").unwrap().code();
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn what_is_not_known_is_told_when_it_changes() {
    let started = Instant::now();
    let namespaces = Mutex::new(0);
    let server = ScriptedServer::start(move |path, query| match (path, query.get("watch")) {
        (PODS, None) => list(&[pod("a")], ""),
        (PODS, Some(_)) => (200, String::new()),
        ("/api/v1/namespaces/shop", _) => {
            let mut namespaces = namespaces.lock().unwrap();
            *namespaces += 1;
            if *namespaces > 1 { forbidden(path) } else { (200, namespace("shop", &json!({})).to_string()) }
        }
        (path, _) => forbidden(path),
    });
    let (mut child, _lines) = start(&server, &[]);
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    loop {
        let line = timeout(LONG, told.next_line()).await.unwrap().unwrap().unwrap();
        if line.contains("cannot read namespaces") {
            break;
        }
        assert!(started.elapsed() < LONG);
    }
}

#[tokio::test]
async fn a_summary_is_not_watched() {
    let (code, _, stderr) = server(vec![(200, String::new())]).run(&["audit", "--watch", "--summary"]).await;
    assert_eq!(code, 2);
    assert!(stderr.contains("cannot be used with"), "{stderr}");
}

/// What polls is told at once, and asks again when its time comes; what asks once may wait.
#[tokio::test]
async fn a_busy_server_is_asked_again_only_by_commands_that_ask_once() {
    let busy = || failure(503, "the server is currently unable to handle the request");
    let server = ScriptedServer::start(move |path, _| if path == PODS { busy() } else { forbidden(path) });
    let (code, _, stderr) = server.run(&["audit", "--watch"]).await;
    assert_eq!((code, server.count(PODS, false)), (2, 1), "{stderr}");
    assert!(stderr.contains("currently unable"), "{stderr}");
    let asked = Mutex::new(0);
    let server = ScriptedServer::start(move |path, _| {
        let mut asked = asked.lock().unwrap();
        *asked += usize::from(path == PODS);
        match path {
            PODS if *asked < 3 => busy(),
            PODS => list(&[pod("a")], ""),
            path => forbidden(path),
        }
    });
    let (code, _, stderr) = server.run(&["audit"]).await;
    assert_eq!((code, server.count(PODS, false)), (0, 3), "{stderr}");
}
