//! The connections of a port, and which of them make room when places run out.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use super::progress::{Progress, Standing, WANTED, is_idle, is_unfinished, is_unused};

/// Which connections make room at the cap.
#[derive(Clone, Copy, Debug)]
pub enum Eviction {
    /// The oldest ones, whatever they do: for a port whose clients send one short request with their first packets, and
    /// can ask again.
    OldestFirst {
        /// How long a connection lasts at least.
        grace: Duration,
    },
    /// One that was never used, or the one idle longest, or, if half of all have an unfinished request or none so far,
    /// the one of those that has been silent longest: for a port whose clients keep connections.
    IdleFirst {
        /// How long a client may send nothing in a request, or before its first.
        silent: Duration,
        /// How long a request may take that goes on arriving.
        sending: Duration,
    },
}

#[derive(Debug, Default)]
struct Connections {
    next: u64,
    /// By their numbers, so the oldest is the first.
    open: BTreeMap<u64, Progress>,
}

/// Who makes room.
#[derive(Clone, Debug)]
pub(super) struct Room {
    places: usize,
    eviction: Eviction,
    connections: Arc<Mutex<Connections>>,
}

impl Room {
    pub(super) fn new(places: usize, eviction: Eviction) -> Self {
        Self { places, eviction, connections: Arc::default() }
    }

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

    /// Asks connections to end, so that there is room for so many that wait.
    pub(super) fn make(&self, waiting: usize) {
        if waiting == 0 {
            return;
        }
        self.with(|connections| {
            let open = || connections.open.values().map(|Progress(standing)| &**standing);
            // They end, or take it back, as soon as their tasks get to it; others would go for the same places.
            let asked = open().filter(|standing| standing.is_asked()).count();
            let missing = waiting.saturating_sub(asked);
            match self.eviction {
                Eviction::OldestFirst { grace } => {
                    let oldest = open().filter(|standing| !standing.is_asked()).take(missing);
                    oldest.take_while(|one| one.accepted.elapsed() >= grace).for_each(Standing::evict);
                }
                Eviction::IdleFirst { silent, sending } => {
                    let mut candidates = Candidates::new(open(), self.places, silent, sending);
                    for _ in 0..missing {
                        let Some(Candidate { standing, state, .. }) = candidates.next() else { break };
                        standing.ask(state);
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
    standing: &'c Standing,
    state: u8,
    /// How long ago the request began, or the idleness.
    begun: Duration,
    /// How long ago the last bytes came.
    silent: Duration,
}

/// Who makes room on a port whose clients keep connections, one after the other.
struct Candidates<'c> {
    all: Vec<Candidate<'c>>,
    /// Whether half of the places are those of clients that have a request unfinished.
    are_half: bool,
    silent: Duration,
    sending: Duration,
}

impl<'c> Candidates<'c> {
    fn new(
        open: impl Iterator<Item = &'c Standing>,
        places: usize,
        silent: Duration,
        sending: Duration,
    ) -> Self {
        let now = Instant::now();
        let candidate = |standing: &'c Standing| Candidate {
            standing,
            state: standing.state.load(Ordering::Relaxed),
            begun: standing.until(now, &standing.since),
            silent: standing.until(now, &standing.heard),
        };
        let mut all: Vec<_> = open.map(candidate).collect();
        let unfinished = all.iter().filter(|one| is_unfinished(one.state & !WANTED)).count();
        all.retain(|one| one.state & WANTED == 0);
        Self { all, are_half: unfinished >= places.div_ceil(2), silent, sending }
    }

    /// Clients that leave requests unfinished must not drive out those that finish theirs: if they hold half of the
    /// places, one of them makes room. Else it is one that was never used, or else the one that has been idle longest:
    /// it loses a handshake, while half a request would be lost for nothing worse than a packet that is sent again. If
    /// nobody is idle, one of the unfinished after all.
    ///
    /// Of those, first the one that has been silent longest, whether or not it has been answered before: who is honest
    /// and slow goes on sending. Only if nobody is silent, the one that has been sending longest. A request that has
    /// arrived is nobody's fault but ours: its connection stays, if it has been answered before.
    fn next(&mut self) -> Option<Candidate<'c>> {
        let longest = |is_one: fn(u8) -> bool, ago: fn(&Candidate<'_>) -> Duration, least: Duration| {
            let those = self.all.iter().enumerate().filter(|(_, one)| is_one(one.state) && ago(one) >= least);
            those.max_by_key(|(_, one)| ago(one)).map(|(index, _)| index)
        };
        let unfinished = || {
            longest(is_unfinished, |one| one.silent, self.silent)
                .or_else(|| longest(is_unfinished, |one| one.begun, self.sending))
        };
        let unused = || longest(is_unused, |one| one.silent, self.silent);
        let idle = || longest(is_idle, |one| one.begun, Duration::ZERO);
        let index = if self.are_half { unfinished() } else { unused().or_else(idle).or_else(unfinished) }?;
        Some(self.all.swap_remove(index))
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

    const SILENT: Duration = Duration::from_millis(20);

    fn room(places: usize) -> Room {
        Room::new(places, Eviction::IdleFirst { silent: SILENT, sending: SILENT * 4 })
    }

    /// A connection that has been answered before.
    fn answered(room: &Room) -> Place {
        let place = room.enter();
        place.progress.handshake_done();
        place.progress.request_answered();
        assert!(place.progress.all_is_written());
        place
    }

    fn is_asked(place: &Place) -> bool {
        place.progress.0.is_asked()
    }

    #[rstest]
    #[case::idle(|_: &Progress| (), true)]
    #[case::in_a_head(|progress: &Progress| { progress.bytes_arrived(1); }, true)]
    #[case::in_a_body(|progress: &Progress| progress.body_asked_for(false), true)]
    #[case::the_body_is_here(|progress: &Progress| progress.body_asked_for(true), false)]
    #[case::answering(Progress::request_started, false)]
    #[case::writing(Progress::request_answered, false)]
    fn only_who_waits_for_the_client_makes_room(#[case] now: fn(&Progress), #[case] expected: bool) {
        let room = room(1);
        let place = answered(&room);
        now(&place.progress);
        std::thread::sleep(SILENT);
        room.make(1);
        assert_eq!(is_asked(&place), expected);
    }

    #[rstest]
    #[case::bytes(|progress: &Progress| { progress.bytes_arrived(1); }, false)]
    #[case::nothing(|progress: &Progress| progress.body_asked_for(false), true)]
    fn what_the_client_sends_takes_the_question_back(#[case] then: fn(&Progress), #[case] expected: bool) {
        let room = room(1);
        let place = answered(&room);
        place.progress.body_asked_for(false);
        std::thread::sleep(SILENT);
        room.make(1);
        then(&place.progress);
        assert_eq!(is_asked(&place), expected);
    }

    #[test]
    fn as_many_are_asked_as_wait() {
        let room = room(4);
        let all: Vec<_> = (0..4).map(|_| answered(&room)).collect();
        for waiting in [0, 1, 1, 3, 2] {
            room.make(waiting);
            let asked = all.iter().filter(|place| is_asked(place)).count();
            assert_eq!(asked, if waiting < 2 { waiting } else { 3 }, "{waiting}");
        }
    }

    /// Also where more wait than there are of them.
    #[test]
    fn where_half_are_unfinished_nobody_else_is_asked() {
        let room = room(4);
        let idle = [answered(&room), answered(&room)];
        let unfinished = [room.enter(), room.enter()];
        std::thread::sleep(SILENT);
        for _ in 0..2 {
            room.make(4);
            assert!(unfinished.iter().all(is_asked) && !idle.iter().any(is_asked));
        }
    }

    /// Nothing that a client sends makes it younger.
    #[test]
    fn the_oldest_go_first_whatever_they_do() {
        let room = Room::new(4, Eviction::OldestFirst { grace: SILENT });
        let all: Vec<_> = (0..3).map(|_| room.enter()).collect();
        room.make(1);
        assert!(!all.iter().any(is_asked), "they have just come");
        std::thread::sleep(SILENT);
        let all: Vec<_> = all.into_iter().chain([room.enter()]).collect();
        all[0].progress.bytes_arrived(1);
        all[1].progress.request_answered();
        room.make(2);
        all.iter().for_each(|place| {
            place.progress.bytes_arrived(1);
        });
        assert_eq!(all.iter().map(is_asked).collect::<Vec<_>>(), [true, true, false, false]);
        room.make(4);
        assert_eq!(all.iter().map(is_asked).collect::<Vec<_>>(), [true, true, true, false]);
    }
}
