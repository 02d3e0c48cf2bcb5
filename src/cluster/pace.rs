//! How often we write to the API server when somebody keeps undoing it, or when it fails.

use std::time::Duration;

use tokio::time::Instant;

/// So many writes in a row wait for nothing.
const FREE: u32 = 8;
/// The first pause after that, and after a failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Writes at once as long as they are rare, then with growing pauses.
#[derive(Debug)]
pub(super) struct Pace {
    /// The longest pause; after a quiet time of this length all is forgotten.
    longest: Duration,
    writes: u32,
    failures: u32,
    last: Option<Instant>,
    not_before: Option<Instant>,
}

impl Pace {
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, writes: 0, failures: 0, last: None, not_before: None }
    }

    /// Whether to write now. Where not, [`Pace::retry_at`] says when.
    pub(super) fn may_write(&mut self) -> bool {
        let now = Instant::now();
        if self.not_before.is_some_and(|at| now < at) {
            return false;
        }
        self.not_before = None;
        if self.last.is_some_and(|last| now.duration_since(last) > self.longest) {
            (self.writes, self.failures) = (0, 0);
        }
        self.last = Some(now);
        self.writes += 1;
        if let Some(excess) = self.writes.checked_sub(FREE) {
            self.not_before = Some(now + self.pause(excess));
        }
        true
    }

    /// The write did not succeed: the next one waits.
    pub(super) fn failed(&mut self) {
        let at = Instant::now() + self.pause(self.failures);
        self.failures += 1;
        self.not_before = Some(self.not_before.map_or(at, |other| other.max(at)));
    }

    /// When to try again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.not_before
    }

    fn pause(&self, doublings: u32) -> Duration {
        FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings)).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rare_writes_are_free_and_many_in_a_row_are_slowed_down() {
        let mut pace = Pace::new(Duration::from_secs(30));
        for _ in 0..FREE {
            assert!(pace.may_write());
        }
        let mut writes = 0;
        for _ in 0..600 {
            tokio::time::advance(Duration::from_millis(100)).await;
            writes += i32::from(pace.may_write());
        }
        // After 0.2 + 0.4 + … + 25.6 s
        assert_eq!(writes, 8, "in a minute of undoing");
        tokio::time::advance(Duration::from_mins(2)).await;
        for _ in 0..FREE {
            assert!(pace.may_write(), "forgotten after a quiet time");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_tried_again_with_growing_pauses() {
        let mut pace = Pace::new(Duration::from_secs(30));
        let mut waited = Vec::new();
        for _ in 0..10 {
            assert!(pace.may_write());
            let before = Instant::now();
            pace.failed();
            tokio::time::sleep_until(pace.retry_at().unwrap()).await;
            waited.push(before.elapsed().as_millis());
        }
        assert_eq!(waited[..4], [200, 400, 800, 1600]);
        assert_eq!(waited[9], 30_000);
    }
}
