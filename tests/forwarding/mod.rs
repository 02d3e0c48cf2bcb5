//! A stand-in for the API server that forwards ports to a stand-in for a program.

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
use tungstenite::{
    Message, accept_hdr,
    handshake::server::{ErrorResponse, Request, Response},
};

const HEAP: &[u8] = include_bytes!("../../crates/pprof/tests/data/heap-1.pb.gz");
const STATISTICS: &str = include_str!("../../crates/pprof/tests/data/heap-1.txt");
const GOROUTINES: &str = include_str!("../../crates/pprof/tests/data/goroutine-1.txt");

/// What the program, or the kubelet in its place, answers to a path.
pub(crate) enum Program {
    Page(u16, Vec<u8>),
    /// The kubelet's word on a stream that it cannot make.
    Problem(String),
}

/// What a real program answers.
pub(crate) fn program(path: &str) -> Program {
    Program::Page(
        200,
        match path {
            "/debug/pprof/heap?gc=1&debug=1" => STATISTICS.into(),
            "/debug/pprof/heap" => HEAP.into(),
            "/debug/pprof/goroutine?debug=1" => GOROUTINES.into(),
            _ => return Program::Page(404, b"404 page not found\n".to_vec()),
        },
    )
}

/// What was asked: paths of the API server, and of the program.
type Asked = Arc<Mutex<(Vec<String>, Vec<String>)>>;
type Api = dyn Fn(&str, usize) -> Option<(u16, Value)> + Send + Sync;
type Pages = dyn Fn(&str, usize) -> Program + Send + Sync;

/// A folder with the kubeconfig of a stand-in.
pub(crate) struct Cluster {
    folder: TempDir,
    asked: Asked,
}

impl Cluster {
    /// Both are given a path, and how often it was asked for before; what has no answer is not found.
    pub(crate) fn new(
        api: impl Fn(&str, usize) -> Option<(u16, Value)> + Send + Sync + 'static,
        pages: impl Fn(&str, usize) -> Program + Send + Sync + 'static,
    ) -> Self {
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
        let (api, pages, heard): (Arc<Api>, Arc<Pages>, _) = (Arc::new(api), Arc::new(pages), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (api, pages, heard) = (api.clone(), pages.clone(), heard.clone());
                std::thread::spawn(move || serve(stream, &*api, &*pages, &heard));
            }
        });
        Self { folder, asked }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How often the API server was asked for a path.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.asked.lock().unwrap().0.iter().filter(|one| *one == path).count()
    }

    /// How often the program was asked for a page.
    pub(crate) fn pages(&self, path: &str) -> usize {
        self.asked.lock().unwrap().1.iter().filter(|one| *one == path).count()
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_gomemlimit"))
            .arg("diagnose")
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

    pub(crate) fn diagnose(&self, arguments: &[&str]) -> Output {
        output(self.start(arguments))
    }
}

/// What a run left.
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    /// Exit code 2, nothing on stdout, and one sentence with `wanted` in it on stderr.
    pub(crate) fn is_refused(&self, wanted: &str) {
        assert_eq!((self.code, &*self.stdout), (2, ""), "{}", self.stderr);
        assert!(self.stderr.contains(wanted), "{wanted} is not in {}", self.stderr);
        assert!(self.stderr.lines().count() == 1 && self.stderr.starts_with("error: "), "{}", self.stderr);
    }
}

pub(crate) fn output(child: Child) -> Output {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// One connection: plain requests, and at last a port-forward.
fn serve(mut stream: TcpStream, api: &Api, pages: &Pages, asked: &Asked) {
    while let Some(head) = peek_head(&stream) {
        let target = head.split(' ').nth(1).unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let count = {
            let mut log = asked.lock().unwrap();
            log.0.push(path.clone());
            log.0.iter().filter(|one| **one == path).count() - 1
        };
        if path.ends_with("/portforward") {
            return forward(stream, pages, asked);
        }
        if stream.read_exact(&mut vec![0; head.len()]).is_err() {
            return;
        }
        let not_found =
            || (404, json!({"kind": "Status", "status": "Failure", "message": "not found", "code": 404}));
        let (status, body) = api(&path, count).unwrap_or_else(not_found);
        let body = body.to_string();
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

/// One request to the program, as `v4.channel.k8s.io` has it: channel 0 is data and 1 is errors, and both begin with
/// the port.
fn forward(stream: TcpStream, pages: &Pages, asked: &Asked) {
    #[allow(clippy::result_large_err, clippy::unnecessary_wraps, reason = "the signature is tungstenite's")]
    fn speak(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        response.headers_mut().insert("Sec-WebSocket-Protocol", "v4.channel.k8s.io".parse().unwrap());
        Ok(response)
    }
    let mut socket = accept_hdr(stream, speak).unwrap();
    let port = 6060_u16.to_le_bytes();
    let mut send = |bytes: Vec<u8>| socket.send(Message::Binary(bytes.into())).is_ok();
    if !send([&[0], &port[..]].concat()) || !send([&[1], &port[..]].concat()) {
        return;
    }
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match socket.read() {
            Ok(Message::Binary(bytes)) if bytes.first() == Some(&0) => request.extend_from_slice(&bytes[1..]),
            Ok(_) => {}
            Err(_) => return,
        }
    }
    let head = String::from_utf8(request).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let count = {
        let mut log = asked.lock().unwrap();
        log.1.push(path.clone());
        log.1.iter().filter(|one| **one == path).count() - 1
    };
    let answer = match pages(&path, count) {
        Program::Page(status, body) => {
            let head =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            [&[0], head.as_bytes(), &body].concat()
        }
        Program::Problem(problem) => [&[1], problem.as_bytes()].concat(),
    };
    let _ = socket.send(Message::Binary(answer.into()));
    let _ = socket.close(None);
    while socket.read().is_ok() {}
}
