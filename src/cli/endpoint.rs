//! Where pprof is: a URL, or a port inside a pod; one connection for each request.

use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use axum::body::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode, Uri, header};
use kube::Client;
use tokio::{net::TcpStream, time::timeout};

use super::http_request::{HttpResponse, http_request};
use crate::cluster::portforward::Forward;

/// Maximum size of an answer, and of a file that holds one, in bytes: a heap profile of a very large program, compressed,
/// or its goroutines as text.
pub(super) const MAX_BYTES: usize = 64 << 20;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take: a collection of a heap of many gigabytes comes first.
const ANSWER: Duration = Duration::from_secs(90);
/// Where `net/http/pprof` puts itself.
const PPROF: &str = "/debug/pprof";

/// Something that answers GET.
pub(super) struct Endpoint {
    place: Place,
    /// Path of pprof, without a slash at its end.
    base: String,
}

enum Place {
    Tcp { host: String, port: u16 },
    Pod { client: Client, namespace: String, pod: String, port: u16 },
}

impl Endpoint {
    /// `http://host:port`, with or without the path of pprof.
    pub(super) fn url(url: &Uri) -> anyhow::Result<Self> {
        ensure!(
            url.scheme_str() == Some("http"),
            "{url} is not an http:// URL; for pprof behind TLS forward a port to it first"
        );
        let host = url.host().with_context(|| format!("{url} has no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let path = url.path().trim_end_matches('/');
        let path = ["/heap", "/allocs"].iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path);
        let base = if path.is_empty() { PPROF } else { path }.to_owned();
        Ok(Self { place: Place::Tcp { host, port: url.port_u16().unwrap_or(80) }, base })
    }

    /// A port inside a pod.
    pub(super) fn pod(client: Client, namespace: String, pod: String, port: u16) -> Self {
        Self { place: Place::Pod { client, namespace, pod, port }, base: PPROF.to_owned() }
    }

    /// One profile, such as `heap?gc=1`; `None` where pprof does not have it.
    pub(super) async fn profile(&self, name: &str) -> anyhow::Result<Option<Bytes>> {
        self.page(&format!("{}/{name}", self.base)).await
    }

    /// Any page of the program; `None` where it does not have it.
    pub(super) async fn page(&self, path: &str) -> anyhow::Result<Option<Bytes>> {
        let answer = self.get(path).await?;
        match answer.status {
            StatusCode::OK => Ok(Some(answer.body)),
            StatusCode::NOT_FOUND => Ok(None),
            status => {
                let said = String::from_utf8_lossy(&answer.body);
                let said = said.lines().next().unwrap_or_default().chars().take(200).collect::<String>();
                bail!("{} answered with HTTP {status}: {said}", self.name_of(path))
            }
        }
    }

    /// The program's own metrics, where it has them on the same port.
    pub(super) async fn metrics(&self) -> Option<String> {
        let body = self.page("/metrics").await.ok()??;
        Some(String::from_utf8_lossy(&body).into_owned())
    }

    /// For sentences: `http://host:port`, or `port 6060 of pod shop/api`.
    pub(super) fn name(&self) -> String {
        match &self.place {
            Place::Tcp { host, port } if host.contains(':') => format!("http://[{host}]:{port}"),
            Place::Tcp { host, port } => format!("http://{host}:{port}"),
            Place::Pod { namespace, pod, port, .. } => format!("port {port} of pod {namespace}/{pod}"),
        }
    }

    /// The same for a page.
    fn name_of(&self, path: &str) -> String {
        match self.place {
            Place::Tcp { .. } => format!("{}{path}", self.name()),
            Place::Pod { .. } => format!("{path} on {}", self.name()),
        }
    }

    async fn get(&self, path: &str) -> anyhow::Result<HttpResponse> {
        let answer = timeout(ANSWER, self.answer(path)).await;
        answer.unwrap_or_else(|_| {
            Err(anyhow!("{}: no answer within {} s", self.name_of(path), ANSWER.as_secs()))
        })
    }

    async fn answer(&self, path: &str) -> anyhow::Result<HttpResponse> {
        let what = || self.name_of(path);
        match &self.place {
            Place::Tcp { host, port } => {
                let stream = timeout(CONNECT, TcpStream::connect((host.as_str(), *port))).await;
                let stream = stream.map_err(|_| anyhow!("no connection within {} s", CONNECT.as_secs()));
                let stream = stream.and_then(|stream| Ok(stream?));
                let stream = stream.with_context(|| format!("cannot connect to {}", self.name()))?;
                let host = self.name();
                let host = host.trim_start_matches("http://");
                http_request(stream, request(path, host)?, MAX_BYTES).await.with_context(what)
            }
            Place::Pod { client, namespace, pod, port } => {
                let (stream, explanation) = Forward::open(client, namespace, pod, *port).await?.split();
                let answer =
                    http_request(stream, request(path, &format!("127.0.0.1:{port}"))?, MAX_BYTES).await;
                match answer {
                    Ok(answer) => Ok(answer),
                    Err(error) => Err(self.explained(error, explanation.get().await)),
                }
            }
        }
    }

    /// The kubelet knows why a stream ended; the HTTP client only that it did.
    fn explained(&self, error: anyhow::Error, explanation: Option<String>) -> anyhow::Error {
        let explanation = explanation.unwrap_or_default();
        let place = self.name();
        if explanation.contains("refused") {
            return anyhow!(
                "nothing listens on {place}; import net/http/pprof and listen on 127.0.0.1:6060, or say --port"
            );
        }
        match explanation.lines().next() {
            Some(line) if !line.is_empty() => anyhow!("{place}: {line}"),
            _ => error.context(format!("{place} does not answer as HTTP")),
        }
    }
}

fn request(path: &str, host: &str) -> anyhow::Result<Request<Full<Bytes>>> {
    let request = Request::get(path).header(header::HOST, host).header(header::CONNECTION, "close");
    Ok(request.body(Full::default())?)
}
