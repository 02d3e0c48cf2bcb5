//! A server that answers paths by a script, and the program run against it.

use std::{
    process::Stdio,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use crate::{
    http::{Head, Query, Reply, listen},
    program::{kubeconfig_file, program_path},
};

/// Paths that were asked for, with their queries.
type Requests = Arc<Mutex<Vec<(String, Query)>>>;

/// An answer with this status never comes.
pub const NEVER: u16 = 0;

/// A server, its kubeconfig, and the paths with queries that were asked for. The path of a request that is not GET begins
/// with its method.
pub struct ScriptedServer {
    pub kubeconfig: tempfile::NamedTempFile,
    pub asked: Requests,
}

impl ScriptedServer {
    /// Answers with status and body.
    pub fn start(answer: impl Fn(&str, &Query) -> (u16, String) + Send + Sync + 'static) -> Self {
        let asked = Requests::default();
        let log = asked.clone();
        let port = listen(None, move |head: &Head| {
            let query = head.parameters();
            let path = match head.method() {
                "GET" => head.path().to_owned(),
                other => format!("{other} {}", head.path()),
            };
            log.lock().unwrap().push((path.clone(), query.clone()));
            match answer(&path, &query) {
                (NEVER, _) => Reply::Never,
                (status, body) => Reply::Body(status, body),
            }
        });
        Self { kubeconfig: kubeconfig_file(port), asked }
    }

    pub async fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(arguments).output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    pub fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(program_path());
        command.args(arguments).env("KUBECONFIG", self.kubeconfig.path()).stdin(Stdio::null());
        command.kill_on_drop(true);
        command
    }

    /// The JSON on stdout, and the exit code.
    pub async fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let (code, stdout, stderr) = self.run(&[arguments, &["-o", "json"]].concat()).await;
        (code, serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}")))
    }

    /// The continue tokens of the requests for pods, in order.
    pub fn pages(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let pods = asked.iter().filter(|(path, _)| path.ends_with("/pods"));
        pods.map(|(_, query)| query.get("continue").cloned().unwrap_or_default()).collect()
    }

    /// Number of requests for a path.
    pub fn count(&self, wanted: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|(path, _)| path == wanted).count()
    }
}

/// A pod with a sound value.
pub fn pod(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "shop", "resourceVersion": "7"},
        "spec": {"containers": [{
            "name": "app", "resources": {"limits": {"memory": "1Gi"}},
            "env": [{"name": "GOMEMLIMIT", "value": "900MiB"}],
        }]},
        "status": {"phase": "Running"},
    })
}

/// The same with another value, or without one.
pub fn pod_with(name: &str, value: Option<&str>) -> Value {
    let mut pod = pod(name);
    pod["spec"]["containers"][0]["env"] =
        value.map_or(json!([]), |value| json!([{"name": "GOMEMLIMIT", "value": value}]));
    pod
}

pub fn list(items: &[Value], next: &str) -> (u16, String) {
    let list = json!({"metadata": {"resourceVersion": "7", "continue": next}, "items": items});
    (200, list.to_string())
}

pub fn failure(code: u16, message: &str) -> (u16, String) {
    let status =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message});
    (code, status.to_string())
}

/// Everything but pods: no rights.
pub fn forbidden(path: &str) -> (u16, String) {
    failure(403, &format!("{path} is forbidden"))
}
