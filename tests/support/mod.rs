//! A whole server in the test's own process, and clients for it.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub(crate) mod running;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use gomemlimit::{
    metrics::Metrics,
    serve::{
        BodyLimits, Options, Parts, ServeError,
        handler::{Namespaces, NoNamespaces, PATH},
        lifecycle::Signal,
        listener::{ConnectionLimits, Eviction},
        policy::PolicyReloader,
        serve,
        tls::{ClientCa, Credentials, Reloader, Serving, provider},
    },
};
use gomemlimit_core::Policy;
use rcgen::{CertificateParams, KeyPair};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A self-signed certificate and its key as PEM text.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::valid(-1, 24)
    }

    /// Valid between these hours from now.
    pub(crate) fn valid(from: i64, until: i64) -> Self {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let now = time::OffsetDateTime::now_utc();
        params.not_before = now + time::Duration::hours(from);
        params.not_after = now + time::Duration::hours(until);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    pub(crate) fn credentials(&self) -> Credentials {
        Credentials::from_pem(self.certificate.as_bytes(), self.key.as_bytes(), SystemTime::now()).unwrap()
    }

    /// A client that trusts this certificate only; fresh, so that no session is resumed.
    pub(crate) fn client(&self) -> TlsConnector {
        use rustls::pki_types::{CertificateDer, pem::PemObject};
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(provider::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }
}

/// What a test may want to change.
pub(crate) struct Setup {
    pub(crate) options: Options,
    pub(crate) pair: Pair,
    pub(crate) namespaces: Arc<dyn Namespaces>,
    pub(crate) reloader: Option<Reloader>,
    pub(crate) client_ca: Option<ClientCa>,
    pub(crate) policy_file: Option<PolicyReloader>,
    pub(crate) metrics: Metrics,
}

impl Default for Setup {
    fn default() -> Self {
        let options = Options {
            policy: Policy::default(),
            paths: [PATH.parse().unwrap()].into(),
            connections: ConnectionLimits {
                connections: 64,
                eviction: Eviction::IdleFirst {
                    silent: Duration::from_millis(250),
                    sending: Duration::from_secs(1),
                },
                max_head: 16 << 10,
                handshake: LONG,
                head: LONG,
                idle: LONG,
                keep_alive: true,
            },
            bodies: BodyLimits { one: 7 << 20, all: 32 << 20, arrival: LONG, budget_wait: LONG },
            shutdown_delay: Duration::ZERO,
            drain_timeout: LONG,
            certificate_poll: Duration::from_millis(50),
            policy_poll: Duration::from_millis(50),
        };
        Self {
            options,
            pair: Pair::new(),
            namespaces: Arc::new(NoNamespaces),
            reloader: None,
            client_ca: None,
            policy_file: None,
            metrics: Metrics::default(),
        }
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) webhook: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) pair: Pair,
    pub(crate) signals: mpsc::Sender<Signal>,
    pub(crate) ended: JoinHandle<Result<(), ServeError>>,
}

impl Setup {
    pub(crate) async fn start(self) -> Server {
        let webhook = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (sender, signals) = mpsc::channel(2);
        let (webhook_address, admin_address) = (webhook.local_addr().unwrap(), admin.local_addr().unwrap());
        let parts = Parts {
            webhook,
            admin,
            serving: Serving::new(self.pair.credentials(), self.metrics.clone()),
            reloader: self.reloader,
            client_ca: self.client_ca,
            policy_file: self.policy_file,
            namespaces: self.namespaces,
            conditions: Vec::new(),
            troubles: Vec::new(),
            metrics: self.metrics,
            signals,
        };
        #[expect(clippy::disallowed_methods, reason = "the server under test")]
        let ended = tokio::spawn(serve(self.options, parts));
        Server { webhook: webhook_address, admin: admin_address, pair: self.pair, signals: sender, ended }
    }
}

/// An answer as a client sees it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn closes(&self) -> bool {
        self.head.to_ascii_lowercase().contains("connection: close")
    }
}

impl Server {
    pub(crate) async fn connect(&self) -> TlsStream<TcpStream> {
        connect(self.webhook, &self.pair).await.unwrap()
    }

    /// A connection on which a body of `length` bytes is announced, and begins with these.
    pub(crate) async fn begin(&self, length: usize, bytes: &[u8]) -> TlsStream<TcpStream> {
        let mut stream = self.connect().await;
        send(&mut stream, head(length).as_bytes()).await;
        send(&mut stream, bytes).await;
        stream
    }

    /// One review on a connection of its own.
    pub(crate) async fn review(&self, body: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        send(&mut stream, &request(body)).await;
        read_answer(&mut stream).await.unwrap()
    }

    /// The path on the second port: status and body.
    pub(crate) async fn admin(&self, path: &str) -> (u16, String) {
        get(self.admin, path).await
    }

    /// The value of a metric as scraped.
    pub(crate) async fn metric(&self, series: &str) -> i64 {
        metric(self.admin, series).await
    }

    /// Waits until a metric is more than 0.
    pub(crate) async fn wait_for_some(&self, series: &str) {
        let started = Instant::now();
        while self.metric(series).await < 1 {
            assert!(started.elapsed() < LONG, "{series} is still 0");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until a metric has a value.
    pub(crate) async fn wait_for_metric(&self, series: &str, wanted: i64) {
        let started = Instant::now();
        while self.metric(series).await != wanted {
            assert!(started.elapsed() < LONG, "{series} is {}, not {wanted}", self.metric(series).await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The path on a second port: status and body.
pub(crate) async fn get(admin: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(admin).await.unwrap();
    send(&mut stream, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await;
    let answer = read_answer(&mut stream).await.unwrap();
    (answer.status, answer.body)
}

/// The value of a metric as a second port shows it.
pub(crate) async fn metric(admin: SocketAddr, series: &str) -> i64 {
    let (_, text) = get(admin, "/metrics").await;
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
}

pub(crate) async fn connect(address: SocketAddr, pair: &Pair) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    pair.client().connect(ServerName::try_from("localhost").unwrap(), tcp).await
}

/// The request of the API server.
pub(crate) fn request(body: &[u8]) -> Vec<u8> {
    let mut request = head(body.len()).into_bytes();
    request.extend_from_slice(body);
    request
}

pub(crate) fn head(length: usize) -> String {
    format!(
        "POST /mutate?timeout=3s HTTP/1.1\r\nHost: 127.0.0.1:9443\r\nUser-Agent: kube-apiserver-admission\r\n\
         Content-Length: {length}\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\n\
         Accept-Encoding: gzip\r\n\r\n"
    )
}

pub(crate) async fn send(stream: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
}

/// Reads one answer; an error where the connection ends first.
pub(crate) async fn read_answer(stream: &mut (impl AsyncReadExt + Unpin)) -> std::io::Result<Answer> {
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
    let length = length.unwrap_or_else(|| panic!("an answer without a length: {head}"));
    while bytes.len() < head_end + length {
        read_some(stream, &mut bytes).await?;
    }
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok(Answer { status, body: String::from_utf8(bytes[head_end..].to_vec()).unwrap(), head })
}

async fn read_some(stream: &mut (impl AsyncReadExt + Unpin), bytes: &mut Vec<u8>) -> std::io::Result<()> {
    match stream.read_buf(bytes).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Waits for the server to end the connection; says how long it took.
pub(crate) async fn until_closed(stream: &mut (impl AsyncReadExt + Unpin)) -> Duration {
    let started = Instant::now();
    let mut rest = Vec::new();
    // An abrupt end is an end.
    let _ = stream.read_to_end(&mut rest).await;
    started.elapsed()
}

/// A real review: one container with a limit of 1 GiB.
pub(crate) const REVIEW: &[u8] =
    include_bytes!("../../crates/core/tests/golden/reviews/001-create-limit-1gi.json");

/// A review that is `size` bytes long, with an annotation as filler.
pub(crate) fn review_of_size(size: usize) -> Vec<u8> {
    let (before, after) = (
        r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","kind":{"group":"","version":"v1","kind":"Pod"},"namespace":"shop","operation":"CREATE","object":{"metadata":{"name":"api"},"spec":{"x":""#,
        r#"","containers":[{"name":"api","resources":{"limits":{"memory":"1Gi"}}}]}}}}"#,
    );
    [before, &"x".repeat(size - before.len() - after.len()), after].concat().into_bytes()
}

/// Whether an answer carries the patch for 1 GiB.
pub(crate) fn is_injected(answer: &Answer) -> bool {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let patch = answer.json()["response"]["patch"].as_str().map(|patch| STANDARD.decode(patch).unwrap());
    patch.is_some_and(|patch| String::from_utf8(patch).unwrap().contains("966367641"))
}
