//! Pauses between writes to the API server if somebody keeps undoing them, or if they fail.

use std::time::Duration;

use tokio::time::Instant;

/// Number of writes in a row that wait for nothing.
const FREE: u32 = 8;
/// First pause after that, and after a failure: 200 ms. It doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Writes at once as long as they are rare, then with growing pauses.
///
/// It has no timer: the caller asks before each write, and gets the time to ask again only while there is something to
/// write. A pause after which nothing is left to write wakes nobody.
#[derive(Debug)]
pub(super) struct WriteBackoff {
    /// Maximum pause; after a quiet time of this length writes and failures are forgotten.
    max_pause: Duration,
    writes: u32,
    failures: u32,
    not_before: Instant,
}

impl WriteBackoff {
    pub(super) fn new(max_pause: Duration) -> Self {
        Self { max_pause, writes: 0, failures: 0, not_before: Instant::now() }
    }

    /// Whether a write may happen now.
    ///
    /// # Errors
    ///
    /// The time at which to ask again, if it may not.
    pub(super) fn try_write(&mut self) -> Result<(), Instant> {
        let now = Instant::now();
        if now < self.not_before {
            return Err(self.not_before);
        }
        // From the end of the pause: a pause is no quiet time, and would be forgotten by its own length.
        if now.duration_since(self.not_before) > self.max_pause {
            (self.writes, self.failures) = (0, 0);
        }
        self.writes += 1;
        let pause = self.writes.checked_sub(FREE).map(|excess| self.pause(excess));
        self.not_before = now + pause.unwrap_or_default();
        Ok(())
    }

    /// Records a write that failed. Returns the time at which to ask again.
    pub(super) fn failed(&mut self) -> Instant {
        self.not_before = self.not_before.max(Instant::now() + self.pause(self.failures));
        self.failures += 1;
        self.not_before
    }

    fn pause(&self, doublings: u32) -> Duration {
        FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings)).min(self.max_pause)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep_until};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rare_writes_are_free_and_many_in_a_row_are_slowed_down() {
        let mut backoff = WriteBackoff::new(Duration::from_secs(30));
        for _ in 0..FREE {
            assert_eq!(backoff.try_write(), Ok(()));
        }
        let mut writes = 0;
        for _ in 0..600 {
            advance(Duration::from_millis(100)).await;
            writes += i32::from(backoff.try_write().is_ok());
        }
        // After 0.2 + 0.4 + … + 25.6 s
        assert_eq!(writes, 8, "in a minute of undoing");
        advance(Duration::from_mins(2)).await;
        for _ in 0..FREE {
            assert_eq!(backoff.try_write(), Ok(()), "forgotten after a quiet time");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_tried_again_with_pauses_that_grow_and_stay_long() {
        let max_pause = Duration::from_secs(30);
        let mut backoff = WriteBackoff::new(max_pause);
        let mut pauses = Vec::new();
        for _ in 0..30 {
            assert_eq!(backoff.try_write(), Ok(()));
            // As long as a call may take.
            advance(Duration::from_secs(10)).await;
            let (now, at) = (Instant::now(), backoff.failed());
            assert_eq!(backoff.try_write(), Err(at));
            pauses.push(at - now);
            sleep_until(at).await;
        }
        assert_eq!(pauses[..4], [200, 400, 800, 1600].map(Duration::from_millis));
        assert!(pauses[8..].iter().all(|pause| *pause == max_pause), "{pauses:?}");
    }
}
