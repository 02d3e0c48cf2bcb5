//! Work on many items by all cores, with the results in the order of the items, of which only a few wait at a time.

use std::{
    collections::BTreeMap,
    num::NonZero,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::Context;

/// Maximum number of threads.
const MAX_THREADS: usize = 8;

/// Maximum number of items that are begun before the first of them is taken.
const MAX_AHEAD: usize = 64;

/// Maximum size of the results that wait, in bytes; a single one may be larger.
const MAX_WAITING_BYTES: usize = 32 << 20;

/// Stack of a thread, in bytes: half of what the main thread of a program has.
const STACK_BYTES: usize = 4 << 20;

/// Prepares each item on some thread, and hands the results to `take` on this one, in the order of the items. `size` is the
/// size of a result in bytes.
///
/// # Errors
///
/// If `take` returns one, which ends the work, or if no thread can be started.
pub(super) fn in_order<I: Sync, T: Send>(
    items: &[I],
    prepare: impl Fn(usize, &I) -> T + Sync,
    size: impl Fn(&T) -> usize + Sync,
    mut take: impl FnMut(T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let queue = Queue::new(items.len());
    let work = || {
        let _end = End { queue: &queue, takes: false };
        while let Some(index) = queue.begin() {
            let Some(item) = items.get(index) else { break };
            let result = prepare(index, item);
            let size = size(&result);
            queue.put(index, result, size);
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS).min(items.len());
    thread::scope(|scope| {
        let _end = End { queue: &queue, takes: true };
        for number in 0..threads {
            let started = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
            // Fewer threads take longer.
            if number == 0 {
                started.context("cannot start a thread")?;
            }
        }
        while let Some(result) = queue.next() {
            take(result)?;
        }
        Ok(())
    })
}

struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    length: usize,
}

struct State<T> {
    /// The next item to begin.
    next: usize,
    /// How many results were taken.
    taken: usize,
    /// Results that wait, with their sizes.
    waiting: BTreeMap<usize, (T, usize)>,
    waiting_bytes: usize,
    is_over: bool,
}

impl<T> Queue<T> {
    fn new(length: usize) -> Self {
        let state = State { next: 0, taken: 0, waiting: BTreeMap::new(), waiting_bytes: 0, is_over: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), length }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index of the next item, once there is room for its result; none at the end.
    fn begin(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.is_over || state.next >= self.length {
                return None;
            }
            let ahead = state.next - state.taken;
            if ahead == 0 || ahead < MAX_AHEAD && state.waiting_bytes < MAX_WAITING_BYTES {
                state.next += 1;
                return Some(state.next - 1);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn put(&self, index: usize, result: T, size: usize) {
        let mut state = self.lock();
        state.waiting_bytes += size;
        state.waiting.insert(index, (result, size));
        drop(state);
        self.changed.notify_all();
    }

    /// The next result; none at the end.
    fn next(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            let index = state.taken;
            if let Some((result, size)) = state.waiting.remove(&index) {
                state.taken += 1;
                state.waiting_bytes -= size;
                drop(state);
                self.changed.notify_all();
                return Some(result);
            }
            if state.is_over || index >= self.length {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Ends the work of all threads at the end of the one that takes, and if another one panics: none waits for it.
struct End<'q, T> {
    queue: &'q Queue<T>,
    takes: bool,
}

impl<T> Drop for End<'_, T> {
    fn drop(&mut self) {
        if self.takes || thread::panicking() {
            self.queue.lock().is_over = true;
            self.queue.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use anyhow::bail;

    use super::*;

    #[test]
    fn results_have_the_order_of_the_items_and_few_of_them_wait() {
        let items: Vec<usize> = (0..2000).collect();
        let (begun, max) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let mut taken = Vec::new();
        let prepare = |index: usize, item: &usize| {
            assert_eq!(index, *item);
            begun.fetch_add(1, Ordering::SeqCst);
            // The first of them is slow.
            if item.is_multiple_of(500) {
                thread::sleep(std::time::Duration::from_millis(5));
            }
            *item
        };
        in_order(
            &items,
            prepare,
            |_| 0,
            |item| {
                max.fetch_max(begun.load(Ordering::SeqCst) - taken.len(), Ordering::SeqCst);
                taken.push(item);
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(taken, items);
        assert!(max.into_inner() <= MAX_AHEAD + 1);
        in_order(&[], |_, (): &()| (), |()| 0, |()| bail!("nothing to take")).unwrap();
    }

    /// Results that fill the room by themselves come one at a time, and all of them do.
    #[test]
    fn large_results_wait_alone() {
        let items: Vec<usize> = (0..50).collect();
        let begun = AtomicUsize::new(0);
        let mut taken = 0;
        in_order(
            &items,
            |_, _| begun.fetch_add(1, Ordering::SeqCst),
            |_| MAX_WAITING_BYTES,
            |_| {
                taken += 1;
                // Each thread may have begun one before the first result was there.
                assert!(begun.load(Ordering::SeqCst) <= taken + MAX_THREADS);
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(taken, 50);
    }

    #[test]
    fn an_error_ends_the_work() {
        let items: Vec<usize> = (0..100_000).collect();
        let begun = AtomicUsize::new(0);
        let error = in_order(
            &items,
            |_, item| (begun.fetch_add(1, Ordering::SeqCst), *item).1,
            |_| 0,
            |item| {
                if item == 10 {
                    bail!("enough")
                }
                Ok(())
            },
        );
        assert_eq!(error.unwrap_err().to_string(), "enough");
        assert!(begun.into_inner() <= 11 + MAX_AHEAD + MAX_THREADS);
    }

    #[test]
    fn a_panic_ends_the_work() {
        let items: Vec<usize> = (0..1000).collect();
        let ended = std::panic::catch_unwind(|| {
            in_order(&items, |_, item| assert_ne!(*item, 500, "broken"), |()| 0, |()| Ok(()))
        });
        assert!(ended.is_err());
    }
}
