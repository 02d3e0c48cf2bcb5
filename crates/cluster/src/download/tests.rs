//! Downloads from servers that fail, stall, redirect and never end.

use std::{
    cell::RefCell,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::time::Instant;

use super::*;

/// A server that answers each request by this function, which gets the number of the request from 0 and its head.
struct Server {
    port: u16,
    requests: Arc<AtomicUsize>,
}

impl Server {
    fn start(answer: impl Fn(usize, &[String], TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (requests.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, answer) = (stream.unwrap(), answer.clone());
                let number = count.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                    let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
                    answer(number, &head, stream);
                });
            }
        });
        Self { port, requests }
    }

    async fn download(&self, path: &str, limits: &DownloadLimits) -> Result<String, String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let bytes = download(&format!("http://127.0.0.1:{}{path}", self.port), limits).await;
        bytes.map(|bytes| String::from_utf8(bytes).unwrap()).map_err(|error| error.to_string())
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn respond(mut stream: TcpStream, status: &str, headers: &str, body: &str) {
    let text = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
    let _ = stream.write_all(text.as_bytes());
}

/// Short pauses; the other times are far longer than the test takes.
fn limits() -> DownloadLimits {
    let long = Duration::from_mins(1);
    DownloadLimits {
        connect: long,
        silence: long,
        total: long,
        pause: Duration::from_millis(1),
        max_bytes: 1 << 20,
    }
}

#[tokio::test]
async fn errors_of_the_server_are_tried_again() {
    let server = Server::start(|number, head, stream| {
        assert!(head.iter().any(|line| line.starts_with("user-agent: gomemlimit/")), "{head:?}");
        assert_eq!(head[0], "GET /a.yaml?b HTTP/1.1");
        respond(stream, if number < 2 { "503 Busy" } else { "200 OK" }, "", "kind: Pod");
    });
    assert_eq!(server.download("/a.yaml?b#c", &limits()).await.unwrap(), "kind: Pod");
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn attempts_end() {
    for (status, attempts) in [("500 No", 3), ("503 Busy", 3), ("404 Not Found", 1), ("204 Empty", 1)] {
        let server = Server::start(move |_, _, stream| respond(stream, status, "", ""));
        let error = server.download("/", &limits()).await.unwrap_err();
        assert!(error.contains(&status[..3]) && error.starts_with("the server answered "), "{error}");
        assert_eq!(server.requests(), attempts, "{status}");
    }
    // A connection that ends without an answer, or in the middle of it.
    for text in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nkind"] {
        let server = Server::start(move |_, _, mut stream| stream.write_all(text.as_bytes()).unwrap());
        server.download("/", &limits()).await.unwrap_err();
        assert_eq!(server.requests(), 3, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_grow() {
    let (begin, times) = (Instant::now(), RefCell::new(Vec::new()));
    let failed: Result<(), _> = attempts(Duration::from_secs(1), || async {
        times.borrow_mut().push(begin.elapsed().as_secs());
        Err(DownloadError::Failed(String::new()))
    })
    .await;
    assert!(failed.is_err());
    assert_eq!(*times.borrow(), [0, 1, 3]);
}

#[tokio::test]
async fn redirects_are_followed_and_end() {
    let server = Server::start(|_, head, stream| {
        let path = head[0].split(' ').nth(1).unwrap();
        match path {
            "/loop" => respond(stream, "302 Found", "Location: /loop\r\n", ""),
            "/nowhere" => respond(stream, "302 Found", "", ""),
            "/file" => respond(stream, "302 Found", "Location: file:///etc/passwd\r\n", ""),
            "/a/0" => respond(stream, "200 OK", "", "the end"),
            path => {
                let number: usize = path.rsplit('/').next().unwrap().parse().unwrap();
                respond(stream, "308 There", &format!("Location: {}\r\n", number - 1), "");
            }
        }
    });
    assert_eq!(server.download("/a/10", &limits()).await.unwrap(), "the end");
    assert_eq!(server.requests(), 11);
    for (path, expected) in [
        ("/a/11", "the server redirects more than 10 times"),
        ("/loop", "the server redirects more than 10 times"),
        ("/nowhere", "the server answered 302 Found"),
        ("/file", "file:///etc/passwd is not an http:// or https:// URL"),
    ] {
        assert_eq!(server.download(path, &limits()).await.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn an_answer_without_end_has_a_bound() {
    let server = Server::start(|_, _, mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b' '; 8 << 10]).is_ok() {}
    });
    let error = server.download("/", &limits()).await.unwrap_err();
    assert_eq!(error, "it is larger than 1 MiB");
    assert_eq!(server.requests(), 1);
}

/// Silence at any place ends an attempt, and drops end all of them.
#[tokio::test]
async fn a_server_that_does_not_go_on_has_a_deadline() {
    let silent = DownloadLimits { silence: Duration::from_millis(50), ..limits() };
    for text in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nkind"] {
        let server = Server::start(move |_, _, mut stream| {
            stream.write_all(text.as_bytes()).unwrap();
            thread::sleep(Duration::from_mins(1));
        });
        server.download("/", &silent).await.unwrap_err();
        assert_eq!(server.requests(), 3, "{text}");
    }
    let server = Server::start(|_, _, mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(1));
        }
    });
    let slow = DownloadLimits { total: Duration::from_millis(200), ..limits() };
    let error = server.download("/", &slow).await.unwrap_err();
    assert!(error.starts_with("it did not arrive within "), "{error}");
}
