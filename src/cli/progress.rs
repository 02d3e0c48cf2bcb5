//! A bar on stderr for what takes longer than two seconds, on a terminal; nothing elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::timeout;

use super::output;

/// What is done sooner needs no bar.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it moves.
const TICK: Duration = Duration::from_millis(200);

/// A bar that is not shown yet, for work whose size becomes known on the way.
pub(super) fn bar(what: &str) -> ProgressBar {
    hidden(&format!("{what} {{bar:40}} {{pos}}/{{len}}"))
}

/// The same for work of unknown size.
pub(super) fn spinner(what: &str) -> ProgressBar {
    hidden(&format!("{what} {{spinner}} {{elapsed}}"))
}

fn hidden(template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Does the work, with the bar once it takes long.
pub(super) async fn shown<T>(bar: &ProgressBar, work: impl Future<Output = T>) -> T {
    let Some(target) = output::bars() else { return work.await };
    let mut work = std::pin::pin!(work);
    let done = if let Ok(done) = timeout(PATIENCE, &mut work).await {
        done
    } else {
        bar.set_draw_target(target);
        bar.enable_steady_tick(TICK);
        work.await
    };
    bar.finish_and_clear();
    done
}
