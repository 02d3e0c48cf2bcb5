//! Programs that tests run: helm, kubectl, the scripts of tests/e2e.

use std::{
    io::Write,
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
};

use gomemlimit_bench::http;
use serde_json::{Value, json};

use super::{LONG, wait_for};

/// Text on stdout, or all that was said.
type Said = Result<String, String>;

/// Runs a program with `stdin`.
pub fn run(program: &str, arguments: &[&str], stdin: &str) -> Said {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(repository())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    let mut pipe = child.stdin.take().unwrap();
    let text = stdin.to_owned();
    let writer = std::thread::spawn(move || drop(pipe.write_all(text.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    if output.status.success() {
        Ok(stdout)
    } else {
        Err(format!("{program} {}: {}\n{stdout}{stderr}", arguments.join(" "), output.status))
    }
}

/// helm, whatever comes of it.
pub fn try_helm(arguments: &[&str]) -> Said {
    run("helm", arguments, "")
}

/// helm, which has to succeed.
pub fn helm(arguments: &[&str]) -> String {
    try_helm(arguments).unwrap_or_else(|said| panic!("{said}"))
}

/// kubectl, whatever comes of it.
pub fn try_kubectl(arguments: &[&str], stdin: &str) -> Said {
    run("kubectl", arguments, stdin)
}

/// kubectl, which has to succeed.
pub fn kubectl(arguments: &[&str]) -> String {
    try_kubectl(arguments, "").unwrap_or_else(|said| panic!("{said}"))
}

/// The object that kubectl prints.
pub fn kubectl_json(arguments: &[&str]) -> Value {
    serde_json::from_str(&kubectl(&[arguments, &["-o", "json"]].concat())).unwrap()
}

/// Changes an object by a patch of this type: `json`, `merge` or `strategic`.
pub fn patch(object: &[&str], kind: &str, patch: &Value) -> String {
    let arguments = [&format!("--type={kind}"), "-p", &patch.to_string()];
    kubectl(&[&["patch"], object, &arguments].concat())
}

/// The API server is away until this is dropped, also when a test fails.
pub struct NoApiServer;

impl NoApiServer {
    /// By `stop`, after which it says goodbye, or `kill`.
    pub fn begin(how: &str) -> Self {
        script("component", &[how, "kube-apiserver"]);
        Self
    }
}

impl Drop for NoApiServer {
    fn drop(&mut self) {
        script("component", &["start", "kube-apiserver"]);
    }
}

/// Waits until the API server is ready again.
pub async fn wait_for_api_server() {
    wait_for("the API server is back", LONG, async || {
        try_kubectl(&["get", "--raw", "/readyz"], "").map(drop)
    })
    .await;
}

/// kubectl, with the warnings that kubectl prints on stderr.
pub fn kubectl_says(arguments: &[&str]) -> String {
    let shell = ["-c", "exec kubectl \"$@\" 2>&1", "kubectl"];
    run("sh", &[&shell, arguments].concat(), "").unwrap_or_else(|said| panic!("{said}"))
}

/// Asks for a resize in place of the container `app`.
pub fn resize(namespace: &str, pod: &str, resources: &Value) -> String {
    let patch = json!({"spec": {"containers": [{"name": "app", "resources": resources}]}}).to_string();
    kubectl_says(&["patch", "pod", pod, "-n", namespace, "--subresource=resize", "-p", &patch])
}

/// A script of tests/e2e, which has to succeed.
pub fn script(name: &str, arguments: &[&str]) -> String {
    let path = repository().join("tests/e2e").join(name);
    run(path.to_str().unwrap(), arguments, "").unwrap_or_else(|said| panic!("{said}"))
}

/// The process of a container, as this machine sees it.
pub fn host_pid(namespace: &str, pod: &str, container: &str) -> u32 {
    let said = script("pid", &[namespace, pod, container]);
    said.trim().parse().unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A page of the admin port of a pod, without the API server.
pub async fn get(address: &str, path: &str) -> Result<String, String> {
    let address = SocketAddr::new(address.parse().unwrap(), 8081);
    http::get(address, path).await.map_err(|error| format!("{address}{path}: {error:#}"))
}
