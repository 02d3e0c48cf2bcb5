//! A port-forward to a program that serves pprof.

use std::sync::{Arc, Mutex};

use tungstenite::{
    Message, accept_hdr,
    handshake::server::{ErrorResponse, Request, Response},
};

use crate::http::Replayed;

/// The requests: paths of the API server with their queries, and paths of the program.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) api: Vec<String>,
    pub(crate) program: Vec<String>,
}

pub(crate) type SharedLog = Arc<Mutex<Log>>;

const HEAP: &[u8] = include_bytes!("../../../../crates/pprof/tests/data/heap-1.pb.gz");
const STATISTICS: &str = include_str!("../../../../crates/pprof/tests/data/heap-1.txt");
const GOROUTINES: &str = include_str!("../../../../crates/pprof/tests/data/goroutine-1.txt");

/// What the program, or the kubelet in its place, answers to a path.
pub enum Program {
    Page(u16, Vec<u8>),
    /// The kubelet's word on a stream that it cannot make.
    Problem(String),
}

/// What a real program answers.
pub fn program(path: &str) -> Program {
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

/// What answers in the program's place: a page, and how often it was asked for before.
pub(crate) type Pages = dyn Fn(&str, usize) -> Program + Send + Sync;

/// One request to the program, as `v4.channel.k8s.io` has it: channel 0 is data and 1 is errors, and both begin with
/// the port.
pub(crate) fn forward(stream: Replayed, pages: &Pages, asked: &SharedLog) {
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
        log.program.push(path.clone());
        log.program.iter().filter(|one| **one == path).count() - 1
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
