//! An API server with one pod, over HTTP or TLS, and the program run against it.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use gomemlimit_fake_api_server::{CommandOutput, Head, Reply, kubeconfig, listen};
use rustls::ServerConfig;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Heads of requests, or whatever a server has received.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// The API server.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) log: Log,
}

impl Server {
    pub(crate) fn http() -> Self {
        Self::start(None, one_pod)
    }

    /// Answers the head of a request with status and body.
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
        let log = Log::default();
        let heads = log.clone();
        let port = listen(tls, move |Head(head)| {
            heads.lock().unwrap().push(head.clone());
            let (status, body) = answer(head);
            Reply::Body(status, body.to_string())
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
        self.write("config", &kubeconfig(cluster, user))
    }

    /// The program, without anything that the machine has set.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gomemlimit"));
        command.args(arguments).current_dir(&self.0).stdin(Stdio::null());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.0.path());
        command
    }

    /// `audit -A` with the kubeconfig, and these variables.
    pub(crate) fn audit(&self, variables: &[(&str, &str)]) -> CommandOutput {
        let mut command = self.command(&["audit", "-A", "-o", "json"]);
        run(command.env("KUBECONFIG", self.path("config")).envs(variables.iter().copied()))
    }
}

pub(crate) fn run(command: &mut Command) -> CommandOutput {
    command.output().unwrap().into()
}

/// The audit has seen the pod.
pub(crate) fn is_audited(outcome: &CommandOutput) {
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
