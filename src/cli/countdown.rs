//! A bar of seconds that pass, for commands that take their time.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use tokio::time::{Instant, sleep_until};

use super::output;

/// A bar for so much time, with a message before it. It goes away
/// with its last owner. Nothing is drawn where stderr is not a terminal.
pub(super) fn bar(time: Duration) -> ProgressBar {
    let target = output::bars().unwrap_or_else(ProgressDrawTarget::hidden);
    let bar = ProgressBar::with_draw_target(Some(time.as_secs().max(1)), target)
        .with_finish(ProgressFinish::AndClear);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} s") {
        bar.set_style(style);
    }
    bar
}

/// Waits until `due`, while the bar goes on from `begin`.
pub(super) async fn wait(bar: &ProgressBar, begin: Instant, due: Instant) {
    let step = Duration::from_millis(500);
    while Instant::now() < due {
        sleep_until(due.min(Instant::now() + step)).await;
        bar.set_position(begin.elapsed().as_secs());
    }
}
