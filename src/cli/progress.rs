//! Progress bars on stderr, on a terminal; nothing elsewhere.

use std::time::Duration;

use indicatif::{ProgressDrawTarget, ProgressFinish, ProgressStyle};
use tokio::time::{Instant, sleep_until, timeout};

use super::output;

pub(super) use indicatif::ProgressBar as Bar;

/// Time after which work gets a bar.
const DELAY: Duration = Duration::from_secs(2);

/// Time between two movements of a bar.
const TICK: Duration = Duration::from_millis(200);

/// A bar that is not shown yet, for work whose size becomes known on the way.
pub(super) fn bar(what: &str) -> Bar {
    hidden(&format!("{what} {{bar:40}} {{pos}}/{{len}}"))
}

/// The same for work of unknown size.
pub(super) fn spinner(what: &str) -> Bar {
    hidden(&format!("{what} {{spinner}} {{elapsed}}"))
}

fn hidden(template: &str) -> Bar {
    styled(Bar::with_draw_target(Some(0), ProgressDrawTarget::hidden()), template)
}

fn styled(bar: Bar, template: &str) -> Bar {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Does the work, with the bar once it takes long.
pub(super) async fn shown<T>(bar: &Bar, work: impl Future<Output = T>) -> T {
    let Some(target) = output::bars() else { return work.await };
    let mut work = std::pin::pin!(work);
    let done = if let Ok(done) = timeout(DELAY, &mut work).await {
        done
    } else {
        bar.set_draw_target(target);
        bar.enable_steady_tick(TICK);
        work.await
    };
    bar.finish_and_clear();
    done
}

/// A bar for work without a runtime: it is shown once the work takes long, and goes away with it.
pub(super) struct LateBar {
    bar: Bar,
    begin: Instant,
    is_shown: bool,
}

impl LateBar {
    pub(super) fn new(what: &str, length: usize) -> Self {
        let bar = bar(what);
        bar.set_length(length as u64);
        Self { bar, begin: Instant::now(), is_shown: false }
    }

    /// Does one step of the work, which may print.
    pub(super) fn around<T>(&mut self, step: impl FnOnce() -> T) -> T {
        if !self.is_shown
            && self.begin.elapsed() >= DELAY
            && let Some(target) = output::bars()
        {
            self.bar.set_draw_target(target);
            self.is_shown = true;
        }
        let done = if self.is_shown { self.bar.suspend(step) } else { step() };
        self.bar.inc(1);
        done
    }

    /// Takes it away, as its end does.
    pub(super) fn finish(self) {}
}

impl Drop for LateBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A bar of seconds up to `time`, with a message before it. It goes away
/// with its last owner. Nothing is drawn if stderr is not a terminal.
pub(super) fn countdown(time: Duration) -> Bar {
    let target = output::bars().unwrap_or_else(ProgressDrawTarget::hidden);
    let bar =
        Bar::with_draw_target(Some(time.as_secs().max(1)), target).with_finish(ProgressFinish::AndClear);
    styled(bar, "{msg} {wide_bar} {pos}/{len} s")
}

/// Waits until `due`, while the bar goes on from `begin`.
pub(super) async fn wait_until(bar: &Bar, begin: Instant, due: Instant) {
    let step = Duration::from_millis(500);
    while Instant::now() < due {
        sleep_until(due.min(Instant::now() + step)).await;
        bar.set_position(begin.elapsed().as_secs());
    }
}
