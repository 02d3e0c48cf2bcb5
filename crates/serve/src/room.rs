//! The connections of a port, what each is waiting for, and which of them makes room when places run out.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use futures::task::AtomicWaker;

/// How long a client may say nothing in a request, or before its first, until its connection can be asked to make room:
/// enough for a handshake and a review on a busy node.
const GRACE: Duration = Duration::from_millis(250);

/// How long a request may take that goes on arriving, likewise; the API server waits three times as long for a place.
const WHILE_SENDING: Duration = Duration::from_secs(1);

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

/// Beside a [`Waiting`]: no request has been answered so far.
const NEW: u8 = 1 << 6;

/// Beside a [`Waiting`]: the place is needed. Whatever comes to pass on the connection takes it back.
const WANTED: u8 = 1 << 7;

/// Where one connection stands. Only its own task writes here, but for [`WANTED`], so that a request takes no lock.
#[derive(Clone, Debug)]
pub(super) struct Progress(Arc<Standing>);

#[derive(Debug)]
struct Standing {
    accepted: Instant,
    /// A [`Waiting`], with [`NEW`] and [`WANTED`].
    state: AtomicU8,
    /// When the request began, or the idleness; microseconds after `accepted`, like every time here.
    since: AtomicU64,
    /// When the last bytes came.
    heard: AtomicU64,
    is_body_unread: AtomicBool,
    task: AtomicWaker,
}

impl Progress {
    fn new() -> Self {
        Self(Arc::new(Standing {
            accepted: Instant::now(),
            state: AtomicU8::new(Waiting::Handshake as u8 | NEW),
            since: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            is_body_unread: AtomicBool::new(false),
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
    pub(super) fn bytes_arrived(&self) -> bool {
        let (now, waiting) = (self.0.now(), self.waiting());
        self.0.heard.store(now, Ordering::Relaxed);
        let starts = matches!(waiting, Waiting::Taking | Waiting::Idle);
        if starts {
            self.0.since.store(now, Ordering::Relaxed);
        }
        self.set(if starts { Waiting::Head } else { waiting });
        starts
    }

    pub(super) fn waiting(&self) -> Waiting {
        waiting(self.0.state.load(Ordering::Relaxed))
    }

    /// Ready when the place is needed.
    pub(super) async fn wanted(&self) {
        poll_fn(|cx| {
            self.0.task.register(cx.waker());
            let is_wanted = self.0.state.load(Ordering::Relaxed) & WANTED != 0;
            if is_wanted { Poll::Ready(()) } else { Poll::Pending }
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

    fn until(&self, now: Instant, time: &AtomicU64) -> Duration {
        let time = Duration::from_micros(time.load(Ordering::Relaxed));
        now.saturating_duration_since(self.accepted).saturating_sub(time)
    }

    /// Asks for the place, unless something has come to pass since the state was this one.
    fn ask(&self, state: u8) {
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
fn is_unfinished(state: u8) -> bool {
    state & NEW != 0 || matches!(waiting(state), Waiting::Head | Waiting::Body)
}

/// Whether the client has not begun its first request.
fn is_unused(state: u8) -> bool {
    state == Waiting::Idle as u8 | NEW
}

fn is_idle(state: u8) -> bool {
    state == Waiting::Idle as u8
}

#[derive(Debug, Default)]
struct Connections {
    next: u64,
    open: BTreeMap<u64, Progress>,
}

/// Who makes room.
#[derive(Clone, Debug, Default)]
pub(super) struct Room(Arc<Mutex<Connections>>);

impl Room {
    /// A connection that has just been accepted.
    pub(super) fn enter(&self) -> Place {
        let progress = Progress::new();
        let number = self.with(|connections| {
            connections.next += 1;
            connections.open.insert(connections.next, progress.clone());
            connections.next
        });
        Place { number, progress, room: self.clone() }
    }

    /// Asks one connection to end, of so many that there can be. Clients that leave requests unfinished must not drive
    /// out those that finish theirs: where they hold half of the places, one of them makes room. Else it is one that was
    /// never used, or else the one that has been idle longest: it loses a handshake, while half a request would be lost
    /// for nothing worse than a packet that is sent again. Where nobody is idle, one of the unfinished after all.
    ///
    /// Of those, first the one that has been silent longest, whether or not it has been answered before: who is honest
    /// and slow goes on sending. Only where nobody is silent, the one that has been sending longest. A request that has
    /// arrived is nobody's fault but ours: its connection stays, if it has been answered before.
    pub(super) fn make(&self, places: usize) {
        self.with(|connections| {
            let all: Vec<(u8, &Standing)> = connections
                .open
                .values()
                .map(|Progress(standing)| (standing.state.load(Ordering::Relaxed), &**standing))
                .collect();
            if all.iter().any(|(state, _)| state & WANTED != 0) {
                // It ends, or takes it back, as soon as its task gets to it; two would go for one place.
                return;
            }
            let longest = |is_one: fn(u8) -> bool, ago: &dyn Fn(&Standing) -> Duration| {
                let those = all.iter().filter(|(state, _)| is_one(*state));
                those.map(|one| (ago(one.1), one)).max_by_key(|(ago, _)| *ago)
            };
            let now = Instant::now();
            let begun = |standing: &Standing| standing.until(now, &standing.since);
            let silent = |standing: &Standing| standing.until(now, &standing.heard);
            let unfinished = || {
                let silent = longest(is_unfinished, &silent).filter(|(ago, _)| *ago >= GRACE);
                silent.or_else(|| longest(is_unfinished, &begun).filter(|(ago, _)| *ago >= WHILE_SENDING))
            };
            let are_half =
                all.iter().filter(|(state, _)| is_unfinished(*state)).count() >= places.div_ceil(2);
            let unused = || longest(is_unused, &silent).filter(|(ago, _)| *ago >= GRACE);
            let idle = if are_half { None } else { unused().or_else(|| longest(is_idle, &begun)) };
            if let Some((_, (state, standing))) = idle.or_else(unfinished) {
                standing.ask(*state);
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Connections) -> T) -> T {
        // Nothing in here can panic half-way.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The place of one connection, until dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    pub(super) progress: Progress,
    room: Room,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.with(|connections| connections.open.remove(&self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// A connection that has been answered before.
    fn answered(room: &Room) -> Place {
        let place = room.enter();
        place.progress.handshake_done();
        place.progress.request_answered();
        assert!(place.progress.all_is_written());
        place
    }

    fn is_asked(place: &Place) -> bool {
        place.progress.0.state.load(Ordering::Relaxed) & WANTED != 0
    }

    #[rstest]
    #[case::idle(|_: &Progress| (), true)]
    #[case::in_a_head(|progress: &Progress| { progress.bytes_arrived(); }, true)]
    #[case::in_a_body(|progress: &Progress| progress.body_asked_for(false), true)]
    #[case::the_body_is_here(|progress: &Progress| progress.body_asked_for(true), false)]
    #[case::answering(Progress::request_started, false)]
    #[case::writing(Progress::request_answered, false)]
    fn only_who_waits_for_the_client_makes_room(#[case] now: fn(&Progress), #[case] expected: bool) {
        let room = Room::default();
        let place = answered(&room);
        now(&place.progress);
        std::thread::sleep(GRACE);
        room.make(1);
        assert_eq!(is_asked(&place), expected);
    }

    #[rstest]
    #[case::bytes(|progress: &Progress| { progress.bytes_arrived(); }, false)]
    #[case::nothing(|progress: &Progress| progress.body_asked_for(false), true)]
    fn what_the_client_sends_takes_the_question_back(#[case] then: fn(&Progress), #[case] expected: bool) {
        let room = Room::default();
        let place = answered(&room);
        place.progress.body_asked_for(false);
        std::thread::sleep(GRACE);
        room.make(1);
        then(&place.progress);
        assert_eq!(is_asked(&place), expected);
    }

    #[test]
    fn while_one_is_asked_no_other_is() {
        let room = Room::default();
        let both = [answered(&room), answered(&room)];
        for _ in 0..2 {
            room.make(2);
            assert_eq!(both.iter().filter(|place| is_asked(place)).count(), 1);
        }
    }
}
