//! Memory for bodies and answers in flight, and which clients give theirs up when others wait for it.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use super::progress::{Direction, Progress};
use crate::metrics::Metrics;

/// Unit of a budget in bytes, so that it fits a semaphore.
const BYTES_PER_PERMIT: usize = 1 << 10;

/// Part of the time for a transfer that every client has with its share, at least: of 2 s, 100 ms, which is two round
/// trips to a node far away.
const GRACE: u32 = 20;

/// Part of the time for a transfer without a byte after which a client makes room although its pace would do: of 2 s,
/// 500 ms, which is more than a packet takes that is sent again, or a node that is busy.
const SILENT: u32 = 4;

/// How long to wait for clients to make room before looking again which could.
const MAKE_ROOM: Duration = Duration::from_millis(20);

/// The number of permits for so many bytes; `None` if there cannot be as many.
pub(super) fn permits(bytes: usize) -> Option<u32> {
    u32::try_from(bytes.div_ceil(BYTES_PER_PERMIT)).ok()
}

/// Bytes that a client has to send or to take.
#[derive(Clone, Debug)]
pub(super) struct Transfer {
    pub(super) client: Progress,
    pub(super) direction: Direction,
    pub(super) bytes: usize,
}

/// A client that holds a share while it sends or takes bytes.
#[derive(Debug)]
struct Holder {
    transfer: Transfer,
    permits: usize,
    since: Instant,
    /// What had been transferred on the connection by then.
    before: u64,
    /// It has been asked to make room, and has sent or taken something since.
    is_warned: bool,
    is_evicted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// At its pace so far it would not be done in time.
    Pace,
    Silence,
}

impl Holder {
    /// Why it should make room, and its pace in bytes a second.
    fn fault(&self, patience: Duration) -> Option<(Fault, u128)> {
        let (held, flow) = (self.since.elapsed(), self.transfer.client.flow(self.transfer.direction));
        let done = u128::from(flow.bytes.saturating_sub(self.before));
        let bytes = self.transfer.bytes as u128;
        if held < patience / GRACE || done >= bytes || self.is_evicted {
            return None;
        }
        let pace = done * 1_000_000 / held.as_micros().max(1);
        if bytes * 1_000_000 > pace * patience.as_micros() {
            return Some((Fault::Pace, pace));
        }
        (held.min(flow.silent) >= patience / SILENT).then_some((Fault::Silence, pace))
    }
}

#[derive(Debug, Default)]
struct Holders {
    next: u64,
    /// Permits that are waited for.
    wanted: usize,
    held: BTreeMap<u64, Holder>,
}

/// A budget of bytes.
#[derive(Debug)]
pub(super) struct Budget {
    permits: Arc<Semaphore>,
    /// How long a transfer may take.
    patience: Duration,
    holders: Mutex<Holders>,
    metrics: Metrics,
}

impl Budget {
    pub(super) fn new(bytes: usize, patience: Duration, metrics: Metrics) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(bytes.div_ceil(BYTES_PER_PERMIT)));
        Arc::new(Self { permits, patience, holders: Mutex::default(), metrics })
    }

    /// A share of so many permits if there is one now.
    pub(super) fn try_acquire(self: &Arc<Self>, permits: u32) -> Option<Share> {
        let permit = self.permits.clone().try_acquire_many_owned(permits).ok()?;
        Some(Share::new(self.clone(), permit))
    }

    /// Waits for a share. Meanwhile those make room that would not be done in time, the slowest first, or that are
    /// silent; one that is slow and goes on has nothing to fear.
    pub(super) async fn acquire(self: &Arc<Self>, permits: u32, wait: Duration) -> Option<Share> {
        let mut permit = pin!(self.permits.clone().acquire_many_owned(permits));
        let deadline = Instant::now() + wait;
        let _wanted = Wanted::new(self, permits as usize);
        loop {
            self.make_room();
            let left = deadline.saturating_duration_since(Instant::now());
            if let Ok(permit) = timeout(left.min(MAKE_ROOM), permit.as_mut()).await {
                return Some(Share::new(self.clone(), permit.ok()?));
            }
            if left.is_zero() {
                return None;
            }
        }
    }

    fn make_room(&self) {
        self.with(|holders| {
            let leaving = holders.held.values().filter(|holder| holder.is_evicted);
            let free = self.permits.available_permits() + leaving.map(|one| one.permits).sum::<usize>();
            let mut missing = holders.wanted.saturating_sub(free);
            if missing == 0 {
                return;
            }
            let faults = holders.held.values_mut().filter_map(|holder| {
                let (fault, pace) = holder.fault(self.patience)?;
                Some((pace, Reverse(holder.since.elapsed()), fault, holder))
            });
            let mut slowest: Vec<_> = faults.collect();
            slowest.sort_unstable_by_key(|(pace, held, ..)| (*pace, *held));
            for (.., fault, holder) in slowest {
                if missing == 0 {
                    break;
                }
                missing = missing.saturating_sub(holder.permits);
                self.evict(fault, holder);
            }
        });
    }

    /// Whatever has arrived and was not read yet speaks for a client, but a few bytes do so only once.
    fn evict(&self, fault: Fault, holder: &mut Holder) {
        let client = &holder.transfer.client;
        if fault == Fault::Pace && holder.is_warned {
            client.evict();
            holder.is_evicted = true;
        } else {
            holder.is_warned = true;
            client.ask();
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Holders) -> T) -> T {
        // Nothing in here can panic half-way.
        act(&mut self.holders.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Permits that are waited for, until dropped.
struct Wanted<'b>(&'b Budget, usize);

impl<'b> Wanted<'b> {
    fn new(budget: &'b Budget, permits: usize) -> Self {
        budget.with(|holders| holders.wanted += permits);
        Self(budget, permits)
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.with(|holders| holders.wanted -= self.1);
    }
}

/// A part of a budget, until dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    permit: OwnedSemaphorePermit,
    /// Its holder's number while a transfer goes on.
    holder: Option<u64>,
}

impl Share {
    fn new(budget: Arc<Budget>, permit: OwnedSemaphorePermit) -> Self {
        budget.metrics.bodies.inc_by(bytes(permit.num_permits()));
        Self { budget, permit, holder: None }
    }

    /// Gives back all but so many permits; false if it has fewer.
    pub(super) fn shrink(&mut self, permits: u32) -> bool {
        let Some(rest) = self.permit.num_permits().checked_sub(permits as usize) else { return false };
        let rest = self.permit.split(rest);
        self.budget.metrics.bodies.dec_by(bytes(rest.map_or(0, |rest| rest.num_permits())));
        true
    }

    /// From here on it is held for this transfer, and may have to make room.
    pub(super) fn hold(&mut self, transfer: Transfer) {
        self.release();
        let before = transfer.client.flow(transfer.direction).bytes;
        let permits = self.permit.num_permits();
        let (since, is_warned, is_evicted) = (Instant::now(), false, false);
        let holder = Holder { transfer, permits, since, before, is_warned, is_evicted };
        self.holder = Some(self.budget.with(|holders| {
            holders.next += 1;
            holders.held.insert(holders.next, holder);
            holders.next
        }));
    }

    /// The transfer is over, and the share stays.
    pub(super) fn release(&mut self) {
        if let Some(number) = self.holder.take() {
            self.budget.with(|holders| holders.held.remove(&number));
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.release();
        self.budget.metrics.bodies.dec_by(bytes(self.permit.num_permits()));
    }
}

fn bytes(permits: usize) -> i64 {
    i64::try_from(permits * BYTES_PER_PERMIT).unwrap_or(i64::MAX)
}
