//! Requests as bytes, responses as a client reads them.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use super::Pair;

/// A response as a client sees it.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Response {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn closes(&self) -> bool {
        self.head.to_ascii_lowercase().contains("connection: close")
    }
}

/// The path on a second port: status and body.
pub async fn get(admin: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(admin).await.unwrap();
    send(&mut stream, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await;
    let response = read_response(&mut stream).await.unwrap();
    (response.status, response.body)
}

/// The value of a metric as a second port shows it.
pub async fn metric(admin: SocketAddr, series: &str) -> i64 {
    let (_, text) = get(admin, "/metrics").await;
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
}

pub async fn connect(address: SocketAddr, pair: &Pair) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    pair.client().connect(ServerName::try_from("localhost").unwrap(), tcp).await
}

/// The request of the API server.
pub fn request(body: &[u8]) -> Vec<u8> {
    let mut request = head(body.len()).into_bytes();
    request.extend_from_slice(body);
    request
}

pub fn head(length: usize) -> String {
    format!(
        "POST /mutate?timeout=3s HTTP/1.1\r\nHost: 127.0.0.1:9443\r\nUser-Agent: kube-apiserver-admission\r\n\
         Content-Length: {length}\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\n\
         Accept-Encoding: gzip\r\n\r\n"
    )
}

pub async fn send(stream: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
}

/// Reads one response; an error where the connection ends first.
pub async fn read_response(stream: &mut (impl AsyncReadExt + Unpin)) -> std::io::Result<Response> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        read_some(stream, &mut bytes).await?;
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    let length = length.unwrap_or_else(|| panic!("an response without a length: {head}"));
    while bytes.len() < head_end + length {
        read_some(stream, &mut bytes).await?;
    }
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok(Response { status, body: String::from_utf8(bytes[head_end..].to_vec()).unwrap(), head })
}

async fn read_some(stream: &mut (impl AsyncReadExt + Unpin), bytes: &mut Vec<u8>) -> std::io::Result<()> {
    match stream.read_buf(bytes).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Waits for the server to end the connection; says how long it took.
pub async fn until_closed(stream: &mut (impl AsyncReadExt + Unpin)) -> Duration {
    let started = Instant::now();
    let mut rest = Vec::new();
    // An abrupt end is an end.
    let _ = stream.read_to_end(&mut rest).await;
    started.elapsed()
}
