//! A whole webhook server in a test's own process, and clients for it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs, clippy::missing_panics_doc, clippy::missing_errors_doc, reason = "of tests")]
#![allow(clippy::must_use_candidate, clippy::new_without_default, reason = "of tests")]

mod certificates;
mod messages;
mod reviews;

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use gomemlimit_core::{Policy, names::DEFAULT_PATH};
use gomemlimit_serve::{
    BodyLimits, Components, Options, Reloaded, ServeError,
    handler::{Namespaces, NoNamespaces},
    lifecycle::Signal,
    listener::{ConnectionLimits, Eviction},
    metrics::Metrics,
    policy::PolicyFile,
    serve,
    tls::{CertificateFiles, ClientCa, Serving},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_rustls::client::TlsStream;

pub use self::{
    certificates::{Authority, CALLER, Caller, Pair, connector},
    messages::{Response, connect, get, head, metric, read_response, request, send, until_closed},
    reviews::{REVIEW, is_injected, review_of_size},
};

/// Longer than anything takes that a test waits for.
pub const LONG: Duration = Duration::from_secs(30);

/// What a test may want to change.
pub struct Setup {
    pub options: Options,
    pub pair: Pair,
    pub namespaces: Arc<dyn Namespaces>,
    pub certificate_files: Option<Reloaded<CertificateFiles>>,
    pub client_ca: Option<ClientCa>,
    pub policy_file: Option<Reloaded<PolicyFile>>,
    pub metrics: Metrics,
}

impl Default for Setup {
    fn default() -> Self {
        let options = Options {
            policy: Policy::default(),
            paths: [DEFAULT_PATH.parse().unwrap()].into(),
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
            certificate_files: None,
            client_ca: None,
            policy_file: None,
            metrics: Metrics::default(),
        }
    }
}

/// A running server.
pub struct Server {
    pub webhook: SocketAddr,
    pub admin: SocketAddr,
    pub pair: Pair,
    pub signals: mpsc::Sender<Signal>,
    pub ended: JoinHandle<Result<(), ServeError>>,
}

impl Setup {
    pub async fn start(self) -> Server {
        let webhook = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (sender, signals) = mpsc::channel(2);
        let (webhook_address, admin_address) = (webhook.local_addr().unwrap(), admin.local_addr().unwrap());
        let components = Components {
            webhook,
            admin,
            serving: Serving::new(self.pair.credentials(), self.metrics.clone()),
            certificate_files: self.certificate_files,
            client_ca: self.client_ca,
            policy_file: self.policy_file,
            namespaces: self.namespaces,
            conditions: Vec::new(),
            degraded: Vec::new(),
            metrics: self.metrics,
            signals,
        };
        #[expect(clippy::disallowed_methods, reason = "the server under test")]
        let ended = tokio::spawn(serve(self.options, components));
        Server { webhook: webhook_address, admin: admin_address, pair: self.pair, signals: sender, ended }
    }
}

impl Server {
    pub async fn connect(&self) -> TlsStream<TcpStream> {
        connect(self.webhook, &self.pair).await.unwrap()
    }

    /// A connection on which a body of `length` bytes is announced, and begins with these.
    pub async fn begin(&self, length: usize, bytes: &[u8]) -> TlsStream<TcpStream> {
        let mut stream = self.connect().await;
        send(&mut stream, head(length).as_bytes()).await;
        send(&mut stream, bytes).await;
        stream
    }

    /// One review on a connection of its own.
    pub async fn review(&self, body: &[u8]) -> Response {
        let mut stream = self.connect().await;
        send(&mut stream, &request(body)).await;
        read_response(&mut stream).await.unwrap()
    }

    /// The path on the second port: status and body.
    pub async fn admin(&self, path: &str) -> (u16, String) {
        get(self.admin, path).await
    }

    /// The value of a metric as scraped.
    pub async fn metric(&self, series: &str) -> i64 {
        metric(self.admin, series).await
    }

    /// Waits until a metric is more than 0.
    pub async fn wait_for_some(&self, series: &str) {
        self.wait_until_metric(series, |value| value > 0).await;
    }

    /// Waits until a metric has this value.
    pub async fn wait_for_metric(&self, series: &str, wanted: i64) {
        self.wait_until_metric(series, |value| value == wanted).await;
    }

    async fn wait_until_metric(&self, series: &str, is_reached: impl Fn(i64) -> bool) {
        let started = Instant::now();
        loop {
            let value = self.metric(series).await;
            if is_reached(value) {
                return;
            }
            assert!(started.elapsed() < LONG, "{series} is still {value}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Replaces the file as a whole: a file half written would be another one.
pub fn replace_file(file: &Path, content: &str) {
    fs::write(file.with_extension("new"), content).unwrap();
    fs::rename(file.with_extension("new"), file).unwrap();
}

/// A server that lets in callers that a CA in the file has signed, if they have one of these names.
pub async fn guarded(client_ca: &Path, names: &[&str]) -> Server {
    let mut setup = Setup::default();
    let names = names.iter().map(|&name| name.to_owned()).collect();
    setup.client_ca = Some(ClientCa::open(client_ca.to_owned(), names, setup.metrics.clone()).unwrap());
    setup.start().await
}
