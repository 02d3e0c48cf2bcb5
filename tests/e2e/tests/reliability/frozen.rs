//! One of two replicas is frozen: it accepts connections and never answers.

use std::time::{Duration, Instant};

use gomemlimit_procfs::Process;

use super::{calm, endure, seconds};
use crate::harness::{
    LONG, RELEASE_NAMESPACE, Release, check, host_pid, is_own_cluster, ready, run, wait_for,
};

/// A process that does not run until this is dropped.
struct Frozen(Process);

impl Frozen {
    fn freeze(pid: u32) -> Self {
        let frozen = Self(Process(pid));
        frozen.signal("-STOP").unwrap();
        frozen
    }

    fn signal(&self, signal: &str) -> Result<String, String> {
        run("kill", &[signal, &self.0.0.to_string()], "")
    }

    /// Whether the kernel says so.
    fn is_stopped(&self) -> bool {
        self.0.state().is_ok_and(|state| state == 'T')
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = self.signal("-CONT");
    }
}

/// The replica that answers most of the calls: with few at a time the API server has a connection to that one only.
async fn busiest(release: &Release) -> String {
    let series = "gomemlimit_requests_total{code=\"200\"}";
    let before = release.metrics(series).await;
    calm(&release.client).await;
    let after = release.metrics(series).await;
    let calls = after.iter().zip(before).map(|(after, before)| after - before);
    let replicas = release.pod_names().await.into_iter().zip(calls);
    replicas.max_by(|(_, one), (_, other)| one.total_cmp(other)).expect("replicas").0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_replica() {
    if !is_own_cluster("SIGSTOP of a replica") {
        return;
    }
    let (client, release) = ready().await;
    let pid = host_pid(RELEASE_NAMESPACE, &busiest(&release).await, "webhook");
    endure(&client, "frozen-replica", "The busier of two replicas frozen (SIGSTOP)", async || {
        let started = Instant::now();
        let frozen = Frozen::freeze(pid);
        wait_for("the Service is without it", LONG, async || {
            let ready = release.ready_endpoints().await?;
            check(ready == 1, || format!("{ready} endpoints are ready"))
        })
        .await;
        let out = started.elapsed();
        tokio::time::sleep(seconds(30, 12).saturating_sub(out).max(Duration::from_secs(1))).await;
        assert!(frozen.is_stopped(), "it is not frozen");
        format!("out of the Service after {:.0} s", out.as_secs_f64())
    })
    .await;
    release.assert_ready().await;
    release.assert_rest("a frozen replica").await;
}
