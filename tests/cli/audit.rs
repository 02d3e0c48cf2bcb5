//! `audit` against a scripted API server on loopback: the real program and real sockets, and answers that a test
//! cannot get from a real server on demand (expired pages, missing rights, garbage). The real server judges the
//! rest in tests/e2e/tests.

use std::{
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::net::TcpListener;

use gomemlimit_fake_api_server::{ScriptedServer, cluster_fixture::namespace, failure, forbidden, list, pod};

/// Maximum time for anything that the program does in these tests.
const TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn pages_that_expire_are_read_again_from_the_beginning() {
    let gone = Mutex::new(2);
    let server =
        ScriptedServer::start(move |path, query| match (path, query.get("continue").map(String::as_str)) {
            ("/api/v1/pods", None) => list(&[pod("a"), pod("b")], "two"),
            ("/api/v1/pods", Some("two")) => list(&[pod("c")], "three"),
            ("/api/v1/pods", Some("three")) => {
                let mut gone = gone.lock().unwrap();
                if *gone > 0 {
                    *gone -= 1;
                    return failure(410, "the provided continue parameter is too old");
                }
                list(&[pod("d")], "")
            }
            (path, _) => forbidden(path),
        });
    let (code, stdout, stderr) = server.run(&["audit", "-A", "-o", "json", "--chunk-size", "2"]).await;
    assert_eq!(code, 0, "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let pods: Vec<_> =
        report["containers"].as_array().unwrap().iter().map(|one| one["pod"].clone()).collect();
    assert_eq!(pods, ["a", "b", "c", "d"], "nothing twice");
    assert_eq!(report["summary"]["total"]["covered"], 4);
    assert_eq!(server.pages(), ["", "two", "three", "", "two", "three", "", "two", "three"]);
    let asked = server.asked.lock().unwrap();
    assert!(asked.iter().filter(|(path, _)| path == "/api/v1/pods").all(|(_, query)| query["limit"] == "2"));
}

#[tokio::test]
async fn a_list_that_never_ends_is_given_up() {
    let server = ScriptedServer::start(|path, query| match (path, query.get("continue")) {
        ("/api/v1/pods", None) => list(&[pod("a")], "two"),
        ("/api/v1/pods", Some(_)) => failure(410, "the provided continue parameter is too old"),
        (path, _) => forbidden(path),
    });
    let (code, stdout, stderr) = server.run(&["audit", "-A"]).await;
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("too old"), "{stderr}");
    assert_eq!(server.pages().len(), 12);
}

#[tokio::test]
async fn answers_that_are_not_what_was_asked_for_are_one_sentence() {
    for (body, said) in [
        ((200, "<html>".to_owned()), "something that cannot be read"),
        ((200, r#"{"metadata": {}, "items": {}}"#.to_owned()), "something that cannot be read"),
        (failure(500, "etcd is sad"), "the API server answered: etcd is sad"),
        (failure(401, "Unauthorized"), "the API server does not know who this is: Unauthorized"),
        (failure(403, "pods is forbidden"), "pods is forbidden; grant get and list on pods"),
    ] {
        let server = ScriptedServer::start(move |path, _| match path {
            "/api/v1/namespaces/shop/pods" => body.clone(),
            path => forbidden(path),
        });
        let (code, stdout, stderr) = server.run(&["audit"]).await;
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(said), "{stderr}");
        assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
    }
}

#[tokio::test]
async fn a_pod_of_an_unknown_shape_is_left_out_and_reported() {
    let server = ScriptedServer::start(|path, _| match path {
        "/api/v1/namespaces/shop/pods" => {
            list(&[json!({"metadata": {"name": "strange"}, "spec": {"containers": 7}}), pod("a")], "")
        }
        path => forbidden(path),
    });
    let (code, stdout, stderr) = server.run(&["audit"]).await;
    assert_eq!(code, 0);
    assert!(stdout.contains("covered") && !stdout.contains("strange"), "{stdout}");
    assert!(stderr.contains("warning: 1 pods cannot be read and are left out"), "{stderr}");
    assert!(stderr.contains("warning: cannot read namespaces"), "{stderr}");
    assert!(stderr.contains("Decided by this program's defaults."), "{stderr}");
}

#[tokio::test]
async fn finished_pods_are_left_out_unless_asked_for() {
    let server = ScriptedServer::start(|path, _| match path {
        "/api/v1/namespaces/shop/pods" => {
            let mut done = pod("done");
            done["status"]["phase"] = "Succeeded".into();
            list(&[done, pod("a")], "")
        }
        path => forbidden(path),
    });
    let count = async |arguments: &[&str]| {
        let (_, stdout, _) = server.run(&[&["audit", "-o", "json"], arguments].concat()).await;
        serde_json::from_str::<Value>(&stdout).unwrap()["containers"].as_array().unwrap().len()
    };
    assert_eq!((count(&[]).await, count(&["--finished"]).await), (1, 2));
    assert_eq!(count(&["--only", "stale"]).await, 0);
}

#[tokio::test]
async fn the_labels_selector_is_the_api_servers() {
    let server = ScriptedServer::start(|path, _| match path {
        "/api/v1/namespaces/shop/pods" => list(&[], ""),
        path => forbidden(path),
    });
    let (code, stdout, stderr) = server.run(&["audit", "-l", "app=api"]).await;
    assert_eq!((code, stdout.as_str()), (0, ""));
    assert!(stderr.lines().any(|line| line == "No resources found in shop namespace."), "{stderr}");
    let asked = server.asked.lock().unwrap();
    let (_, query) = asked.iter().find(|(path, _)| path.ends_with("/pods")).unwrap();
    assert_eq!(query["labelSelector"], "app%3Dapi");
}

type StderrLines = tokio::io::Lines<tokio::io::BufReader<tokio::process::ChildStderr>>;

/// `audit --listen` with these arguments, and its lines on stderr.
fn listen(server: &ScriptedServer, arguments: &[&str]) -> (tokio::process::Child, StderrLines) {
    let mut command = server.command(&[&["audit", "--listen", "127.0.0.1:0"], arguments].concat());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let stderr = child.stderr.take().unwrap();
    (child, tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(stderr)))
}

/// Waits for a line on stderr, and returns the lines up to it.
async fn lines_until(lines: &mut StderrLines, text: &str) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    while !seen.last().is_some_and(|line| line.contains(text)) {
        let line = tokio::time::timeout(TIMEOUT, lines.next_line()).await;
        seen.push(line.expect("a line").unwrap().expect("more lines"));
    }
    seen
}

/// `audit --listen` with an interval of 1 s, and its address.
async fn publish(server: &ScriptedServer) -> (tokio::process::Child, String) {
    let (child, mut lines) = listen(server, &["--interval", "1s"]);
    let line = lines.next_line().await.unwrap().unwrap();
    let url = line.strip_prefix("Publishing at ").and_then(|line| line.strip_suffix("/metrics every 1s."));
    let url = url.unwrap_or_else(|| panic!("{line}")).to_owned();
    // It goes on writing to it.
    #[expect(clippy::disallowed_methods, reason = "the test's tasks end with its runtime")]
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, url)
}

/// A failed call of `--listen` is logged at once, and repeated at the next interval; a command that asks once may wait.
#[tokio::test]
async fn a_busy_server_is_asked_again_only_by_commands_that_ask_once() {
    let pods = "/api/v1/namespaces/shop/pods";
    let busy = || failure(503, "the server is currently unable to handle the request");
    let server = ScriptedServer::start(move |path, _| if path == pods { busy() } else { forbidden(path) });
    let (_child, mut lines) = listen(&server, &["--interval", "1h"]);
    let seen = lines_until(&mut lines, "currently unable").await;
    assert!(seen.last().unwrap().ends_with("; trying again every 1h"), "{seen:?}");
    assert_eq!(server.count(pods), 1);
    let requests = Mutex::new(0);
    let server = ScriptedServer::start(move |path, _| {
        let mut requests = requests.lock().unwrap();
        *requests += usize::from(path == pods);
        match path {
            _ if path == pods && *requests < 3 => busy(),
            _ if path == pods => list(&[pod("a")], ""),
            path => forbidden(path),
        }
    });
    let (code, _, stderr) = server.run(&["audit"]).await;
    assert_eq!((code, server.count(pods)), (0, 3), "{stderr}");
}

#[tokio::test]
async fn the_notes_of_an_audit_are_logged_again_only_if_they_change() {
    let namespaces = Mutex::new(0);
    let server = ScriptedServer::start(move |path, _| match path {
        "/api/v1/namespaces/shop/pods" => list(&[pod("a")], ""),
        "/api/v1/namespaces/shop" => {
            let mut namespaces = namespaces.lock().unwrap();
            *namespaces += 1;
            if *namespaces > 2 { forbidden(path) } else { (200, namespace("shop", &json!({})).to_string()) }
        }
        path => forbidden(path),
    });
    let (_child, mut lines) = listen(&server, &["--interval", "1s"]);
    let seen = lines_until(&mut lines, "cannot read namespaces").await;
    assert_eq!(seen.iter().filter(|line| line.starts_with("Decided by ")).count(), 1, "{seen:?}");
    assert_eq!(server.count("/api/v1/namespaces/shop"), 3);
}

#[tokio::test]
async fn counts_are_published_and_outlive_a_server_that_is_away() {
    let is_away = Arc::new(Mutex::new(true));
    let away = is_away.clone();
    let server = ScriptedServer::start(move |path, _| match path {
        "/api/v1/namespaces/shop/pods" if *away.lock().unwrap() => failure(500, "etcd is sad"),
        "/api/v1/namespaces/shop/pods" => list(&[pod("a"), pod("b")], ""),
        path => forbidden(path),
    });
    let (mut child, url) = publish(&server).await;
    let get = async |path: &str| {
        let (address, path) = (url.strip_prefix("http://").unwrap(), format!("/{path}"));
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned())
    };
    let until = async |path: &str, is_right: &dyn Fn(&str, &str) -> bool| {
        let started = std::time::Instant::now();
        loop {
            let (status, body) = get(path).await;
            if is_right(&status, &body) {
                return body;
            }
            assert!(started.elapsed().as_secs() < 30, "{path}: {status} {body}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    until("readyz", &|status, body| status == "503" && body.contains("etcd is sad")).await;
    let (status, body) = get("metrics").await;
    assert_eq!(status, "200");
    assert!(
        body.contains("gomemlimit_audit_failures_total ") && !body.contains("gomemlimit_containers"),
        "{body}"
    );
    assert_eq!(get("livez").await, ("200".to_owned(), "ok\n".to_owned()));

    *is_away.lock().unwrap() = false;
    until("readyz", &|status, body| status == "200" && body == "ok\n").await;
    let body = get("metrics").await.1;
    for line in [
        "# TYPE gomemlimit_containers gauge",
        "gomemlimit_containers{namespace=\"shop\",status=\"covered\"} 2",
        "gomemlimit_containers_oom_killed{namespace=\"shop\"} 0",
        "gomemlimit_containers_sigkilled{namespace=\"shop\"} 0",
        "# TYPE gomemlimit_audit_failures_total counter",
    ] {
        assert!(body.lines().any(|seen| seen == line), "{line}: {body}");
    }
    let time =
        body.lines().find_map(|line| line.strip_prefix("gomemlimit_audit_last_success_timestamp_seconds "));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - time.unwrap().parse::<f64>().unwrap()).abs() < 60.0, "{body}");

    *is_away.lock().unwrap() = true;
    until("readyz", &|status, body| {
        status == "200" && body.contains("trouble: ") && body.contains("etcd is sad")
    })
    .await;
    let body = get("metrics").await.1;
    assert!(body.contains("gomemlimit_containers{namespace=\"shop\",status=\"covered\"} 2"), "{body}");

    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

/// Neither audits nor probes nor the end wait for whoever reads stderr.
#[tokio::test]
async fn publishing_goes_on_although_nobody_reads_its_log() {
    let (_unread, mut stderr) = std::io::pipe().unwrap();
    // The capacity of a pipe is 64 KiB: pipe(7).
    std::io::Write::write_all(&mut stderr, &vec![b'\n'; 64 << 10]).unwrap();
    let server = ScriptedServer::start(|path, _| match path {
        "/api/v1/namespaces/shop/pods" => list(&[pod("a")], ""),
        path => forbidden(path),
    });
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_gomemlimit"))
        .args(["audit", "--listen", &address, "--interval", "1s"])
        .env("KUBECONFIG", server.kubeconfig.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let is_counted = async {
        loop {
            if let Ok(mut stream) = tokio::net::TcpStream::connect(&address).await {
                let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
                tokio::io::AsyncWriteExt::write_all(&mut stream, request).await.unwrap();
                let mut answer = String::new();
                tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
                if answer.contains("gomemlimit_containers{namespace=\"shop\",status=\"covered\"} 1") {
                    break answer;
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let metrics = tokio::time::timeout(TIMEOUT, is_counted).await.expect("counted");
    assert!(metrics.contains("\ngomemlimit_log_lines_dropped_total 0\n"), "{metrics}");
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let ended = tokio::time::timeout(TIMEOUT, child.wait()).await.expect("ended");
    assert_eq!(ended.unwrap().code(), Some(0));
}

/// The page that a request asks for, of `items` in all; as text, since they are large.
fn page(
    query: &gomemlimit_fake_api_server::Query,
    items: usize,
    make: impl Fn(usize) -> String,
) -> (u16, String) {
    let number = |key: &str| query.get(key).and_then(|text| text.parse().ok());
    let from = number("continue").unwrap_or(0);
    let to = items.min(from + number("limit").unwrap_or(items));
    let next = if to < items { to.to_string() } else { String::new() };
    let objects = (from..to).map(make).collect::<Vec<_>>().join(",");
    (200, format!(r#"{{"metadata":{{"resourceVersion":"7","continue":"{next}"}},"items":[{objects}]}}"#))
}

/// Memory of `audit --listen` is not that of what tenants write: pods of a megabyte, and namespaces with all annotations
/// and labels that they can have, of gomemlimit.dev and of others. The chart's limit is 128 MiB; a debug build takes 30 at rest.
#[tokio::test]
async fn large_objects_of_tenants_take_no_memory() {
    let entries = |of: &str, count: usize, text: usize| {
        let text = "y".repeat(text);
        let entries = (0..count).map(|index| format!(r#""a{index}.{of}/x":"{text}""#));
        entries.collect::<Vec<_>>().join(",")
    };
    let (labels, annotations) = (entries("example.com", 1000, 60), entries("gomemlimit.dev", 1000, 100));
    let (zeros, large) = ("0".repeat(60_000), pod("large").to_string());
    let args = format!(r#""args":["{}"],"name":"app""#, "x".repeat(1_000_000));
    let large = large.replace(r#""name":"app""#, &args);
    let server = ScriptedServer::start(move |path, query| match path {
        "/api/v1/namespaces" => page(query, 60, |index| {
            format!(
                r#"{{"metadata":{{"name":"ns-{index}","labels":{{{labels}}},"annotations":{{{annotations},"gomemlimit.dev/ratio":"{zeros}"}}}}}}"#
            )
        }),
        "/api/v1/pods" => page(query, 32, |_| large.clone()),
        path => forbidden(path),
    });
    let (child, mut lines) = listen(&server, &["-A", "--interval", "1h"]);
    // The last line of an audit.
    lines_until(&mut lines, "Decided by ").await;
    let peak = gomemlimit_procfs::Process(child.id().unwrap()).status("VmHWM").unwrap() >> 10;
    assert!(peak < 70, "{peak} MiB");
    let limits: Vec<_> = {
        let asked = server.asked.lock().unwrap();
        let pods = asked.iter().filter(|(path, _)| path == "/api/v1/pods");
        pods.map(|(_, query)| query["limit"].clone()).collect()
    };
    assert_eq!(limits, ["250", "125", "62", "31", "15", "7", "7", "7", "7", "7"]);
}

#[tokio::test]
async fn what_cannot_be_published_is_refused() {
    let server = ScriptedServer::start(|path, _| forbidden(path));
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (arguments, said) in [
        (["--listen", "127.0.0.1:0", "--fail-on", "stale"].as_slice(), "cannot be used with"),
        (&["--listen", "127.0.0.1:0", "-o", "json"], "cannot be used with"),
        (&["--allow-empty"], "--fail-on"),
        (&["--summary", "-o", "name"], "--summary has no pods"),
        (&["--interval", "1m"], "--listen"),
        (&["--listen", "127.0.0.1:0", "--interval", "0s"], "must be more than 0s"),
        (&["--listen", "127.0.0.1:0", "--interval", "1ns"], "must be at least 1s"),
        (&["--listen", "nowhere"], "is no address such as 127.0.0.1:8443"),
        (&["--listen", &address], "cannot listen on --listen"),
    ] {
        let (code, stdout, stderr) = server.run(&[&["audit"], arguments].concat()).await;
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
}
