//! A limit for log lines that a client can cause at will: one in an interval, with the number of those suppressed.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Lets one event in each interval through and counts the others.
#[derive(Debug)]
pub(crate) struct Throttle {
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, state: Mutex::default() }
    }

    /// The number of events suppressed since the last one that passed; `None` if this one is suppressed as well.
    pub(crate) fn pass(&self) -> Option<u64> {
        let now = Instant::now();
        // Nothing in here can panic half-way.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now - last < self.interval) {
            state.suppressed += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_in_an_interval_passes_and_counts_the_others() {
        let throttle = Throttle::new(Duration::from_secs(10));
        assert_eq!(throttle.pass(), Some(0));
        assert_eq!([throttle.pass(), throttle.pass()], [None, None]);
        tokio::time::advance(Duration::from_millis(9_999)).await;
        assert_eq!(throttle.pass(), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(throttle.pass(), Some(3));
        assert_eq!(throttle.pass(), None);
    }
}
