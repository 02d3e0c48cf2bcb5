//! The one HTTP/1.1 server behind the scripted servers: plain or TLS, a thread for each connection.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    iter,
    net::{TcpListener, TcpStream},
    sync::Arc,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Query parameters.
pub type Query = HashMap<String, String>;

/// The head of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head(pub String);

/// An answer to one request.
pub enum Reply {
    /// Status and body.
    Body(u16, String),
    /// None, until the client closes the connection.
    Never,
    /// A watch: these texts, each made once the one before has been taken, and then silence until the client closes
    /// the connection.
    Chunks(Box<dyn Iterator<Item = String> + Send>),
    /// Another protocol on this connection.
    Upgrade(Box<dyn FnOnce(Replayed) + Send>),
}

/// A connection from the head of the last request on.
pub struct Replayed {
    head: io::Cursor<String>,
    stream: Box<dyn Stream>,
}

trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

type Handler = dyn Fn(&Head) -> Reply + Send + Sync;

impl Head {
    #[must_use]
    pub fn method(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }

    /// Path and query.
    #[must_use]
    pub fn target(&self) -> &str {
        self.0.split(' ').nth(1).unwrap_or_default()
    }

    #[must_use]
    pub fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    #[must_use]
    pub fn query(&self) -> &str {
        self.target().split_once('?').map_or("", |(_, query)| query)
    }

    /// The parameters of the query, as they are sent.
    #[must_use]
    pub fn parameters(&self) -> Query {
        let pairs = self.query().split('&').filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn content_length(&self) -> usize {
        let headers = self.0.lines().filter_map(|line| line.split_once(": "));
        let mut lengths = headers.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        lengths.next().map_or(0, |(_, length)| length.parse().unwrap())
    }
}

impl Read for Replayed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.head.read(buffer)? {
            0 => self.stream.read(buffer),
            read => Ok(read),
        }
    }
}

impl Write for Replayed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Answers requests on loopback until the process ends. The port.
pub fn listen(
    tls: Option<Arc<ServerConfig>>,
    answer: impl Fn(&Head) -> Reply + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer: Arc<Handler> = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (tls, answer) = (tls.clone(), answer.clone());
            std::thread::spawn(move || match tls {
                Some(config) => {
                    let connection = ServerConnection::new(config).unwrap();
                    serve(Box::new(StreamOwned::new(connection, stream)), &*answer);
                }
                None if begins_tls(&stream) => {
                    // As Go's server does.
                    let _ = (&stream).write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
                }
                None => serve(Box::new(stream), &*answer),
            });
        }
    });
    port
}

fn serve(mut stream: Box<dyn Stream>, answer: &Handler) {
    while let Some(head) = head(&mut stream).map(Head) {
        let text = match answer(&head) {
            Reply::Body(status, body) => format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
            Reply::Never => return wait_for_end(&mut stream),
            Reply::Chunks(chunks) => {
                let head =
                    "HTTP/1.1 200 X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
                // An empty one would be the end.
                let chunks = chunks.filter(|chunk| !chunk.is_empty());
                let chunks = chunks.map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len()));
                for text in iter::once(head.to_owned()).chain(chunks) {
                    if stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).is_err() {
                        return;
                    }
                }
                return wait_for_end(&mut stream);
            }
            Reply::Upgrade(run) => return run(Replayed { head: io::Cursor::new(head.0), stream }),
        };
        let mut body = vec![0; head.content_length()];
        if stream.read_exact(&mut body).is_err()
            || stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).is_err()
        {
            return;
        }
    }
}

fn wait_for_end(stream: &mut impl Read) {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
}

fn begins_tls(stream: &TcpStream) -> bool {
    let mut first = [0];
    stream.peek(&mut first).is_ok() && first == [22]
}

/// The head of the next request.
pub fn head(stream: &mut impl Read) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    Some(String::from_utf8(head).unwrap())
}
