//! The program under test, its kubeconfigs, and what a run of it leaves.

use std::{
    path::PathBuf,
    process::{Child, Output},
};

use serde_json::{Value, json};

/// Path of the program, which Cargo builds beside the folder of the test that runs.
#[must_use]
pub fn program_path() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(std::path::Path::parent).unwrap();
    folder.join(format!("gomemlimit{}", std::env::consts::EXE_SUFFIX))
}

/// A kubeconfig with one cluster, one user, and the namespace shop.
#[must_use]
pub fn kubeconfig(cluster: &Value, user: &Value) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    })
    .to_string()
}

/// A kubeconfig of a server on a port of loopback, without TLS.
#[must_use]
pub fn kubeconfig_file(port: u16) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let cluster = json!({"server": format!("http://127.0.0.1:{port}")});
    std::fs::write(file.path(), kubeconfig(&cluster, &json!({}))).unwrap();
    file
}

/// What a run of the program left.
pub struct CommandOutput {
    /// Exit code; -1 after a signal, for which no test waits.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl CommandOutput {
    /// Waits for the end.
    #[must_use]
    pub fn of(child: Child) -> Self {
        child.wait_with_output().unwrap().into()
    }

    /// The JSON on stdout.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    /// Exit code 2, nothing on stdout, and one sentence with `wanted` in it on stderr.
    pub fn is_refused(&self, wanted: &str) {
        assert_eq!((self.code, &*self.stdout), (2, ""), "{}", self.stderr);
        assert!(self.stderr.contains(wanted), "{wanted} is not in {}", self.stderr);
        assert!(self.stderr.lines().count() == 1 && self.stderr.starts_with("error: "), "{}", self.stderr);
    }
}

impl From<Output> for CommandOutput {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap_or(-1);
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}
