//! A server with one program in a pod, whose port it forwards, and the commands run against it.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    forward::{Pages, Program, SharedLog, forward},
    http::{Head, Reply, listen},
    program::{CommandOutput, kubeconfig, program_path},
};

/// The answer to a path with its query and the number of earlier requests for the path; `None`: 404.
type Api = dyn Fn(&str, &str, usize) -> Option<(u16, Value)> + Send + Sync;

/// A server that answers paths, and the folder with its kubeconfig that the program runs in.
pub struct PodServer {
    folder: TempDir,
    asked: SharedLog,
}

impl PodServer {
    pub fn new(api: impl Fn(&str, usize) -> Option<(u16, Value)> + Send + Sync + 'static) -> Self {
        Self::with_queries(move |path, _, count| api(path, count))
    }

    pub fn with_queries(
        api: impl Fn(&str, &str, usize) -> Option<(u16, Value)> + Send + Sync + 'static,
    ) -> Self {
        Self::start_serving(Arc::new(api), None)
    }

    /// One that forwards ports to a program, too.
    pub fn with_program(
        api: impl Fn(&str, usize) -> Option<(u16, Value)> + Send + Sync + 'static,
        pages: impl Fn(&str, usize) -> Program + Send + Sync + 'static,
    ) -> Self {
        Self::start_serving(Arc::new(move |path, _, count| api(path, count)), Some(Arc::new(pages)))
    }

    fn start_serving(api: Arc<Api>, pages: Option<Arc<Pages>>) -> Self {
        let asked = SharedLog::default();
        let log = asked.clone();
        let port = listen(None, move |head: &Head| {
            let path = head.path();
            let count = {
                let mut log = log.lock().unwrap();
                log.api.push(head.target().to_owned());
                log.api.iter().filter(|one| path_of(one) == path).count() - 1
            };
            if let (Some(pages), true) = (&pages, path.ends_with("/portforward")) {
                let (pages, log) = (pages.clone(), log.clone());
                return Reply::Upgrade(Box::new(move |stream| forward(stream, &*pages, &log)));
            }
            let (status, body) = api(path, head.query(), count).unwrap_or_else(|| status(404, "not found"));
            // A log is text.
            Reply::Body(status, body.as_str().map_or_else(|| body.to_string(), str::to_owned))
        });
        let folder = tempfile::tempdir().unwrap();
        let cluster = json!({"server": format!("http://127.0.0.1:{port}")});
        fs::write(folder.path().join("kubeconfig"), kubeconfig(&cluster, &json!({}))).unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        Self { folder, asked }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Everything that the API server was asked for, with queries.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().api.clone()
    }

    /// How often the API server was asked for a path.
    pub fn count(&self, path: &str) -> usize {
        self.asked.lock().unwrap().api.iter().filter(|one| path_of(one) == path).count()
    }

    /// How often the program was asked for a page.
    pub fn pages(&self, path: &str) -> usize {
        self.asked.lock().unwrap().program.iter().filter(|one| *one == path).count()
    }

    pub fn start(&self, command: &str, arguments: &[&str]) -> Child {
        Command::new(program_path())
            .arg(command)
            .args(arguments)
            .env("KUBECONFIG", self.path("kubeconfig"))
            .env("TMPDIR", self.path("tmp"))
            .env_remove("KUBERNETES_SERVICE_HOST")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    pub fn run(&self, command: &str, arguments: &[&str]) -> CommandOutput {
        CommandOutput::of(self.start(command, arguments))
    }
}

/// A failure as the API server answers it.
pub fn status(code: u16, message: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}),
    )
}

fn path_of(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}
