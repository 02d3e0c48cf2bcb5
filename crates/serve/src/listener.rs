//! The accept loop: a cap on connections, and nothing awaited in it but a permit and a connection.

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

pub use super::room::Eviction;
use super::{
    progress::{Progress, Waiting},
    room::{Place, Room},
    throttle::Throttle,
    timed_io::{AwaitedBody, Silence, TimedIo},
    tls::explain,
};
use crate::metrics::{HandshakeFailure, Metrics};

/// Pauses after a failed accept (file descriptors used up, say): the first and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long to wait for a connection to make room before looking again who could.
const MAKE_ROOM: Duration = Duration::from_millis(20);

/// Between two log lines about callers without a certificate that lets them in: any client can cause them without end.
const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// New connections that wait for a place at the same time, outside of the kernel's queue.
const MAX_WAITING: usize = 64;

/// What one connection may cost.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections at the same time. At the cap as many make room as wait for a place.
    pub connections: usize,
    /// Which ones make room. Without any, new ones wait, all but a few of them in the kernel's queue.
    pub eviction: Eviction,
    /// Bytes of the head of a request, which are those of hyper's read buffer; at least 8 KiB.
    pub max_head: usize,
    /// From the connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its head; on a plain port from the connection on.
    pub head: Duration,
    /// Between two requests of a connection, and before the first.
    pub idle: Duration,
    /// Whether a connection may carry more than one request.
    pub keep_alive: bool,
}

/// When to close connections, and when to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// From here on every answer carries `Connection: close`.
    pub draining: CancellationToken,
    /// From here on nothing is accepted; requests in flight are finished.
    pub stopped: CancellationToken,
}

/// One port.
pub struct Listener {
    /// Already bound, so that a test knows its port.
    pub tcp: TcpListener,
    /// `None`: plain HTTP.
    pub tls: Option<TlsAcceptor>,
    /// What answers.
    pub router: Router,
    /// What a connection may cost.
    pub limits: ConnectionLimits,
    /// When to end.
    pub stop: Stop,
    /// Counts connections.
    pub metrics: Metrics,
}

/// Connections to a port for probes and scrapes: they need a handful, one request each, at once. The other places are
/// there for clients that mean harm: 20,000 connections a second get one.
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
        let places = Places::new(&self.limits);
        let refusals = Arc::new(Throttle::new(REFUSAL_LOG_INTERVAL));
        let mut pause = FIRST_PAUSE;
        let stopped = self.stop.stopped.clone();
        while let Some(accepted) = stopped.run_until_cancelled(accept(&self.tcp)).await {
            match accepted {
                Ok(streams) => {
                    pause = FIRST_PAUSE;
                    let waiting = streams.len();
                    for (number, stream) in streams.into_iter().enumerate() {
                        let permit = places.acquire(waiting - number);
                        let Some(Ok(permit)) = stopped.run_until_cancelled(permit).await else { break };
                        // Here and not in its task, which may begin after the next one has come.
                        let place = places.room.enter();
                        connections.spawn(self.connection(refusals.clone()).run(stream, permit, place));
                    }
                }
                Err(error) => {
                    self.metrics.count_accept_error();
                    warn!(%error, "cannot accept a connection; trying again in {pause:?}");
                    let _ = stopped.run_until_cancelled(sleep(pause)).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                }
            }
        }
        drop(self.tcp);
        connections.close();
        connections.wait().await;
    }

    fn connection(&self, refusals: Arc<Throttle>) -> Connection {
        Connection {
            tls: self.tls.clone(),
            router: self.router.clone(),
            limits: self.limits,
            stop: self.stop.clone(),
            metrics: self.metrics.clone(),
            refusals,
        }
    }
}

/// Waits for a connection, and takes those along that wait in the kernel's queue by now.
async fn accept(tcp: &TcpListener) -> std::io::Result<Vec<TcpStream>> {
    let mut streams = vec![tcp.accept().await?.0];
    // An error comes again.
    while streams.len() < MAX_WAITING
        && let Some(Ok((stream, _))) = tcp.accept().now_or_never()
    {
        streams.push(stream);
    }
    Ok(streams)
}

/// The places of a port.
struct Places {
    permits: Arc<Semaphore>,
    room: Room,
}

impl Places {
    fn new(limits: &ConnectionLimits) -> Self {
        let permits = Arc::new(Semaphore::new(limits.connections));
        Self { permits, room: Room::new(limits.connections, limits.eviction) }
    }

    /// A place for one of so many connections that wait for one.
    async fn acquire(&self, waiting: usize) -> Result<OwnedSemaphorePermit, AcquireError> {
        let mut permit = pin!(self.permits.clone().acquire_owned());
        loop {
            if self.permits.available_permits() == 0 {
                self.room.make(waiting);
            }
            // It takes a moment to end, and others may become idle meanwhile.
            if let Ok(permit) = timeout(MAKE_ROOM, permit.as_mut()).await {
                return permit;
            }
        }
    }
}

/// Everything that one connection needs.
struct Connection {
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: ConnectionLimits,
    stop: Stop,
    metrics: Metrics,
    refusals: Arc<Throttle>,
}

impl Connection {
    async fn run(self, stream: TcpStream, permit: OwnedSemaphorePermit, place: Place) {
        let _open = OpenConnection::count(&self.metrics);
        // Answers are single small writes: waiting for more only adds latency.
        let _ = stream.set_nodelay(true);
        tokio::select! {
            // First, so that a request which has arrived is seen before the place is taken.
            biased;
            () = self.talk(stream, place.progress.clone()) => {}
            () = place.progress.wanted() => debug!("makes room for another connection"),
        }
        // In this order, so that nobody else is asked for a place that is free already.
        drop(permit);
        drop(place);
    }

    async fn talk(self, stream: TcpStream, progress: Progress) {
        match self.tls.clone() {
            // Boxed, so that whoever does not get that far costs little.
            None => {
                if let Some((head, stream)) = self.whole_head(stream).await {
                    let (read, write) = stream.into_split();
                    let stream = join(Cursor::new(head).chain(read), write);
                    Box::pin(self.http(stream, progress)).await;
                }
            }
            Some(tls) => {
                if let Some(stream) = self.handshake(&tls, stream).await {
                    Box::pin(self.http(stream, progress)).await;
                }
            }
        }
    }

    /// The head of a request on a plain port, or as much as there may be of one. hyper takes 16 KiB for a connection as
    /// soon as there is a byte; clients that send one now and then must not cost as much.
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

    /// `None` where it failed, or where we ended it, which is no failure.
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
                if tls.is_some_and(is_refused_caller) {
                    if let Some(suppressed) = self.refusals.pass() {
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

    async fn http<S>(self, stream: S, progress: Progress)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        progress.handshake_done();
        let Self { router, limits, stop, .. } = self;
        let silence = Silence { head: limits.head, idle: limits.idle };
        let io = TokioIo::new(TimedIo::new(stream, silence, progress.clone()));
        let (draining, at_stop) = (stop.draining, progress.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            progress.request_started();
            let (router, progress, draining) = (router.clone(), progress.clone(), draining.clone());
            async move {
                let body = |body| Body::new(AwaitedBody::new(body, progress.clone()));
                let mut request = request.map(body);
                request.extensions_mut().insert(progress.clone());
                let mut response: Response<Body> = router.oneshot(request).await?;
                // hyper closes a connection on which it would have to search for the next request, but does not know
                // that yet (RFC 9112, section 9.6).
                if draining.is_cancelled() || progress.is_request_unread() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                progress.request_answered();
                Ok::<_, Infallible>(response)
            }
        });
        let mut http = http1::Builder::new();
        // Deadlines are those of `TimedIo`.
        http.header_read_timeout(None).max_buf_size(limits.max_head).keep_alive(limits.keep_alive);
        let mut connection = pin!(http.serve_connection(io, service));
        let ended = tokio::select! {
            // First, so that a request which has arrived is seen before the stop.
            biased;
            ended = connection.as_mut() => ended,
            () = stop.stopped.cancelled() => {
                // hyper would drop a half-read head; its answer closes the connection anyway.
                if at_stop.waiting() != Waiting::Head {
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

/// Whether an empty line is among these bytes, which may be of another client than a probe.
fn ends_a_head(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

/// Whether we ended the handshake for the client's certificate, or for want of one.
fn is_refused_caller(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_))
}

/// Counts a connection as open for as long as it lives, however it ends.
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
