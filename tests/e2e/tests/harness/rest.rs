//! What replicas cost while nothing happens.

use std::time::Duration;

use gomemlimit_procfs::Process;
use gomemlimit_reliability::process::MAX_TICKS;

use super::{RELEASE_NAMESPACE, Release, host_pid, is_own_cluster};

/// How long they are watched.
const REST: Duration = Duration::from_secs(10);
/// The kernel's unit of processor time.
const TICK: Duration = Duration::from_millis(10);
/// A replica may have something to do for a moment, such as renewing its certificate. One that spins does so for good.
const ATTEMPTS: usize = 3;

impl Release {
    /// No replica does anything any more after a fault.
    pub async fn assert_rest(&self, fault: &str) {
        if !is_own_cluster("processor time of the replicas") {
            return;
        }
        let names = self.pod_names().await;
        let replicas: Vec<_> =
            names.iter().map(|name| Process(host_pid(RELEASE_NAMESPACE, name, "webhook"))).collect();
        let ticks = || -> Vec<u128> {
            replicas.iter().map(|one| one.cpu().unwrap().all().as_millis() / TICK.as_millis()).collect()
        };
        let mut seen = Vec::new();
        for _ in 0..ATTEMPTS {
            let before = ticks();
            tokio::time::sleep(REST).await;
            let used: Vec<_> = ticks().iter().zip(before).map(|(after, before)| after - before).collect();
            println!("rest: after {fault}: {used:?} ticks of {TICK:?} in {REST:?}");
            if used.iter().all(|ticks| *ticks <= MAX_TICKS) {
                return;
            }
            seen.push(used);
        }
        panic!("after {fault} replicas {names:?} do not come to rest: {seen:?} ticks in {REST:?} each");
    }
}
