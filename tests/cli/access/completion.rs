//! Completions are offered within two seconds, with the names that are known by then.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;

use super::server::{Home, Server};

/// Far more than two seconds on a busy machine, and far less than a plugin or a server that hangs takes.
const MAX_TIME: Duration = Duration::from_mins(1);
/// Time that a plugin or a server that hangs would take.
const HANG_SECONDS: &str = "600";

/// The candidates for the last of these words, and the time that they took.
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
        "echo $$ >\"{0}/pid\"\necho noise >&2\ncat >\"{0}/stdin\"\nexec sleep {HANG_SECONDS}\n",
        home.path("").display()
    );
    home.write("plugin", &script);
    let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": [home.path("plugin")]});
    let config = home
        .kubeconfig(&json!({"server": format!("http://127.0.0.1:{}", server.port)}), &json!({"exec": exec}));
    let (lines, elapsed) = complete(&home, &["gomemlimit", "audit", "-n", ""], &config);
    assert!(elapsed < MAX_TIME && lines.is_empty(), "{elapsed:?} {lines:?}");
    assert_eq!(home.read("stdin"), "", "what was typed ahead is the shell's");
    let pid = home.read("pid");
    let until = Instant::now() + MAX_TIME;
    while Command::new("kill").args(["-0", pid.trim()]).stderr(Stdio::null()).status().unwrap().success() {
        assert!(Instant::now() < until, "the plugin goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.count(), 0);
}

/// A read of a file cannot be cancelled: the thread is left behind.
#[test]
fn a_kubeconfig_that_hangs_is_given_up() {
    let home = Home::new();
    let fifo = home.path("config");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for words in [&["gomemlimit", "audit", "-n", ""][..], &["gomemlimit", "audit", "--context", ""]] {
        let (lines, elapsed) = complete(&home, words, &fifo);
        assert!(elapsed < MAX_TIME && lines.is_empty(), "{elapsed:?} {lines:?}");
    }
}

/// A server with a first page, and a second one that never comes.
#[test]
fn names_that_are_known_by_then_are_offered() {
    let home = Home::new();
    let server = Server::with(|head| {
        if head.contains("continue=") {
            std::thread::sleep(Duration::from_secs(HANG_SECONDS.parse().unwrap()));
        }
        (200, json!({"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "shop"}}]}))
    });
    let config = home.kubeconfig(&json!({"server": format!("http://127.0.0.1:{}", server.port)}), &json!({}));
    for words in [&["gomemlimit", "audit", "-n", "sh"][..], &["gomemlimit", "diagnose", "--namespace", "sh"]]
    {
        let (lines, elapsed) = complete(&home, words, &config);
        assert!(elapsed < MAX_TIME, "{elapsed:?}");
        assert_eq!(lines, ["shop"]);
    }
    // Contexts, clusters and users are those of the kubeconfig.
    for (flag, name) in [("--context", "c"), ("--cluster", "c"), ("--user", "u")] {
        assert_eq!(complete(&home, &["gomemlimit", "audit", flag, ""], &config).0, [name]);
    }
}
