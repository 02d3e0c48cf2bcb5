//! The connections of a port that can make room when places run out.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

/// How long a connection may take until its first answer before it can be asked to make room: enough for a handshake
/// and a review on a busy node.
const GRACE: Duration = Duration::from_millis(250);

/// Told that the connection's place is needed.
pub(super) type Wanted = oneshot::Receiver<()>;

/// All of them, each in the order in which it came.
#[derive(Debug, Default)]
struct Connections {
    next: u64,
    /// Without an answer so far, and since when.
    new: BTreeMap<u64, (Instant, oneshot::Sender<()>)>,
    /// Between two requests.
    idle: BTreeMap<u64, oneshot::Sender<()>>,
}

/// Who makes room.
#[derive(Clone, Debug, Default)]
pub(super) struct Room(Arc<Mutex<Connections>>);

impl Room {
    /// A connection that has just been accepted; it counts as new until it is answered or dropped.
    pub(super) fn enter_new(&self) -> (Newcomer, Wanted) {
        let (sender, wanted) = oneshot::channel();
        let number = self.enter(|connections, number| {
            connections.new.insert(number, (Instant::now(), sender));
        });
        (Newcomer { number, room: self.clone(), is_answered: AtomicBool::new(false) }, wanted)
    }

    /// A connection becomes idle; it is busy again when the place is dropped.
    pub(super) fn enter_idle(&self) -> Place {
        let (sender, wanted) = oneshot::channel();
        let number = self.enter(|connections, number| {
            connections.idle.insert(number, sender);
        });
        Place { number, wanted, room: self.clone() }
    }

    /// Asks one connection to end, of so many that there can be. Clients that never come to an answer must not drive
    /// out those that do: where new connections hold half of the places, the oldest of them makes room, else the one
    /// that has been idle longest.
    pub(super) fn make(&self, places: usize) {
        let asked = self.with(|connections| {
            if connections.new.len() < places.div_ceil(2) {
                return connections.idle.pop_first().map(|(_, sender)| sender);
            }
            let oldest = connections.new.first_entry()?;
            let had_its_time = oldest.get().0.elapsed() >= GRACE;
            had_its_time.then(|| oldest.remove().1)
        });
        if let Some(sender) = asked {
            // One that has just ended by itself needs no message.
            let _ = sender.send(());
        }
    }

    /// The next number, for which `insert` makes an entry.
    fn enter(&self, insert: impl FnOnce(&mut Connections, u64)) -> u64 {
        self.with(|connections| {
            connections.next += 1;
            insert(connections, connections.next);
            connections.next
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Connections) -> T) -> T {
        // Nothing in here can panic half-way.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One connection without an answer so far.
#[derive(Debug)]
pub(super) struct Newcomer {
    number: u64,
    room: Room,
    is_answered: AtomicBool,
}

impl Newcomer {
    /// From now on it counts as the others do. Only the first time is anything to do, and the lock of all is taken.
    pub(super) fn answered(&self) {
        if !self.is_answered.swap(true, Ordering::Relaxed) {
            self.room.with(|connections| connections.new.remove(&self.number));
        }
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.answered();
    }
}

/// One idle connection.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    wanted: Wanted,
    room: Room,
}

impl Place {
    /// Ready when another connection needs the place.
    pub(super) fn poll_wanted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.wanted.is_terminated() {
            return Poll::Ready(());
        }
        Pin::new(&mut self.wanted).poll(cx).map(|_| ())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.with(|connections| connections.idle.remove(&self.number));
    }
}
