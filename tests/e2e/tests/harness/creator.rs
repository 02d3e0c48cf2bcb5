//! Creates pods all the time (by dry run) and counts what became of them.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use kube::Client;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{Manifest, Namespace, VALUE_1GI, gated_pod, values};

const WORKERS: u32 = 4;

/// Creates pods until it is stopped.
pub struct Creator {
    stop: Arc<AtomicBool>,
    workers: JoinSet<Outcomes>,
    namespace: Namespace,
}

/// What became of the pods.
#[derive(Debug, Default)]
pub struct Outcomes {
    pub injected: usize,
    /// When pods got no value, since the start.
    pub missed: Vec<Duration>,
    /// When no pod was created, and why.
    pub errors: Vec<(Duration, String)>,
    pub slowest: Duration,
}

impl Creator {
    /// So many pods a second, in a labelled namespace of its own.
    pub async fn start(client: &Client, per_second: u32) -> Self {
        let namespace = Namespace::labelled(client).await;
        let (stop, started) = (Arc::new(AtomicBool::new(false)), Instant::now());
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            let (client, name, stop) = (client.clone(), namespace.name.clone(), stop.clone());
            let manifest = Manifest(gated_pod("continuous", "1Gi"));
            let mut ticks = interval(Duration::from_secs(1) * WORKERS / per_second);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            workers.spawn(async move {
                let mut outcomes = Outcomes::default();
                while !stop.load(Ordering::Relaxed) {
                    ticks.tick().await;
                    let sent = Instant::now();
                    let answer = manifest.dry_run(&client, &name).await;
                    outcomes.slowest = outcomes.slowest.max(sent.elapsed());
                    match answer {
                        Ok(pod) if values(&pod, "app") == [VALUE_1GI] => outcomes.injected += 1,
                        Ok(_) => outcomes.missed.push(started.elapsed()),
                        Err(error) => outcomes.errors.push((started.elapsed(), error.to_string())),
                    }
                }
                outcomes
            });
        }
        Self { stop, workers, namespace }
    }

    /// Ends it. Every pod was created and got its value.
    pub async fn stop_with_all_injected(self, what: &str, at_least: usize) {
        let tally = self.stop().await;
        println!("{what}: {tally}");
        tally.assert_all_injected(at_least);
    }

    /// Ends it.
    pub async fn stop(self) -> Outcomes {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Outcomes::default();
        for outcomes in self.workers.join_all().await {
            all.injected += outcomes.injected;
            all.missed.extend(outcomes.missed);
            all.errors.extend(outcomes.errors);
            all.slowest = all.slowest.max(outcomes.slowest);
        }
        all.missed.sort();
        drop(self.namespace);
        all
    }
}

impl Outcomes {
    /// Every pod was created and got its value.
    pub fn assert_all_injected(&self, at_least: usize) {
        assert!(self.missed.is_empty() && self.errors.is_empty(), "{self}\n{:#?}", self.errors);
        assert!(self.injected >= at_least, "too few pods to say anything: {self}");
    }
}

impl fmt::Display for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (missed, errors) = (self.missed.len(), self.errors.len());
        let all = self.injected + missed + errors;
        write!(f, "{all} pods: {} injected, {missed} not injected, {errors} errors", self.injected)?;
        if let (Some(first), Some(last)) = (self.missed.first(), self.missed.last()) {
            write!(f, " (not injected from {first:.1?} to {last:.1?})")?;
        }
        write!(f, "; slowest {:.0?}", self.slowest)
    }
}
