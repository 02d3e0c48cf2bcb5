//! Completions are there within two seconds, with whatever is known by then.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;

use super::server::{Home, Server, one_pod};

/// Far more than two seconds, on a busy machine; far less than what is waited for.
const MOST: Duration = Duration::from_mins(1);
/// What everything that hangs would take.
const HANGS: &str = "600";

/// What a shell gets for the last of these words.
fn complete(home: &Home, words: &[&str], kubeconfig: &Path) -> (Vec<String>, Duration) {
    let mut command = home.command(&[&["--"], words].concat());
    command
        .envs([("COMPLETE", "bash"), ("_CLAP_IFS", "\n")])
        .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"typed ahead\n").unwrap();
    // The pipes end when the program and all that it has started have let go of them, as for $(…) in a shell.
    let output = child.wait_with_output().unwrap();
    let elapsed = started.elapsed();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect(), elapsed)
}

#[test]
fn a_plugin_that_hangs_is_ended() {
    let (server, home) = (Server::http(), Home::new());
    let script = format!(
        "echo $$ >\"{0}/pid\"\necho noise >&2\ncat >\"{0}/stdin\"\nexec sleep {HANGS}\n",
        home.path("").display()
    );
    home.write("plugin", &script);
    let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": [home.path("plugin")]});
    let config = home
        .kubeconfig(&json!({"server": format!("http://127.0.0.1:{}", server.port)}), &json!({"exec": exec}));
    // What needs no cluster is offered all the same.
    let (lines, elapsed) = complete(&home, &["gomemlimit", "explain", ""], &config);
    assert!(elapsed < MOST, "{elapsed:?}");
    assert!(lines.contains(&"deployment/".to_owned()), "{lines:?}");
    assert_eq!(home.read("stdin"), "", "what was typed ahead is the shell's");
    let pid = home.read("pid");
    let until = Instant::now() + MOST;
    while Command::new("kill").args(["-0", pid.trim()]).stderr(Stdio::null()).status().unwrap().success() {
        assert!(Instant::now() < until, "the plugin goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.count(), 0);
}

/// Nothing that is dropped ends the reading of a file: the thread is left behind.
#[test]
fn a_kubeconfig_that_hangs_is_given_up() {
    let home = Home::new();
    let fifo = home.path("config");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for words in [&["gomemlimit", "audit", "-n", ""][..], &["gomemlimit", "audit", "--context", ""]] {
        let (lines, elapsed) = complete(&home, words, &fifo);
        assert!(elapsed < MOST && lines.is_empty(), "{elapsed:?} {lines:?}");
    }
}

/// A server with a first page, and a second one that never comes.
#[test]
fn what_is_known_by_then_is_offered() {
    let home = Home::new();
    let server = Server::with(|head| {
        if head.contains("continue=") {
            std::thread::sleep(Duration::from_secs(HANGS.parse().unwrap()));
        }
        let (status, mut page) = one_pod(head);
        page["metadata"]["continue"] = json!("more");
        (status, page)
    });
    let config = home.kubeconfig(&json!({"server": format!("http://127.0.0.1:{}", server.port)}), &json!({}));
    for words in [&["gomemlimit", "explain", "ap"][..], &["gomemlimit", "diagnose", "ap"]] {
        let (lines, elapsed) = complete(&home, words, &config);
        assert!(elapsed < MOST, "{elapsed:?}");
        assert_eq!(lines, ["api"]);
    }
    // Contexts, clusters and users are those of the kubeconfig.
    for (flag, name) in [("--context", "c"), ("--cluster", "c"), ("--user", "u")] {
        assert_eq!(complete(&home, &["gomemlimit", "audit", flag, ""], &config).0, [name]);
    }
}
