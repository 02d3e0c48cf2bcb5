//! The state of one connection: the phase of its request, how much was read and written, and whether it is evicted.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use futures::task::AtomicWaker;

/// What the connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// The end of the TLS handshake.
    Handshake = 0,
    /// The first byte of the first request.
    AwaitingFirstRequest = 1,
    /// The rest of a request's head.
    ReadingHead = 2,
    /// More of a request's body, which has its own timeout.
    ReadingBody = 3,
    /// The handler's response.
    Handling = 4,
    /// The client to read the response.
    WritingResponse = 5,
    /// The next request.
    Idle = 6,
}

impl Phase {
    fn of(state: u8) -> Self {
        match state & !(NOTHING_ANSWERED | EVICTION_REQUESTED) {
            0 => Self::Handshake,
            1 => Self::AwaitingFirstRequest,
            2 => Self::ReadingHead,
            3 => Self::ReadingBody,
            4 => Self::Handling,
            5 => Self::WritingResponse,
            _ => Self::Idle,
        }
    }
}

/// Direction of bytes, as the server sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// Bytes of a connection in one direction so far, and the time since the last of them.
pub(crate) struct Transferred {
    pub(crate) bytes: u64,
    pub(crate) silent: Duration,
}

/// Flag beside a [`Phase`]: no request has been answered so far.
const NOTHING_ANSWERED: u8 = 1 << 6;

/// Flag beside a [`Phase`]: eviction is requested. Whatever happens on the connection withdraws it.
const EVICTION_REQUESTED: u8 = 1 << 7;

/// A [`Phase`] with its flags, as it was at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot(u8);

impl Snapshot {
    /// Whether the client has yet to finish a request: the first, or one that it has begun.
    pub(crate) fn is_unfinished(self) -> bool {
        self.0 & NOTHING_ANSWERED != 0 || matches!(Phase::of(self.0), Phase::ReadingHead | Phase::ReadingBody)
    }

    /// Whether the client has not begun its first request.
    pub(crate) fn is_unused(self) -> bool {
        Phase::of(self.0) == Phase::AwaitingFirstRequest
    }

    pub(crate) fn is_idle(self) -> bool {
        Phase::of(self.0) == Phase::Idle
    }

    pub(crate) fn is_eviction_requested(self) -> bool {
        self.0 & EVICTION_REQUESTED != 0
    }
}

/// State of one connection. Only the connection's own task writes it, except for eviction, so a request takes no lock.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    accepted: Instant,
    /// A [`Phase`] with its flags.
    state: AtomicU8,
    /// Start of the request, or of the idle time, in microseconds after `accepted`, like all times here.
    since: AtomicU64,
    last_read: AtomicU64,
    last_written: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    is_body_unread: AtomicBool,
    /// Eviction that nothing withdraws.
    is_evicted: AtomicBool,
    task: AtomicWaker,
}

impl ConnectionState {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            accepted: Instant::now(),
            state: AtomicU8::new(Phase::Handshake as u8 | NOTHING_ANSWERED),
            since: AtomicU64::new(0),
            last_read: AtomicU64::new(0),
            last_written: AtomicU64::new(0),
            bytes_read: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
            is_body_unread: AtomicBool::new(false),
            is_evicted: AtomicBool::new(false),
            task: AtomicWaker::new(),
        })
    }

    /// The first request may come; it need not come soon.
    pub(crate) fn handshake_done(&self) {
        let now = self.now();
        self.since.store(now, Ordering::Relaxed);
        self.last_read.store(now, Ordering::Relaxed);
        self.set(Phase::AwaitingFirstRequest);
    }

    /// A request is answered although its body was not read to the end, so no other request can follow.
    pub(crate) fn body_left_unread(&self) {
        self.is_body_unread.store(true, Ordering::Relaxed);
    }

    /// Whether the client may still be sending a request that nobody reads.
    pub(crate) fn is_request_unread(&self) -> bool {
        self.is_body_unread.load(Ordering::Relaxed) || self.phase() == Phase::ReadingHead
    }

    pub(crate) fn request_started(&self) {
        self.set(Phase::Handling);
    }

    /// The handler polled the body: a piece is there, or the client is awaited.
    pub(crate) fn body_polled(&self, is_ready: bool) {
        let phase = if is_ready { Phase::Handling } else { Phase::ReadingBody };
        // No change means that nothing has happened, so an eviction is not withdrawn.
        if self.phase() != phase {
            self.set(phase);
        }
    }

    /// The response is made. hyper may have read the beginning of the next head along with this request, which cannot
    /// be seen here: such a head counts as idle time until more of it comes. The API server sends none.
    pub(crate) fn request_answered(&self) {
        self.state.store(Phase::WritingResponse as u8, Ordering::Relaxed);
    }

    /// Everything is written. True if that was a response, so the connection is idle now.
    pub(crate) fn flushed(&self) -> bool {
        let was_writing = self.phase() == Phase::WritingResponse;
        if was_writing {
            self.since.store(self.now(), Ordering::Relaxed);
            self.set(Phase::Idle);
        }
        was_writing
    }

    /// Bytes were read. True if they start a head.
    pub(crate) fn read(&self, bytes: usize) -> bool {
        let (now, phase) = (self.now(), self.phase());
        self.last_read.store(now, Ordering::Relaxed);
        self.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
        let starts = matches!(phase, Phase::AwaitingFirstRequest | Phase::WritingResponse | Phase::Idle);
        if starts {
            self.since.store(now, Ordering::Relaxed);
        }
        self.set(if starts { Phase::ReadingHead } else { phase });
        starts
    }

    /// Bytes of a response were written.
    pub(crate) fn wrote(&self, bytes: usize) {
        self.last_written.store(self.now(), Ordering::Relaxed);
        self.bytes_written.fetch_add(bytes as u64, Ordering::Relaxed);
        self.state.fetch_and(!EVICTION_REQUESTED, Ordering::Relaxed);
    }

    pub(crate) fn transferred(&self, direction: Direction) -> Transferred {
        let (bytes, last) = match direction {
            Direction::Read => (&self.bytes_read, &self.last_read),
            Direction::Write => (&self.bytes_written, &self.last_written),
        };
        Transferred { bytes: bytes.load(Ordering::Relaxed), silent: self.elapsed(Instant::now(), last) }
    }

    pub(crate) fn phase(&self) -> Phase {
        Phase::of(self.state.load(Ordering::Relaxed))
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot(self.state.load(Ordering::Relaxed))
    }

    /// Time since the connection was accepted.
    pub(crate) fn age(&self) -> Duration {
        self.accepted.elapsed()
    }

    /// Time from the start of the request, or of the idle time, to `now`.
    pub(crate) fn in_phase_for(&self, now: Instant) -> Duration {
        self.elapsed(now, &self.since)
    }

    /// Time from the last byte that was read to `now`.
    pub(crate) fn silent_for(&self, now: Instant) -> Duration {
        self.elapsed(now, &self.last_read)
    }

    /// Ends the connection, unless something has happened on it since the snapshot, or happens before its task runs.
    pub(crate) fn request_eviction(&self, Snapshot(state): Snapshot) {
        let new = state | EVICTION_REQUESTED;
        let exchanged = self.state.compare_exchange(state, new, Ordering::Relaxed, Ordering::Relaxed);
        if exchanged.is_ok() {
            self.task.wake();
        }
    }

    /// Ends the connection, whatever happens on it.
    pub(crate) fn evict(&self) {
        self.is_evicted.store(true, Ordering::Relaxed);
        self.task.wake();
    }

    pub(crate) fn is_evicted(&self) -> bool {
        self.snapshot().is_eviction_requested() || self.is_evicted.load(Ordering::Relaxed)
    }

    /// Ready when the connection has to end.
    pub(crate) async fn evicted(&self) {
        poll_fn(|cx| {
            self.task.register(cx.waker());
            if self.is_evicted() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn set(&self, phase: Phase) {
        let flag = self.state.load(Ordering::Relaxed) & NOTHING_ANSWERED;
        self.state.store(phase as u8 | flag, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.accepted.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn elapsed(&self, now: Instant, time: &AtomicU64) -> Duration {
        let time = Duration::from_micros(time.load(Ordering::Relaxed));
        now.saturating_duration_since(self.accepted).saturating_sub(time)
    }
}
