//! The address of pprof: a URL, or a port inside a pod; one connection for each request.

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
/// Maximum time to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// Maximum time of an answer, which follows a collection of a heap of many gigabytes.
const ANSWER: Duration = Duration::from_secs(90);
/// Path of `net/http/pprof`.
const PPROF: &str = "/debug/pprof";

/// A program that answers GET.
pub(super) struct Endpoint {
    address: Address,
    /// Path of pprof, without a slash at its end.
    base: String,
}

enum Address {
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
        Ok(Self { address: Address::Tcp { host, port: url.port_u16().unwrap_or(80) }, base })
    }

    /// A port inside a pod.
    pub(super) fn pod(client: Client, namespace: String, pod: String, port: u16) -> Self {
        Self { address: Address::Pod { client, namespace, pod, port }, base: PPROF.to_owned() }
    }

    /// One profile, such as `heap?gc=1`; `None` if pprof does not have it.
    ///
    /// # Errors
    ///
    /// If the program does not answer, or not with 200 or 404.
    pub(super) async fn profile(&self, name: &str) -> anyhow::Result<Option<Bytes>> {
        self.page(&format!("{}/{name}", self.base)).await
    }

    /// Any page of the program; `None` if it does not have it.
    ///
    /// # Errors
    ///
    /// As for [`Self::profile`].
    pub(super) async fn page(&self, path: &str) -> anyhow::Result<Option<Bytes>> {
        let answer = self.get(path).await?;
        match answer.status {
            StatusCode::OK => Ok(Some(answer.body)),
            StatusCode::NOT_FOUND => Ok(None),
            status => {
                let message = String::from_utf8_lossy(&answer.body);
                let message =
                    message.lines().next().unwrap_or_default().chars().take(200).collect::<String>();
                bail!("{} answered with HTTP {status}: {message}", self.name_of(path))
            }
        }
    }

    /// The program's own metrics; `None` if it has none on this port.
    pub(super) async fn metrics(&self) -> Option<String> {
        let body = self.page("/metrics").await.ok()??;
        Some(String::from_utf8_lossy(&body).into_owned())
    }

    /// For sentences: `http://host:port`, or `port 6060 of pod shop/api`.
    pub(super) fn name(&self) -> String {
        match &self.address {
            Address::Tcp { host, port } if host.contains(':') => format!("http://[{host}]:{port}"),
            Address::Tcp { host, port } => format!("http://{host}:{port}"),
            Address::Pod { namespace, pod, port, .. } => format!("port {port} of pod {namespace}/{pod}"),
        }
    }

    /// The same for a page.
    fn name_of(&self, path: &str) -> String {
        match self.address {
            Address::Tcp { .. } => format!("{}{path}", self.name()),
            Address::Pod { .. } => format!("{path} on {}", self.name()),
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
        match &self.address {
            Address::Tcp { host, port } => {
                let stream = timeout(CONNECT, TcpStream::connect((host.as_str(), *port))).await;
                let stream = stream.map_err(|_| anyhow!("no connection within {} s", CONNECT.as_secs()));
                let stream = stream.and_then(|stream| Ok(stream?));
                let stream = stream.with_context(|| format!("cannot connect to {}", self.name()))?;
                let host = self.name();
                let host = host.trim_start_matches("http://");
                http_request(stream, request(path, host)?, MAX_BYTES).await.with_context(what)
            }
            Address::Pod { client, namespace, pod, port } => {
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

    /// The error with the explanation of the kubelet, which knows why a stream ended.
    fn explained(&self, error: anyhow::Error, explanation: Option<String>) -> anyhow::Error {
        let explanation = explanation.unwrap_or_default();
        let name = self.name();
        if explanation.contains("refused") {
            return anyhow!(
                "nothing listens on {name}; import net/http/pprof and listen on 127.0.0.1:6060, or name it with --port"
            );
        }
        match explanation.lines().next() {
            Some(line) if !line.is_empty() => anyhow!("{name}: {line}"),
            _ => error.context(format!("{name} does not answer as HTTP")),
        }
    }
}

fn request(path: &str, host: &str) -> anyhow::Result<Request<Full<Bytes>>> {
    let request = Request::get(path).header(header::HOST, host).header(header::CONNECTION, "close");
    Ok(request.body(Full::default())?)
}
