//! A scripted API server on loopback, and the program run against it.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::HashMap,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, http::StatusCode, response::IntoResponse};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) mod world;

/// Query parameters.
pub(crate) type Query = HashMap<String, String>;

/// What the server says to a path and its query: status and body.
type Answer = Arc<dyn Fn(&str, &Query) -> (u16, String) + Send + Sync>;

/// What was asked: paths and their queries.
type Asked = Arc<Mutex<Vec<(String, Query)>>>;

/// An answer with this status never comes.
pub(crate) const NEVER: u16 = 0;

/// An answer with this status is a watch: its body, and then silence.
pub(crate) const SILENT: u16 = 1;

/// A server, its kubeconfig, and the paths with queries that were asked for.
pub(crate) struct Server {
    pub(crate) kubeconfig: tempfile::NamedTempFile,
    pub(crate) asked: Asked,
}

impl Server {
    pub(crate) async fn start(
        answer: impl Fn(&str, &Query) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let (answer, asked): (Answer, Asked) = (Arc::new(answer), Arc::default());
        let heard = asked.clone();
        let app = Router::new().fallback(move |request: Request| {
            let (answer, heard) = (answer.clone(), heard.clone());
            async move {
                let query = query(request.uri().query().unwrap_or_default());
                let path = match request.method().as_str() {
                    "GET" => request.uri().path().to_owned(),
                    other => format!("{other} {}", request.uri().path()),
                };
                heard.lock().unwrap().push((path.clone(), query.clone()));
                let (status, body) = answer(&path, &query);
                if status == NEVER {
                    tokio::time::sleep(Duration::from_hours(1)).await;
                }
                if status == SILENT {
                    let stream = futures::stream::unfold(Some(body), async |body| match body {
                        Some(body) => Some((Ok::<_, std::io::Error>(body), None)),
                        None => std::future::pending().await,
                    });
                    return (StatusCode::OK, Body::from_stream(stream)).into_response();
                }
                let status = StatusCode::from_u16(status).unwrap();
                (status, [("content-type", "application/json")], Body::from(body)).into_response()
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        #[expect(clippy::disallowed_methods, reason = "the test's tasks end with its runtime")]
        tokio::spawn(async move { axum::serve(listener, app).await });
        let kubeconfig = tempfile::NamedTempFile::new().unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {}}],
        });
        std::fs::write(kubeconfig.path(), config.to_string()).unwrap();
        Self { kubeconfig, asked }
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(arguments).output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_gomemlimit"));
        command.args(arguments).env("KUBECONFIG", self.kubeconfig.path()).stdin(Stdio::null());
        command.kill_on_drop(true);
        command
    }

    /// The JSON on stdout, and the exit code.
    pub(crate) async fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let (code, stdout, stderr) = self.run(&[arguments, &["-o", "json"]].concat()).await;
        (code, serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}")))
    }

    /// The continue tokens of the requests for pods, in order.
    pub(crate) fn pages(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let pods = asked.iter().filter(|(path, _)| path.ends_with("/pods"));
        pods.map(|(_, query)| query.get("continue").cloned().unwrap_or_default()).collect()
    }

    /// How often a path was asked for, with and without `watch`.
    pub(crate) fn count(&self, wanted: &str, watch: bool) -> usize {
        let asked = self.asked.lock().unwrap();
        let is_wanted =
            |(path, query): &&(String, Query)| path == wanted && query.contains_key("watch") == watch;
        asked.iter().filter(is_wanted).count()
    }
}

fn query(text: &str) -> Query {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// A pod with a sound value.
pub(crate) fn pod(name: &str) -> Value {
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
pub(crate) fn pod_with(name: &str, value: Option<&str>) -> Value {
    let mut pod = pod(name);
    pod["spec"]["containers"][0]["env"] =
        value.map_or(json!([]), |value| json!([{"name": "GOMEMLIMIT", "value": value}]));
    pod
}

pub(crate) fn list(items: &[Value], next: &str) -> (u16, String) {
    let list = json!({"metadata": {"resourceVersion": "7", "continue": next}, "items": items});
    (200, list.to_string())
}

pub(crate) fn failure(code: u16, message: &str) -> (u16, String) {
    let status =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message});
    (code, status.to_string())
}

/// Everything but pods: no rights.
pub(crate) fn forbidden(path: &str) -> (u16, String) {
    failure(403, &format!("{path} is forbidden"))
}

/// A line of a watch.
pub(crate) fn event(kind: &str, object: &Value) -> String {
    json!({"type": kind, "object": object}).to_string() + "\n"
}
