//! Retries of watches that fail.

use std::time::Duration;

use backon::ExponentialBuilder;
use futures::{Stream, StreamExt, stream};
use kube::runtime::{
    utils::{Backoff, ResetTimerBackoff, StreamBackoff},
    watcher::ExponentialBackoff,
};
use tokio::time::timeout;

use crate::cluster::call_limits::CONTROLLER_CALL;

/// First pause after a failure: 500 ms. It doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Maximum pause: 5 s, to which up to as much again is added at random. kube's own 30 to 60 seconds would
/// leave a replica behind for that long after the API server is back; a few small lists every few
/// seconds are nothing to it.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Time after a failure after which the next one begins with the first pause: 2 minutes.
const FORGOTTEN: Duration = Duration::from_mins(2);

/// Time without a failure after which a watch that was asked for again has begun: a little longer than one call may take.
const RESUMED: Duration = CONTROLLER_CALL.saturating_add(Duration::from_secs(1));

/// Pauses that only time resets. [`StreamBackoff`] would reset them with every event, and kube's watcher has one, `Init`,
/// before each list: lists that fail would be tried again with the first pause for ever.
pub(super) struct ResetByTime(ResetTimerBackoff<ExponentialBackoff>);

impl Iterator for ResetByTime {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next()
    }
}

impl Backoff for ResetByTime {
    fn reset(&mut self) {}
}

/// An update of a watch that does not fail.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WatchUpdate<T> {
    /// An event of the watch.
    Event(T),
    /// The watch goes on after a failure: nothing failed for longer than the API server has to answer. kube's watcher does
    /// not report it, and the next event may be months away.
    Resumed,
}

/// The stream with pauses after errors.
pub(super) fn with_backoff<T, E>(
    events: impl Stream<Item = Result<T, E>>,
) -> StreamBackoff<impl Stream<Item = Result<WatchUpdate<T>, E>>, ResetByTime> {
    let updates = stream::unfold((Box::pin(events), false), async |(mut events, has_failed)| {
        let next = events.next();
        let next = if has_failed { timeout(RESUMED, next).await } else { Ok(next.await) };
        let update = match next {
            Ok(event) => event?.map(WatchUpdate::Event),
            Err(_) => Ok(WatchUpdate::Resumed),
        };
        let has_failed = update.is_err();
        Some((update, (events, has_failed)))
    });
    let pauses = ExponentialBuilder::new()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(MAX_PAUSE)
        .with_factor(2.0)
        .without_max_times()
        .with_jitter();
    StreamBackoff::new(updates, ResetByTime(ResetTimerBackoff::new(pauses.into(), FORGOTTEN)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io;

    use futures::future;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_stay_short() {
        // As kube's watcher has it while lists fail.
        let list = || stream::iter([Ok("Init"), Err(io::Error::other("away"))]);
        let failing = with_backoff(stream::repeat_with(list).flatten());
        let mut failing = std::pin::pin!(failing.filter(|event| future::ready(event.is_err())));
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let before = Instant::now();
            failing.next().await.unwrap().unwrap_err();
            pauses.push(before.elapsed());
        }
        assert!(pauses[0] < FIRST_PAUSE, "the first error is reported at once: {pauses:?}");
        assert!(pauses[1] >= FIRST_PAUSE && pauses[1] <= 2 * FIRST_PAUSE, "{pauses:?}");
        assert!(pauses[2..].iter().all(|pause| *pause >= 2 * FIRST_PAUSE), "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= 2 * MAX_PAUSE), "{pauses:?}");
        assert!(pauses[11] >= MAX_PAUSE, "{pauses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_is_silent_after_a_failure_is_resumed() {
        let events = stream::iter([Ok("event"), Err("cut")]).chain(stream::pending());
        let mut events = std::pin::pin!(with_backoff(events));
        assert_eq!(events.next().await, Some(Ok(WatchUpdate::Event("event"))));
        assert_eq!(events.next().await, Some(Err("cut")));
        let before = Instant::now();
        assert_eq!(events.next().await, Some(Ok(WatchUpdate::Resumed)));
        let waited = before.elapsed();
        assert!(waited > CONTROLLER_CALL && waited < CONTROLLER_CALL + MAX_PAUSE, "{waited:?}");
        assert!(timeout(Duration::from_hours(1), events.next()).await.is_err(), "once");
    }
}
