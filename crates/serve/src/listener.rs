//! The accept loop: a cap on connections, and nothing awaited in it but a permit and a connection.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use tracing::{debug, warn};

use super::{
    room::{Place, Progress, Room, Waiting},
    throttle::Throttle,
    timed_io::{AwaitedBody, Silence, TimedIo},
};
use crate::metrics::{HandshakeFailure, Metrics};

/// Pauses after a failed accept (file descriptors used up, say): the first and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long to wait for a connection to make room before looking again who could.
const MAKE_ROOM: Duration = Duration::from_millis(20);

/// Between two log lines about callers without a certificate that lets them in: any client can cause them without end.
const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// hyper's read buffer of one connection; bodies are collected elsewhere, so heads decide.
const BUFFER_BYTES: usize = 16 << 10;

/// What one connection may cost.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections at the same time. At the cap one that was never used makes room, or the one idle longest, or if half
    /// of all have an unfinished request or none so far, the one of those that has been silent longest; without any,
    /// new ones wait, all but one of them in the kernel's queue.
    pub connections: usize,
    /// From the connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its head.
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

/// Connections to a port for probes and scrapes: they need a handful, one request each, at once.
const ADMIN: ConnectionLimits = ConnectionLimits {
    connections: 128,
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
        let permits = Arc::new(Semaphore::new(self.limits.connections));
        let Self { tcp, tls, router, limits, stop, metrics } = self;
        let room = Room::default();
        let refusals = Arc::new(Throttle::new(REFUSAL_LOG_INTERVAL));
        let mut pause = FIRST_PAUSE;
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.stopped.cancelled() => break,
                accepted = accept(&tcp, &permits, limits.connections, &room) => accepted,
            };
            match accepted {
                Ok((stream, permit)) => {
                    pause = FIRST_PAUSE;
                    let connection = Connection {
                        tls: tls.clone(),
                        router: router.clone(),
                        limits,
                        stop: stop.clone(),
                        metrics: metrics.clone(),
                        refusals: refusals.clone(),
                    };
                    // Here and not in its task, which may begin after the next one has come.
                    let place = room.enter();
                    connections.spawn(connection.run(stream, permit, place));
                }
                Err(error) => {
                    metrics.count_accept_error();
                    warn!(%error, "cannot accept a connection; trying again in {pause:?}");
                    tokio::select! {
                        () = stop.stopped.cancelled() => break,
                        () = sleep(pause) => pause = LONGEST_PAUSE.min(pause * 2),
                    }
                }
            }
        }
        drop(tcp);
        connections.close();
        connections.wait().await;
    }
}

/// A connection and a place for it.
async fn accept(
    tcp: &TcpListener,
    permits: &Arc<Semaphore>,
    places: usize,
    room: &Room,
) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let (stream, _) = tcp.accept().await?;
    let mut permit = pin!(permits.clone().acquire_owned());
    loop {
        if permits.available_permits() == 0 {
            room.make(places);
        }
        // It takes a moment to end, and others may become idle meanwhile.
        if let Ok(permit) = timeout(MAKE_ROOM, permit.as_mut()).await {
            // The semaphore is never closed.
            return Ok((stream, permit.map_err(std::io::Error::other)?));
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
            None => self.http(stream, progress).await,
            Some(tls) => {
                if let Some(stream) = self.handshake(&tls, stream).await {
                    self.http(stream, progress).await;
                }
            }
        }
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
            Ok(Err(error)) if is_refused_caller(&error) => {
                if let Some(suppressed) = self.refusals.pass() {
                    warn!(%error, suppressed, "refused a caller by its client certificate");
                }
                HandshakeFailure::ClientCertificate
            }
            Ok(Err(error)) => {
                debug!(%error, "TLS handshake failed");
                HandshakeFailure::Tls
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
                let mut response: Response<Body> = router.oneshot(request.map(body)).await?;
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
        http.header_read_timeout(None).max_buf_size(BUFFER_BYTES).keep_alive(limits.keep_alive);
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

/// Whether we ended the handshake for the client's certificate, or for want of one.
fn is_refused_caller(error: &std::io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(error, Some(rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_)))
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
