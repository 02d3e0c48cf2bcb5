//! Looking at files again and again, whatever is in them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};

/// What is said of files whose content is more than their reader can bear.
const DEFECT: &str = "a defect of this program: reading it ended in a panic, which the log has";

/// Calls `poll` at every interval, until this is dropped. A panic in it is a defect of ours, and no reason to look no
/// more: `refuse` says what became of the attempt, what holds stays, and the next interval comes.
pub(super) async fn poll_files<R: Send + 'static>(
    every: Duration,
    mut reloader: R,
    poll: impl Fn(&mut R) + Clone + Send + 'static,
    refuse: fn(&mut R, String),
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let poll = poll.clone();
        // A network file system may block.
        let polled = tokio::task::spawn_blocking(move || {
            // The reloader only takes over what was read as a whole.
            if catch_unwind(AssertUnwindSafe(|| poll(&mut reloader))).is_err() {
                refuse(&mut reloader, DEFECT.to_owned());
            }
            reloader
        });
        // It fails only where the runtime ends.
        let Ok(polled) = polled.await else { return };
        reloader = polled;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use arc_swap::ArcSwap;
    use gomemlimit_core::Policy;
    use tokio::time::timeout;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::{
        metrics::{Metrics, render},
        policy::{CurrentPolicy, PolicyReloader},
    };

    /// Polls until `is_right` holds.
    async fn until(mut is_right: impl FnMut() -> bool) {
        let right = async {
            while !is_right() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(30), right).await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_a_refusal_and_polling_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policy.yaml");
        fs::write(&path, "rules: [{name: a, is: go}]\n").unwrap();
        let metrics = Metrics::default();
        let (reloader, rules) = PolicyReloader::open(path.clone(), metrics.clone()).unwrap();
        let current = CurrentPolicy::new(ArcSwap::from_pointee(Policy { rules, ..Policy::default() }));
        let (trouble, in_force) = (reloader.trouble(), current.clone());
        // A parser that cannot bear what is in the file.
        let poll = move |reloader: &mut PolicyReloader| {
            assert!(fs::read_to_string(&path).unwrap() != "poison", "the parser's defect");
            reloader.poll(&current);
        };
        let tasks = TaskTracker::new();
        let polling =
            tasks.spawn(poll_files(Duration::from_millis(5), reloader, poll, PolicyReloader::refuse));
        // As a whole: a file half written would be another one.
        let write = |content: &str| {
            let new = directory.path().join("new");
            fs::write(&new, content).unwrap();
            fs::rename(&new, directory.path().join("policy.yaml")).unwrap();
        };
        let says = |series: &str| render(&metrics.registry()).unwrap().contains(series);

        write("poison");
        until(|| says("\ngomemlimit_policy_out_of_date 1\n")).await;
        let told = trouble.load()[0].clone();
        assert!(told.contains("ended in a panic") && told.ends_with("the earlier policy holds"), "{told}");
        assert!(!says("gomemlimit_policy_reloads_total{result=\"refused\"} 0"), "it is counted");
        assert_eq!(in_force.load().rules.len(), 1, "what held holds");

        write("rules: []\n");
        until(|| says("\ngomemlimit_policy_out_of_date 0\n")).await;
        until(|| says("gomemlimit_policy_reloads_total{result=\"loaded\"} 1")).await;
        assert!(trouble.load().is_empty() && in_force.load().rules.is_empty());
        polling.abort();
    }
}
