//! The accept loop: a maximum of connections, and nothing awaited in it but a permit and a connection.

use std::{convert::Infallible, io::Cursor, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use futures::FutureExt;
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, join},
    net::{TcpListener, TcpStream},
    sync::{AcquireError, OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use tracing::{debug, warn};

pub use super::connection_table::Eviction;
use super::{
    connection_state::{ConnectionState, Phase},
    connection_table::{ConnectionSlot, ConnectionTable},
    throttle::Throttle,
    timeout_stream::{TimeoutStream, Timeouts},
    tls::explain,
    tracked_body::TrackedBody,
};
use crate::metrics::{HandshakeFailure, Metrics};

/// Pause after the first failed accept, as without file descriptors; it doubles with each.
const MIN_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Interval at which connections are evicted while others wait for a slot.
const EVICTION_INTERVAL: Duration = Duration::from_millis(20);

/// Minimum time between two log lines about callers without a valid certificate: any client can cause them without end.
const REJECTION_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Maximum of new connections that wait for a slot outside of the kernel's queue.
const MAX_WAITING: usize = 64;

/// Limits of the connections of a port.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Maximum of open connections. At the maximum as many are evicted as wait for a slot.
    pub connections: usize,
    /// Which connections are evicted. If none may be, new ones wait, all but a few in the kernel's queue.
    pub eviction: Eviction,
    /// Maximum size of the head of a request, in bytes, which is that of hyper's read buffer; at least 8 KiB.
    pub max_head: usize,
    /// Maximum time from the connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// Maximum time from the first byte of a request to the end of its head; on a plain port from the connection on.
    pub head: Duration,
    /// Maximum time between two requests of a connection, and before the first.
    pub idle: Duration,
    /// Whether a connection may carry more than one request.
    pub keep_alive: bool,
}

/// The stop of a port, in two steps.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Cancelled: every response has `Connection: close`.
    pub draining: CancellationToken,
    /// Cancelled: nothing is accepted; requests in flight are finished.
    pub stopped: CancellationToken,
}

/// One port.
pub struct Listener {
    /// The socket, already bound, so that a test knows its port.
    pub tcp: TcpListener,
    /// TLS; `None` for plain HTTP.
    pub tls: Option<TlsAcceptor>,
    /// Handler of the requests.
    pub router: Router,
    /// Limits of the connections.
    pub limits: ConnectionLimits,
    /// Stops the port.
    pub stop: Stop,
    /// Counters of connections and handshakes.
    pub metrics: Metrics,
}

/// Limits of a port for probes and scrapes, which need a handful of connections with one request each. The other slots are
/// for hostile clients: 20,000 connections a second get one.
const ADMIN: ConnectionLimits = ConnectionLimits {
    connections: 1024,
    eviction: Eviction::OldestFirst { grace: Duration::from_millis(50) },
    max_head: 8 << 10,
    handshake: Duration::from_secs(1),
    head: Duration::from_secs(1),
    idle: Duration::from_secs(1),
    keep_alive: false,
};

impl Listener {
    /// A plain port for probes and scrapes. Its connections are not counted: the metrics are about the webhook port.
    pub fn admin(tcp: TcpListener, router: Router, stop: Stop) -> Self {
        Self { tcp, tls: None, router, limits: ADMIN, stop, metrics: Metrics::default() }
    }

    /// Accepts until stopped, then waits for the requests in flight.
    pub async fn run(self) {
        let connections = TaskTracker::new();
        let slots = Slots::new(&self.limits);
        let rejections = Arc::new(Throttle::new(REJECTION_LOG_INTERVAL));
        let mut pause = MIN_PAUSE;
        let stopped = self.stop.stopped.clone();
        while let Some(accepted) = stopped.run_until_cancelled(accept(&self.tcp)).await {
            match accepted {
                Ok(streams) => {
                    pause = MIN_PAUSE;
                    let waiting = streams.len();
                    for (number, stream) in streams.into_iter().enumerate() {
                        let permit = slots.acquire(waiting - number);
                        let Some(Ok(permit)) = stopped.run_until_cancelled(permit).await else { break };
                        // Not in its task, which may start after the next one is accepted.
                        let slot = slots.table.insert();
                        connections.spawn(self.connection(rejections.clone()).run(stream, permit, slot));
                    }
                }
                Err(error) => {
                    self.metrics.count_accept_error();
                    warn!(%error, "cannot accept a connection; trying again in {pause:?}");
                    let _ = stopped.run_until_cancelled(sleep(pause)).await;
                    pause = MAX_PAUSE.min(pause * 2);
                }
            }
        }
        drop(self.tcp);
        connections.close();
        connections.wait().await;
    }

    fn connection(&self, rejections: Arc<Throttle>) -> Connection {
        Connection {
            tls: self.tls.clone(),
            router: self.router.clone(),
            limits: self.limits,
            stop: self.stop.clone(),
            metrics: self.metrics.clone(),
            rejections,
        }
    }
}

/// Waits for a connection, and also accepts those that are in the kernel's queue by then.
async fn accept(tcp: &TcpListener) -> std::io::Result<Vec<TcpStream>> {
    let mut streams = vec![tcp.accept().await?.0];
    // An error returns at the next call.
    while streams.len() < MAX_WAITING
        && let Some(Ok((stream, _))) = tcp.accept().now_or_never()
    {
        streams.push(stream);
    }
    Ok(streams)
}

/// The slots of a port.
struct Slots {
    permits: Arc<Semaphore>,
    table: ConnectionTable,
}

impl Slots {
    fn new(limits: &ConnectionLimits) -> Self {
        let permits = Arc::new(Semaphore::new(limits.connections));
        Self { permits, table: ConnectionTable::new(limits.connections, limits.eviction) }
    }

    /// Waits for a slot; `waiting` connections wait for one.
    async fn acquire(&self, waiting: usize) -> Result<OwnedSemaphorePermit, AcquireError> {
        let mut permit = pin!(self.permits.clone().acquire_owned());
        loop {
            if self.permits.available_permits() == 0 {
                self.table.evict(waiting);
            }
            // An evicted one takes a moment to end, and others may become idle meanwhile.
            if let Ok(permit) = timeout(EVICTION_INTERVAL, permit.as_mut()).await {
                return permit;
            }
        }
    }
}

struct Connection {
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: ConnectionLimits,
    stop: Stop,
    metrics: Metrics,
    rejections: Arc<Throttle>,
}

impl Connection {
    async fn run(self, stream: TcpStream, permit: OwnedSemaphorePermit, slot: ConnectionSlot) {
        let _open = OpenConnection::count(&self.metrics);
        // Responses are single small writes: waiting for more only adds latency.
        let _ = stream.set_nodelay(true);
        tokio::select! {
            // First, so that a request which has arrived is seen before the eviction.
            biased;
            () = self.talk(stream, slot.state.clone()) => {}
            () = slot.state.evicted() => debug!("evicted for another connection"),
        }
        // In this order, so that no other connection is evicted for a slot that is free already.
        drop(permit);
        drop(slot);
    }

    async fn talk(self, stream: TcpStream, state: Arc<ConnectionState>) {
        match self.tls.clone() {
            // Boxed, so that a client that does not get that far costs little.
            None => {
                if let Some((head, stream)) = self.whole_head(stream).await {
                    let (read, write) = stream.into_split();
                    let stream = join(Cursor::new(head).chain(read), write);
                    Box::pin(self.http(stream, state)).await;
                }
            }
            Some(tls) => {
                if let Some(stream) = self.handshake(&tls, stream).await {
                    Box::pin(self.http(stream, state)).await;
                }
            }
        }
    }

    /// Reads the head of a request on a plain port, up to its maximum size. hyper allocates 16 KiB for a connection as soon
    /// as there is a byte; clients that send one now and then must not cost as much.
    async fn whole_head(&self, mut stream: TcpStream) -> Option<(Vec<u8>, TcpStream)> {
        let mut head = Vec::new();
        let reading = async {
            while head.len() < self.limits.max_head && !ends_a_head(&head) {
                if stream.read_buf(&mut head).await? == 0 {
                    break;
                }
            }
            Ok::<_, std::io::Error>(())
        };
        let read = self.stop.stopped.run_until_cancelled(timeout(self.limits.head, reading)).await;
        matches!(read, Some(Ok(Ok(())))).then_some((head, stream))
    }

    /// `None` if it failed, or if the server ended it, which is no failure.
    async fn handshake(
        &self,
        tls: &TlsAcceptor,
        stream: TcpStream,
    ) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
        let handshake = timeout(self.limits.handshake, tls.accept(stream));
        let failure = match self.stop.stopped.run_until_cancelled(handshake).await? {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => {
                let tls = error.get_ref().and_then(|error| error.downcast_ref());
                let problem = tls.map_or_else(|| error.to_string(), explain::tls);
                if tls.is_some_and(is_rejected_caller) {
                    if let Some(suppressed) = self.rejections.pass() {
                        warn!(%problem, suppressed, "refused a caller by its client certificate");
                    }
                    HandshakeFailure::ClientCertificate
                } else {
                    debug!(%problem, "TLS handshake failed");
                    HandshakeFailure::Tls
                }
            }
            Err(_) => HandshakeFailure::Timeout,
        };
        self.metrics.count_handshake_failure(failure);
        None
    }

    async fn http<S>(self, stream: S, state: Arc<ConnectionState>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        state.handshake_done();
        let Self { router, limits, stop, .. } = self;
        let timeouts = Timeouts { head: limits.head, idle: limits.idle };
        let io = TokioIo::new(TimeoutStream::new(stream, timeouts, state.clone()));
        let (draining, at_stop) = (stop.draining, state.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            state.request_started();
            let (router, state, draining) = (router.clone(), state.clone(), draining.clone());
            async move {
                let body = |body| Body::new(TrackedBody::new(body, state.clone()));
                let mut request = request.map(body);
                request.extensions_mut().insert(state.clone());
                let mut response: Response<Body> = router.oneshot(request).await?;
                // hyper closes a connection on which it would have to search for the next request, but does not know
                // that yet (RFC 9112, section 9.6).
                if draining.is_cancelled() || state.is_request_unread() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                state.request_answered();
                Ok::<_, Infallible>(response)
            }
        });
        let mut http = http1::Builder::new();
        // The timeouts are those of `TimeoutStream`.
        http.header_read_timeout(None).max_buf_size(limits.max_head).keep_alive(limits.keep_alive);
        let mut connection = pin!(http.serve_connection(io, service));
        let ended = tokio::select! {
            // First, so that a request which has arrived is seen before the stop.
            biased;
            ended = connection.as_mut() => ended,
            () = stop.stopped.cancelled() => {
                // hyper would drop a half-read head; its response closes the connection anyway.
                if at_stop.phase() != Phase::ReadingHead {
                    connection.as_mut().graceful_shutdown();
                }
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%error, "connection ended");
        }
    }
}

/// Whether an empty line is among these bytes, with any line ends that hyper accepts.
fn ends_a_head(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

/// Whether the server ended the handshake because of the client's certificate, or because there was none.
fn is_rejected_caller(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_))
}

/// Counts a connection as open until dropped.
struct OpenConnection(Metrics);

impl OpenConnection {
    fn count(metrics: &Metrics) -> Self {
        metrics.count_connection();
        metrics.connections.inc();
        Self(metrics.clone())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}
