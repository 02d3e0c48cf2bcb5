//! The connections of a port, and which of them are evicted at the maximum of connections.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::connection_state::{ConnectionState, Snapshot};

/// Which connections are evicted at the maximum of connections.
#[derive(Clone, Copy, Debug)]
pub enum Eviction {
    /// The oldest, in whatever phase: for a port whose clients send one short request with their first packets, and can
    /// try again.
    OldestFirst {
        /// Minimum time that a connection is kept.
        grace: Duration,
    },
    /// One that was never used, or the one idle longest. If half of all have an unfinished request, or none so far, the
    /// one of those that has been silent longest: for a port whose clients keep connections.
    IdleFirst {
        /// Time without a byte in a request, or before the first, after which a client may be evicted.
        silent: Duration,
        /// Time after which a client may be evicted although its request goes on arriving.
        sending: Duration,
    },
}

#[derive(Debug, Default)]
struct Connections {
    next: u64,
    /// By number, so the oldest is the first.
    open: BTreeMap<u64, Arc<ConnectionState>>,
}

/// The open connections of a port.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionTable {
    max: usize,
    eviction: Eviction,
    connections: Arc<Mutex<Connections>>,
}

impl ConnectionTable {
    pub(crate) fn new(max: usize, eviction: Eviction) -> Self {
        Self { max, eviction, connections: Arc::default() }
    }

    /// Adds a connection that has just been accepted.
    pub(crate) fn insert(&self) -> ConnectionSlot {
        let state = ConnectionState::new();
        let number = self.with(|connections| {
            connections.next += 1;
            connections.open.insert(connections.next, state.clone());
            connections.next
        });
        ConnectionSlot { number, state, table: self.clone() }
    }

    /// Evicts as many connections as wait for a slot, less those that are being evicted already.
    pub(crate) fn evict(&self, waiting: usize) {
        if waiting == 0 {
            return;
        }
        self.with(|connections| {
            let open = || connections.open.values().map(|state| &**state);
            // They end, or withdraw the eviction, as soon as their tasks run; others would free the same slots.
            let evicted = open().filter(|state| state.is_evicted()).count();
            let missing = waiting.saturating_sub(evicted);
            match self.eviction {
                Eviction::OldestFirst { grace } => {
                    let oldest = open().filter(|state| !state.is_evicted()).take(missing);
                    oldest.take_while(|state| state.age() >= grace).for_each(ConnectionState::evict);
                }
                Eviction::IdleFirst { silent, sending } => {
                    let mut candidates = Candidates::new(open(), self.max, silent, sending);
                    for _ in 0..missing {
                        if !candidates.evict_one() {
                            break;
                        }
                    }
                }
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Connections) -> T) -> T {
        // Nothing in here can panic half-way.
        act(&mut self.connections.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One connection at a moment.
struct Candidate<'c> {
    state: &'c ConnectionState,
    snapshot: Snapshot,
    /// Time since the request began, or the idle time.
    in_phase: Duration,
    /// Time since the last byte was read.
    silent: Duration,
}

/// The connections that may be evicted on a port whose clients keep connections.
struct Candidates<'c> {
    all: Vec<Candidate<'c>>,
    /// Whether half of the slots are those of clients with an unfinished request.
    are_half_unfinished: bool,
    silent: Duration,
    sending: Duration,
}

impl<'c> Candidates<'c> {
    fn new(
        open: impl Iterator<Item = &'c ConnectionState>,
        max: usize,
        silent: Duration,
        sending: Duration,
    ) -> Self {
        let now = Instant::now();
        let candidate = |state: &'c ConnectionState| Candidate {
            state,
            snapshot: state.snapshot(),
            in_phase: state.in_phase_for(now),
            silent: state.silent_for(now),
        };
        let mut all: Vec<_> = open.map(candidate).collect();
        let unfinished = all.iter().filter(|one| one.snapshot.is_unfinished()).count();
        all.retain(|one| !one.snapshot.is_eviction_requested());
        Self { all, are_half_unfinished: unfinished >= max.div_ceil(2), silent, sending }
    }

    /// Requests the eviction of the next candidate; false if there is none.
    ///
    /// Clients that leave requests unfinished must not drive out those that finish theirs: if they hold half of the
    /// slots, one of them is evicted. Else it is one that was never used, or else the one that has been idle longest: it
    /// loses a handshake, while half a request would be lost for nothing worse than a packet that is sent again. If no
    /// connection is idle, it is an unfinished one after all.
    ///
    /// Of the unfinished, the one that has been silent longest goes first, whether or not it has been answered before:
    /// an honest client that is slow goes on sending. Only if none is silent, it is the one that has been sending
    /// longest. A request that has arrived waits for the server, not for the client: its connection stays, if it has
    /// been answered before.
    fn evict_one(&mut self) -> bool {
        let longest = |is_one: fn(Snapshot) -> bool, time: fn(&Candidate<'_>) -> Duration, min: Duration| {
            let those =
                self.all.iter().enumerate().filter(|(_, one)| is_one(one.snapshot) && time(one) >= min);
            those.max_by_key(|(_, one)| time(one)).map(|(index, _)| index)
        };
        let unfinished = || {
            longest(Snapshot::is_unfinished, |one| one.silent, self.silent)
                .or_else(|| longest(Snapshot::is_unfinished, |one| one.in_phase, self.sending))
        };
        let unused = || longest(Snapshot::is_unused, |one| one.silent, self.silent);
        let idle = || longest(Snapshot::is_idle, |one| one.in_phase, Duration::ZERO);
        let index =
            if self.are_half_unfinished { unfinished() } else { unused().or_else(idle).or_else(unfinished) };
        let Some(index) = index else { return false };
        let Candidate { state, snapshot, .. } = self.all.swap_remove(index);
        state.request_eviction(snapshot);
        true
    }
}

/// The slot of one connection, until dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    number: u64,
    pub(crate) state: Arc<ConnectionState>,
    table: ConnectionTable,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.table.with(|connections| connections.open.remove(&self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const SILENT: Duration = Duration::from_millis(20);

    fn table(max: usize) -> ConnectionTable {
        ConnectionTable::new(max, Eviction::IdleFirst { silent: SILENT, sending: SILENT * 4 })
    }

    /// A connection that has been answered before.
    fn answered(table: &ConnectionTable) -> ConnectionSlot {
        let slot = table.insert();
        slot.state.handshake_done();
        slot.state.request_answered();
        assert!(slot.state.flushed());
        slot
    }

    fn is_evicted(slot: &ConnectionSlot) -> bool {
        slot.state.is_evicted()
    }

    #[rstest]
    #[case::idle(|_: &ConnectionState| (), true)]
    #[case::in_a_head(|state: &ConnectionState| { state.read(1); }, true)]
    #[case::in_a_body(|state: &ConnectionState| state.body_polled(false), true)]
    #[case::the_body_is_here(|state: &ConnectionState| state.body_polled(true), false)]
    #[case::answering(ConnectionState::request_started, false)]
    #[case::writing(ConnectionState::request_answered, false)]
    fn only_a_connection_that_waits_for_the_client_is_evicted(
        #[case] now: fn(&ConnectionState),
        #[case] expected: bool,
    ) {
        let table = table(1);
        let slot = answered(&table);
        now(&slot.state);
        std::thread::sleep(SILENT);
        table.evict(1);
        assert_eq!(is_evicted(&slot), expected);
    }

    #[rstest]
    #[case::bytes(|state: &ConnectionState| { state.read(1); }, false)]
    #[case::nothing(|state: &ConnectionState| state.body_polled(false), true)]
    fn what_the_client_sends_withdraws_the_eviction(
        #[case] then: fn(&ConnectionState),
        #[case] expected: bool,
    ) {
        let table = table(1);
        let slot = answered(&table);
        slot.state.body_polled(false);
        std::thread::sleep(SILENT);
        table.evict(1);
        then(&slot.state);
        assert_eq!(is_evicted(&slot), expected);
    }

    #[test]
    fn as_many_are_evicted_as_wait() {
        let table = table(4);
        let all: Vec<_> = (0..4).map(|_| answered(&table)).collect();
        for waiting in [0, 1, 1, 3, 2] {
            table.evict(waiting);
            let evicted = all.iter().filter(|slot| is_evicted(slot)).count();
            assert_eq!(evicted, if waiting < 2 { waiting } else { 3 }, "{waiting}");
        }
    }

    /// Also if more wait than there are of them.
    #[test]
    fn if_half_are_unfinished_nobody_else_is_evicted() {
        let table = table(4);
        let idle = [answered(&table), answered(&table)];
        let unfinished = [table.insert(), table.insert()];
        std::thread::sleep(SILENT);
        for _ in 0..2 {
            table.evict(4);
            assert!(unfinished.iter().all(is_evicted) && !idle.iter().any(is_evicted));
        }
    }

    /// Nothing that a client sends makes it younger.
    #[test]
    fn the_oldest_go_first_whatever_they_do() {
        let table = ConnectionTable::new(4, Eviction::OldestFirst { grace: SILENT });
        let all: Vec<_> = (0..3).map(|_| table.insert()).collect();
        table.evict(1);
        assert!(!all.iter().any(is_evicted), "they have just come");
        std::thread::sleep(SILENT);
        let all: Vec<_> = all.into_iter().chain([table.insert()]).collect();
        all[0].state.read(1);
        all[1].state.request_answered();
        table.evict(2);
        for slot in &all {
            slot.state.read(1);
        }
        assert_eq!(all.iter().map(is_evicted).collect::<Vec<_>>(), [true, true, false, false]);
        table.evict(4);
        assert_eq!(all.iter().map(is_evicted).collect::<Vec<_>>(), [true, true, true, false]);
    }
}
