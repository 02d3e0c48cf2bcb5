//! How often we write to the API server when somebody keeps undoing it, or when it fails.

use std::time::Duration;

use tokio::time::Instant;

/// So many writes in a row wait for nothing.
const FREE: u32 = 8;
/// The first pause after that, and after a failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Writes at once as long as they are rare, then with growing pauses.
///
/// It keeps no time that anybody waits for by itself: the caller asks before each write, and gets the time to ask again
/// only while there is something to write. A pause after which nothing is left to write wakes nobody.
#[derive(Debug)]
pub(super) struct Pace {
    /// The longest pause; after a quiet time of this length all is forgotten.
    longest: Duration,
    writes: u32,
    failures: u32,
    not_before: Instant,
}

impl Pace {
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, writes: 0, failures: 0, not_before: Instant::now() }
    }

    /// `Ok` to write now; otherwise when to ask again, which is not before some time has passed.
    pub(super) fn ask(&mut self) -> Result<(), Instant> {
        let now = Instant::now();
        if now < self.not_before {
            return Err(self.not_before);
        }
        // From the end of the pause: a pause is no quiet time, and would be forgotten by its own length.
        if now.duration_since(self.not_before) > self.longest {
            (self.writes, self.failures) = (0, 0);
        }
        self.writes += 1;
        let pause = self.writes.checked_sub(FREE).map(|excess| self.pause(excess));
        self.not_before = now + pause.unwrap_or_default();
        Ok(())
    }

    /// The write did not succeed: when to ask again.
    pub(super) fn failed(&mut self) -> Instant {
        self.not_before = self.not_before.max(Instant::now() + self.pause(self.failures));
        self.failures += 1;
        self.not_before
    }

    fn pause(&self, doublings: u32) -> Duration {
        FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings)).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep_until};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rare_writes_are_free_and_many_in_a_row_are_slowed_down() {
        let mut pace = Pace::new(Duration::from_secs(30));
        for _ in 0..FREE {
            assert_eq!(pace.ask(), Ok(()));
        }
        let mut writes = 0;
        for _ in 0..600 {
            advance(Duration::from_millis(100)).await;
            writes += i32::from(pace.ask().is_ok());
        }
        // After 0.2 + 0.4 + … + 25.6 s
        assert_eq!(writes, 8, "in a minute of undoing");
        advance(Duration::from_mins(2)).await;
        for _ in 0..FREE {
            assert_eq!(pace.ask(), Ok(()), "forgotten after a quiet time");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_tried_again_with_pauses_that_grow_and_stay_long() {
        let longest = Duration::from_secs(30);
        let mut pace = Pace::new(longest);
        let mut waited = Vec::new();
        for _ in 0..30 {
            assert_eq!(pace.ask(), Ok(()));
            // As long as a call may take.
            advance(Duration::from_secs(10)).await;
            let (now, at) = (Instant::now(), pace.failed());
            assert_eq!(pace.ask(), Err(at));
            waited.push(at - now);
            sleep_until(at).await;
        }
        assert_eq!(waited[..4], [200, 400, 800, 1600].map(Duration::from_millis));
        assert!(waited[8..].iter().all(|pause| *pause == longest), "{waited:?}");
    }
}
