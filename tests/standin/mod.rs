//! A stand-in for the API server, and the program run against it.
#![allow(dead_code, reason = "each test file uses a part of it")]

mod forward;

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use self::forward::{Pages, forward};
#[allow(unused_imports, reason = "each test file uses a part of it")]
pub(crate) use self::forward::{Program, program};
use super::outcome::Outcome;

/// What was asked: paths of the API server with their queries, and paths of the program.
#[derive(Debug, Default)]
struct Log {
    api: Vec<String>,
    program: Vec<String>,
}

type Asked = Arc<Mutex<Log>>;
/// What answers a path with its query, and how often that path was asked for before; else it is not found.
type Api = dyn Fn(&str, &str, usize) -> Option<(u16, Value)> + Send + Sync;

/// A folder with the kubeconfig of a stand-in.
pub(crate) struct StandIn {
    folder: TempDir,
    asked: Asked,
}

impl StandIn {
    pub(crate) fn new(api: impl Fn(&str, usize) -> Option<(u16, Value)> + Send + Sync + 'static) -> Self {
        Self::with_queries(move |path, _, count| api(path, count))
    }

    pub(crate) fn with_queries(
        api: impl Fn(&str, &str, usize) -> Option<(u16, Value)> + Send + Sync + 'static,
    ) -> Self {
        Self::start_serving(Arc::new(api), None)
    }

    /// One that forwards ports to a program, too.
    pub(crate) fn with_program(
        api: impl Fn(&str, usize) -> Option<(u16, Value)> + Send + Sync + 'static,
        pages: impl Fn(&str, usize) -> Program + Send + Sync + 'static,
    ) -> Self {
        Self::start_serving(Arc::new(move |path, _, count| api(path, count)), Some(Arc::new(pages)))
    }

    fn start_serving(api: Arc<Api>, pages: Option<Arc<Pages>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{}", listener.local_addr().unwrap())}}],
            "users": [{"name": "u", "user": {}}],
        });
        fs::write(folder.path().join("kubeconfig"), config.to_string()).unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        let asked = Asked::default();
        let heard = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (api, pages, heard) = (api.clone(), pages.clone(), heard.clone());
                std::thread::spawn(move || serve(stream, &*api, pages.as_deref(), &heard));
            }
        });
        Self { folder, asked }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Everything that the API server was asked for, with queries.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().api.clone()
    }

    /// How often the API server was asked for a path.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.asked.lock().unwrap().api.iter().filter(|one| path_of(one) == path).count()
    }

    /// How often the program was asked for a page.
    pub(crate) fn pages(&self, path: &str) -> usize {
        self.asked.lock().unwrap().program.iter().filter(|one| *one == path).count()
    }

    pub(crate) fn start(&self, command: &str, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_gomemlimit"))
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

    pub(crate) fn run(&self, command: &str, arguments: &[&str]) -> Outcome {
        Outcome::of(self.start(command, arguments))
    }
}

/// A failure in the API server's words.
pub(crate) fn failure(code: u16, message: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}),
    )
}

fn path_of(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

/// One connection: plain requests, and at last a port-forward where there is a program.
fn serve(mut stream: TcpStream, api: &Api, pages: Option<&Pages>, asked: &Asked) {
    while let Some(head) = peek_head(&stream) {
        let target = head.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let count = {
            let mut log = asked.lock().unwrap();
            log.api.push(target.to_owned());
            log.api.iter().filter(|one| path_of(one) == path).count() - 1
        };
        if let (Some(pages), true) = (pages, path.ends_with("/portforward")) {
            return forward(stream, pages, asked);
        }
        if stream.read_exact(&mut vec![0; head.len()]).is_err() {
            return;
        }
        let (status, body) = api(path, query, count).unwrap_or_else(|| failure(404, "not found"));
        // A log is text.
        let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

/// The head of the next request, which is left where it is.
fn peek_head(stream: &TcpStream) -> Option<String> {
    let mut buffer = [0; 16 << 10];
    loop {
        let length = stream.peek(&mut buffer).ok().filter(|length| *length > 0)?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        if let Some(end) = text.find("\r\n\r\n") {
            return Some(text[..end + 4].to_owned());
        }
        std::thread::yield_now();
    }
}
