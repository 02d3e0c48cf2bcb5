//! An API server with one pod, over HTTP or TLS, and the program run against it.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::outcome::Outcome;

/// Heads of requests, or whatever a server has heard.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// What answers a request by its head: status and body.
type Answer = dyn Fn(&str) -> (u16, Value) + Send + Sync;

/// The API server.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) log: Log,
}

impl Server {
    pub(crate) fn http() -> Self {
        Self::start(None, one_pod)
    }

    pub(crate) fn with(answer: impl Fn(&str) -> (u16, Value) + Send + Sync + 'static) -> Self {
        Self::start(None, answer)
    }

    pub(crate) fn tls(config: ServerConfig) -> Self {
        Self::start(Some(Arc::new(config)), one_pod)
    }

    fn start(
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(&str) -> (u16, Value) + Send + Sync + 'static,
    ) -> Self {
        let (listener, log, answer) =
            (TcpListener::bind("127.0.0.1:0").unwrap(), Log::default(), Arc::new(answer));
        let (port, heard) = (listener.local_addr().unwrap().port(), log.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (tls, heard, answer) = (tls.clone(), heard.clone(), answer.clone());
                std::thread::spawn(move || match tls {
                    Some(config) => {
                        let connection = ServerConnection::new(config).unwrap();
                        serve(StreamOwned::new(connection, stream), &*answer, &heard);
                    }
                    None if begins_tls(&stream) => {
                        // As Go's server does.
                        let _ = (&stream).write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
                    }
                    None => serve(stream, &*answer, &heard),
                });
            }
        });
        Self { port, log }
    }

    /// The values of a header in all requests.
    pub(crate) fn headers(&self, name: &str) -> Vec<String> {
        let log = self.log.lock().unwrap();
        let lines = log.iter().flat_map(|head| head.lines());
        let values = lines.filter_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        });
        values.collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.log.lock().unwrap().len()
    }
}

fn serve(mut stream: impl Read + Write, answer: &Answer, log: &Log) {
    while let Some(head) = head(&mut stream) {
        log.lock().unwrap().push(head.clone());
        let (status, body) = answer(&head);
        let body = body.to_string();
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        if stream.write_all(answer.as_bytes()).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

fn begins_tls(stream: &TcpStream) -> bool {
    let mut first = [0];
    stream.peek(&mut first).is_ok() && first == [22]
}

/// The head of the next request.
pub(crate) fn head(stream: &mut impl Read) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    Some(String::from_utf8(head).unwrap())
}

/// A pod, and nothing else.
pub(crate) fn one_pod(head: &str) -> (u16, Value) {
    let path = head.split(' ').nth(1).unwrap();
    let pod = json!({
        "metadata": {"name": "api", "namespace": "shop"},
        "spec": {"containers": [{"name": "app", "resources": {"limits": {"memory": "1Gi"}}}]},
        "status": {"phase": "Running"},
    });
    let items = if path.contains("/pods") { vec![pod] } else { Vec::new() };
    (200, json!({"metadata": {"resourceVersion": "1"}, "items": items}))
}

/// A folder for kubeconfigs and plugins, and the program in it.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A kubeconfig `config` with one cluster and one user.
    pub(crate) fn kubeconfig(&self, cluster: &Value, user: &Value) -> PathBuf {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
        });
        self.write("config", &config.to_string())
    }

    /// The program, without anything that the machine has set.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gomemlimit"));
        command.args(arguments).current_dir(&self.0).stdin(Stdio::null());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.0.path());
        command
    }

    /// `audit -A` with the kubeconfig, and these variables.
    pub(crate) fn audit(&self, variables: &[(&str, &str)]) -> Outcome {
        let mut command = self.command(&["audit", "-A", "-o", "json"]);
        run(command.env("KUBECONFIG", self.path("config")).envs(variables.iter().copied()))
    }
}

pub(crate) fn run(command: &mut Command) -> Outcome {
    command.output().unwrap().into()
}

/// The audit has seen the pod.
pub(crate) fn is_audited(outcome: &Outcome) {
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stdout.contains("\"api\""), "{}{}", outcome.stdout, outcome.stderr);
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Copies bytes both ways until either side ends.
pub(crate) fn relay(one: &TcpStream, other: &TcpStream) {
    let copy = |from: &TcpStream, to: &TcpStream| {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        })
    };
    let (there, back) = (copy(one, other), copy(other, one));
    let _ = (there.join(), back.join());
}
