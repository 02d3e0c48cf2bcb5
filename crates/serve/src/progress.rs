//! Where one connection is: what it is waiting for, and how much has come and gone.

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

/// What the connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Waiting {
    /// The end of the TLS handshake.
    Handshake = 0,
    /// The rest of a request's head.
    Head = 1,
    /// More of a request's body, which has its own timeout.
    Body = 2,
    /// Our own answer.
    Answer = 3,
    /// The client to take our answer.
    Taking = 4,
    /// The next request, or the first.
    Idle = 5,
}

/// Which way bytes go, as the program sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Arriving,
    Leaving,
}

/// Bytes of a connection that went one way so far, and how long ago the last of them did.
pub(super) struct Flow {
    pub(super) bytes: u64,
    pub(super) silent: Duration,
}

/// Beside a [`Waiting`]: no request has been answered so far.
const NEW: u8 = 1 << 6;

/// Beside a [`Waiting`]: the place is needed. Whatever comes to pass on the connection takes it back.
pub(super) const WANTED: u8 = 1 << 7;

/// Where one connection stands. Only its own task writes here, but for [`WANTED`], so that a request takes no lock.
#[derive(Clone, Debug)]
pub(super) struct Progress(pub(super) Arc<Standing>);

#[derive(Debug)]
pub(super) struct Standing {
    pub(super) accepted: Instant,
    /// A [`Waiting`], with [`NEW`] and [`WANTED`].
    pub(super) state: AtomicU8,
    /// When the request began, or the idleness; microseconds after `accepted`, like every time here.
    pub(super) since: AtomicU64,
    /// When the last bytes came.
    pub(super) heard: AtomicU64,
    /// When the last bytes went.
    written: AtomicU64,
    /// How many came and went.
    arrived: AtomicU64,
    left: AtomicU64,
    is_body_unread: AtomicBool,
    /// The place is needed whatever comes to pass.
    is_evicted: AtomicBool,
    task: AtomicWaker,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self(Arc::new(Standing {
            accepted: Instant::now(),
            state: AtomicU8::new(Waiting::Handshake as u8 | NEW),
            since: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            written: AtomicU64::new(0),
            arrived: AtomicU64::new(0),
            left: AtomicU64::new(0),
            is_body_unread: AtomicBool::new(false),
            is_evicted: AtomicBool::new(false),
            task: AtomicWaker::new(),
        }))
    }

    /// The first request may come; it need not come soon.
    pub(super) fn handshake_done(&self) {
        let now = self.0.now();
        self.0.since.store(now, Ordering::Relaxed);
        self.0.heard.store(now, Ordering::Relaxed);
        self.set(Waiting::Idle);
    }

    /// A request is answered although its body was not read to the end, so that no other can follow.
    pub(super) fn body_left_unread(&self) {
        self.0.is_body_unread.store(true, Ordering::Relaxed);
    }

    /// Whether the client may still be sending a request that nobody reads.
    pub(super) fn is_request_unread(&self) -> bool {
        self.0.is_body_unread.load(Ordering::Relaxed) || self.waiting() == Waiting::Head
    }

    pub(super) fn request_started(&self) {
        self.set(Waiting::Answer);
    }

    /// More of the body is asked for; it may be there, or the client is awaited.
    pub(super) fn body_asked_for(&self, is_there: bool) {
        let waiting = if is_there { Waiting::Answer } else { Waiting::Body };
        // Nothing has come to pass where the client is still awaited.
        if self.waiting() != waiting {
            self.set(waiting);
        }
    }

    /// The answer is made. Whether hyper has taken the beginning of the next head along with this request cannot be
    /// told from here: such a head counts as idleness until more of it comes. The API server sends none.
    pub(super) fn request_answered(&self) {
        self.0.state.store(Waiting::Taking as u8, Ordering::Relaxed);
    }

    /// Nothing is left to be written. True where that was an answer, so that the connection is idle now.
    pub(super) fn all_is_written(&self) -> bool {
        let was_taking = self.waiting() == Waiting::Taking;
        if was_taking {
            self.0.since.store(self.0.now(), Ordering::Relaxed);
            self.set(Waiting::Idle);
        }
        was_taking
    }

    /// True where this is the start of a head.
    pub(super) fn bytes_arrived(&self, bytes: usize) -> bool {
        let (now, waiting) = (self.0.now(), self.waiting());
        self.0.heard.store(now, Ordering::Relaxed);
        self.0.arrived.fetch_add(bytes as u64, Ordering::Relaxed);
        let starts = matches!(waiting, Waiting::Taking | Waiting::Idle);
        if starts {
            self.0.since.store(now, Ordering::Relaxed);
        }
        self.set(if starts { Waiting::Head } else { waiting });
        starts
    }

    /// The client takes an answer.
    pub(super) fn bytes_left(&self, bytes: usize) {
        self.0.written.store(self.0.now(), Ordering::Relaxed);
        self.0.left.fetch_add(bytes as u64, Ordering::Relaxed);
        self.0.state.fetch_and(!WANTED, Ordering::Relaxed);
    }

    pub(super) fn flow(&self, direction: Direction) -> Flow {
        let (bytes, last) = match direction {
            Direction::Arriving => (&self.0.arrived, &self.0.heard),
            Direction::Leaving => (&self.0.left, &self.0.written),
        };
        Flow { bytes: bytes.load(Ordering::Relaxed), silent: self.0.until(Instant::now(), last) }
    }

    /// Asks for the place; whatever comes to pass on the connection takes it back.
    pub(super) fn ask(&self) {
        self.0.ask(self.0.state.load(Ordering::Relaxed));
    }

    /// Takes the place.
    pub(super) fn evict(&self) {
        self.0.evict();
    }

    pub(super) fn waiting(&self) -> Waiting {
        waiting(self.0.state.load(Ordering::Relaxed))
    }

    /// Ready when the place is needed.
    pub(super) async fn wanted(&self) {
        poll_fn(|cx| {
            self.0.task.register(cx.waker());
            if self.0.is_asked() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn set(&self, waiting: Waiting) {
        let new = self.0.state.load(Ordering::Relaxed) & NEW;
        self.0.state.store(waiting as u8 | new, Ordering::Relaxed);
    }
}

impl Standing {
    fn now(&self) -> u64 {
        u64::try_from(self.accepted.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn until(&self, now: Instant, time: &AtomicU64) -> Duration {
        let time = Duration::from_micros(time.load(Ordering::Relaxed));
        now.saturating_duration_since(self.accepted).saturating_sub(time)
    }

    pub(super) fn is_asked(&self) -> bool {
        self.state.load(Ordering::Relaxed) & WANTED != 0 || self.is_evicted.load(Ordering::Relaxed)
    }

    /// Takes the place.
    pub(super) fn evict(&self) {
        self.is_evicted.store(true, Ordering::Relaxed);
        self.task.wake();
    }

    /// Asks for the place, unless something has come to pass since the state was this one.
    pub(super) fn ask(&self, state: u8) {
        let asked = self.state.compare_exchange(state, state | WANTED, Ordering::Relaxed, Ordering::Relaxed);
        if asked.is_ok() {
            self.task.wake();
        }
    }
}

fn waiting(state: u8) -> Waiting {
    match state & !(NEW | WANTED) {
        0 => Waiting::Handshake,
        1 => Waiting::Head,
        2 => Waiting::Body,
        3 => Waiting::Answer,
        4 => Waiting::Taking,
        _ => Waiting::Idle,
    }
}

/// Whether the client has yet to finish a request: the first, or one that it has begun.
pub(super) fn is_unfinished(state: u8) -> bool {
    state & NEW != 0 || matches!(waiting(state), Waiting::Head | Waiting::Body)
}

/// Whether the client has not begun its first request.
pub(super) fn is_unused(state: u8) -> bool {
    state == Waiting::Idle as u8 | NEW
}

pub(super) fn is_idle(state: u8) -> bool {
    state == Waiting::Idle as u8
}
