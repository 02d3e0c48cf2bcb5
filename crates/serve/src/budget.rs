//! Memory for bodies and responses in flight, and which clients are evicted while others wait for it.

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

use super::connection_state::{ConnectionState, Direction};
use crate::metrics::Metrics;

/// Unit of a budget in bytes, so that it fits a semaphore.
const BYTES_PER_PERMIT: usize = 1 << 10;

/// Part of the transfer timeout that every client has at least: 100 ms of 2 s, which is two round trips to a node far
/// away.
const GRACE_DIVISOR: u32 = 20;

/// Part of the transfer timeout without a byte after which a client is evicted although its rate would do: 250 ms of 2 s,
/// which is more than a packet takes that is sent again, or a node that is busy.
const SILENCE_DIVISOR: u32 = 8;

/// Interval at which the transfers are looked at while somebody waits for the budget.
const EVICTION_INTERVAL: Duration = Duration::from_millis(20);

/// Number of permits for `bytes`; `None` if it does not fit.
pub(crate) fn permits(bytes: usize) -> Option<u32> {
    u32::try_from(bytes.div_ceil(BYTES_PER_PERMIT)).ok()
}

/// Bytes that a client has to send or to read.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub(crate) client: Arc<ConnectionState>,
    pub(crate) direction: Direction,
    pub(crate) bytes: usize,
}

/// A transfer in progress, and the permits that it holds.
#[derive(Debug)]
struct ActiveTransfer {
    transfer: Transfer,
    permits: usize,
    since: Instant,
    /// Bytes transferred on the connection before.
    before: u64,
    /// Eviction was requested before, and the client has withdrawn it by sending or reading something.
    is_warned: bool,
    is_evicted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// At its rate so far it would not be done in time.
    TooSlow,
    Silent,
}

impl ActiveTransfer {
    /// Bytes that have arrived and were not read yet save a client, but only once if it is too slow.
    fn evict(&mut self, fault: Fault) {
        if fault == Fault::TooSlow && self.is_warned {
            self.transfer.client.evict();
            self.is_evicted = true;
        } else {
            self.is_warned = true;
            let client = &self.transfer.client;
            client.request_eviction(client.snapshot());
        }
    }

    /// Why it should be evicted, and its rate in bytes a second.
    fn fault(&self, timeout: Duration) -> Option<(Fault, u128)> {
        let (held, so_far) =
            (self.since.elapsed(), self.transfer.client.transferred(self.transfer.direction));
        let done = u128::from(so_far.bytes.saturating_sub(self.before));
        let bytes = self.transfer.bytes as u128;
        if held < timeout / GRACE_DIVISOR || done >= bytes || self.is_evicted {
            return None;
        }
        let rate = done * 1_000_000 / held.as_micros().max(1);
        if bytes * 1_000_000 > rate * timeout.as_micros() {
            return Some((Fault::TooSlow, rate));
        }
        (held.min(so_far.silent) >= timeout / SILENCE_DIVISOR).then_some((Fault::Silent, rate))
    }
}

#[derive(Debug, Default)]
struct ActiveTransfers {
    next: u64,
    /// Permits that are waited for.
    demand: usize,
    active: BTreeMap<u64, ActiveTransfer>,
}

/// A budget of bytes.
#[derive(Debug)]
pub(crate) struct Budget {
    permits: Arc<Semaphore>,
    /// Maximum time of a transfer.
    timeout: Duration,
    transfers: Mutex<ActiveTransfers>,
    metrics: Metrics,
}

impl Budget {
    pub(crate) fn new(bytes: usize, timeout: Duration, metrics: Metrics) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(bytes.div_ceil(BYTES_PER_PERMIT)));
        Arc::new(Self { permits, timeout, transfers: Mutex::default(), metrics })
    }

    /// Takes the permits if they are free now.
    pub(crate) fn try_acquire(self: &Arc<Self>, permits: u32) -> Option<BudgetPermit> {
        let permit = self.permits.clone().try_acquire_many_owned(permits).ok()?;
        Some(BudgetPermit::new(self.clone(), permit))
    }

    /// Waits for the permits. Meanwhile clients are evicted that would not be done in time, the slowest first, or that are
    /// silent; one that is slow and in time is not. `None` after `wait`.
    pub(crate) async fn acquire(self: &Arc<Self>, permits: u32, wait: Duration) -> Option<BudgetPermit> {
        let mut permit = pin!(self.permits.clone().acquire_many_owned(permits));
        let deadline = Instant::now() + wait;
        let _demand = Demand::new(self, permits as usize);
        loop {
            self.evict_slow();
            let left = deadline.saturating_duration_since(Instant::now());
            if let Ok(permit) = timeout(left.min(EVICTION_INTERVAL), permit.as_mut()).await {
                return Some(BudgetPermit::new(self.clone(), permit.ok()?));
            }
            if left.is_zero() {
                return None;
            }
        }
    }

    fn evict_slow(&self) {
        self.with(|transfers| {
            let leaving = transfers.active.values().filter(|one| one.is_evicted);
            let free = self.permits.available_permits() + leaving.map(|one| one.permits).sum::<usize>();
            let mut missing = transfers.demand.saturating_sub(free);
            if missing == 0 {
                return;
            }
            let faults = transfers.active.values_mut().filter_map(|one| {
                let (fault, rate) = one.fault(self.timeout)?;
                Some((rate, Reverse(one.since.elapsed()), fault, one))
            });
            let mut slowest: Vec<_> = faults.collect();
            slowest.sort_unstable_by_key(|(rate, held, ..)| (*rate, *held));
            for (.., fault, one) in slowest {
                if missing == 0 {
                    break;
                }
                missing = missing.saturating_sub(one.permits);
                one.evict(fault);
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut ActiveTransfers) -> T) -> T {
        // Nothing in here can panic half-way.
        act(&mut self.transfers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Permits that are waited for, until dropped.
struct Demand<'b>(&'b Budget, usize);

impl<'b> Demand<'b> {
    fn new(budget: &'b Budget, permits: usize) -> Self {
        budget.with(|transfers| transfers.demand += permits);
        Self(budget, permits)
    }
}

impl Drop for Demand<'_> {
    fn drop(&mut self) {
        self.0.with(|transfers| transfers.demand -= self.1);
    }
}

/// A part of a budget, until dropped.
#[derive(Debug)]
pub(crate) struct BudgetPermit {
    budget: Arc<Budget>,
    permit: OwnedSemaphorePermit,
    /// Number of the transfer that it is held for.
    transfer: Option<u64>,
}

impl BudgetPermit {
    fn new(budget: Arc<Budget>, permit: OwnedSemaphorePermit) -> Self {
        budget.metrics.bodies.inc_by(bytes(permit.num_permits()));
        Self { budget, permit, transfer: None }
    }

    /// Gives back all but `permits`; false if it has fewer.
    pub(crate) fn shrink(&mut self, permits: u32) -> bool {
        let Some(rest) = self.permit.num_permits().checked_sub(permits as usize) else { return false };
        let rest = self.permit.split(rest);
        self.budget.metrics.bodies.dec_by(bytes(rest.map_or(0, |rest| rest.num_permits())));
        true
    }

    /// Holds it for this transfer from now on, whose client may be evicted.
    pub(crate) fn hold(&mut self, transfer: Transfer) {
        self.release();
        let before = transfer.client.transferred(transfer.direction).bytes;
        let permits = self.permit.num_permits();
        let (since, is_warned, is_evicted) = (Instant::now(), false, false);
        let active = ActiveTransfer { transfer, permits, since, before, is_warned, is_evicted };
        self.transfer = Some(self.budget.with(|transfers| {
            transfers.next += 1;
            transfers.active.insert(transfers.next, active);
            transfers.next
        }));
    }

    /// Ends the transfer; the permits stay.
    pub(crate) fn release(&mut self) {
        if let Some(number) = self.transfer.take() {
            self.budget.with(|transfers| transfers.active.remove(&number));
        }
    }
}

impl Drop for BudgetPermit {
    fn drop(&mut self) {
        self.release();
        self.budget.metrics.bodies.dec_by(bytes(self.permit.num_permits()));
    }
}

fn bytes(permits: usize) -> i64 {
    i64::try_from(permits * BYTES_PER_PERMIT).unwrap_or(i64::MAX)
}
