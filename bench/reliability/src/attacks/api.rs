//! An API server that answers with far more than anybody expects, over a socket.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::certificates::kubeconfig;

/// What comes back.
pub enum Reply {
    Json(String),
    /// Lines of a watch, and then silence. The next one is made when the one before has been taken.
    Lines(Box<dyn Iterator<Item = String> + Send>),
    /// This without end.
    Endless(&'static str),
}

type Handler = dyn Fn(&Query) -> Reply + Send + Sync;

/// The target of a request.
pub struct Query(String);

impl Query {
    pub fn path(&self) -> &str {
        self.0.split('?').next().unwrap_or_default()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let pairs = self.0.split_once('?')?.1.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find_map(|(key, value)| (key == name).then_some(value))
    }
}

/// A page of a list of this number of items, as the query asks for it.
pub fn page(query: &Query, count: usize, item: impl Fn(usize) -> String) -> Reply {
    let number = |name| query.get(name).and_then(|value| value.parse::<usize>().ok());
    let from = number("continue").unwrap_or(0);
    let until = count.min(from + number("limit").unwrap_or(count));
    let items: Vec<String> = (from..until).map(item).collect();
    let next = if until < count { until.to_string() } else { String::new() };
    Reply::Json(list(&next, &items.join(",")))
}

pub fn list(next: &str, items: &str) -> String {
    let metadata = json!({"resourceVersion": "7", "continue": next});
    format!(r#"{{"kind":"List","apiVersion":"v1","metadata":{metadata},"items":[{items}]}}"#)
}

/// It runs until it is dropped.
pub struct Api {
    pub kubeconfig: tempfile::NamedTempFile,
    _server: JoinSet<()>,
}

impl Api {
    pub async fn start(answer: impl Fn(&Query) -> Reply + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let kubeconfig = kubeconfig(&listener)?;
        let answer: Arc<Handler> = Arc::new(answer);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answer.clone();
                connections.spawn(async move {
                    // Whoever asked may have had enough.
                    let _ = converse(stream, &*answer).await;
                });
            }
        });
        Ok(Self { kubeconfig, _server: server })
    }
}

async fn converse(mut stream: TcpStream, answer: &Handler) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let query = Query(head.split(' ').nth(1).unwrap_or_default().to_owned());
        let begin = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        match answer(&query) {
            Reply::Json(text) => {
                let head = format!("{begin}Content-Length: {}\r\n\r\n", text.len());
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(text.as_bytes()).await?;
            }
            Reply::Lines(lines) => {
                stream.write_all(format!("{begin}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await?;
                for line in lines {
                    chunk(&mut stream, &line).await?;
                }
                std::future::pending::<()>().await;
            }
            Reply::Endless(text) => {
                stream.write_all(format!("{begin}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await?;
                chunk(&mut stream, r#"{"kind":"List","apiVersion":"v1","metadata":{},"items":["#).await?;
                let text = text.repeat((64 << 10) / text.len() + 1);
                loop {
                    chunk(&mut stream, &text).await?;
                }
            }
        }
    }
}

async fn chunk(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
    stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await
}
