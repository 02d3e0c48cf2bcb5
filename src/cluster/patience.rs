//! How watches that fail are tried again.

use std::time::Duration;

use backon::ExponentialBuilder;
use futures::TryStream;
use kube::runtime::{
    utils::{ResetTimerBackoff, StreamBackoff},
    watcher::ExponentialBackoff,
};

pub(super) use crate::causes::with_causes;

/// The first pause; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause, to which up to as much again is added at random. kube's own 30 to 60 seconds would
/// leave a replica behind for that long after the API server is back; a few small lists every few
/// seconds are nothing to it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// So long after a failure the next one begins with the first pause.
const FORGOTTEN: Duration = Duration::from_mins(2);

/// The stream with pauses after its errors.
pub(super) fn patient<S: TryStream>(events: S) -> StreamBackoff<S, ResetTimerBackoff<ExponentialBackoff>> {
    let pauses = ExponentialBuilder::new()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_factor(2.0)
        .without_max_times()
        .with_jitter();
    StreamBackoff::new(events, ResetTimerBackoff::new(pauses.into(), FORGOTTEN))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io;

    use futures::{StreamExt, stream};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_stay_short() {
        let failing = stream::repeat_with(|| Err::<(), _>(io::Error::other("away")));
        let mut failing = std::pin::pin!(patient(failing));
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let before = Instant::now();
            failing.next().await.unwrap().unwrap_err();
            pauses.push(before.elapsed());
        }
        assert!(pauses[0] < FIRST_PAUSE, "the first error is told at once: {pauses:?}");
        assert!(pauses[1] >= FIRST_PAUSE && pauses[1] <= 2 * FIRST_PAUSE, "{pauses:?}");
        assert!(pauses[2..].iter().all(|pause| *pause >= 2 * FIRST_PAUSE), "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= 2 * LONGEST_PAUSE), "{pauses:?}");
        assert!(pauses[11] >= LONGEST_PAUSE, "{pauses:?}");
    }
}
