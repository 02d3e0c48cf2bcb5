//! Pods that are created all the time, really, and stay.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, core::Status};
use serde_json::Value;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::harness::{LONG, Manifest, Namespace, VALUE_1GI, check, gated_pod, values, wait_for};

/// One pod that somebody wanted.
#[derive(Clone, Debug)]
pub struct Creation {
    pub name: String,
    /// When it was asked for, since the start.
    pub at: Duration,
    /// Until the answer, with all that was sent once more.
    pub took: Duration,
    /// Requests that no API server answered.
    pub retried: usize,
    pub outcome: Outcome,
}

/// What the API server said.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is there and has its value.
    Injected,
    /// It is there and has none.
    Missed,
    Refused(String),
}

/// Asks for pods in a labelled namespace, until it is stopped.
///
/// They come at a rate, not one after the other: a creation that hangs must not keep those back that would hang, too.
pub struct Traffic {
    namespace: Namespace,
    started: Instant,
    stop: Arc<AtomicBool>,
    driver: JoinSet<()>,
    done: Arc<Mutex<Vec<Creation>>>,
}

impl Traffic {
    pub async fn start(client: &Client, per_second: u32) -> Self {
        let namespace = Namespace::labelled(client).await;
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<Creation>>>::default());
        let started = Instant::now();
        let mut driver = JoinSet::new();
        let (client, place, stopped, list) =
            (client.clone(), namespace.name.clone(), stop.clone(), done.clone());
        driver.spawn(async move {
            let mut ticks = interval(Duration::from_secs(1) / per_second);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut creations = JoinSet::new();
            for number in 0_u32.. {
                ticks.tick().await;
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let (client, place, list) = (client.clone(), place.clone(), list.clone());
                creations.spawn(async move {
                    let (name, at) = (format!("steady-{number}"), started.elapsed());
                    let (outcome, retried) = create(&client, &place, &name).await;
                    let took = started.elapsed().saturating_sub(at);
                    list.lock().unwrap().push(Creation { name, at, took, retried, outcome });
                });
            }
            creations.join_all().await;
        });
        Self { namespace, started, stop, driver, done }
    }

    /// Since the start.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits until every pod that was asked for in a span of `quiet` after `since` got its value.
    pub async fn settle(&self, since: Duration, quiet: Duration) {
        wait_for("every pod is injected again", LONG, async || {
            let done = self.done.lock().unwrap().clone();
            let missed = done.iter().filter(|creation| creation.outcome != Outcome::Injected);
            let from = missed.map(Creation::answered).max().unwrap_or_default().max(since);
            let injected = done.iter().filter(|creation| creation.at >= from).count();
            let spent = self.now().saturating_sub(from);
            check(injected > 0 && spent >= quiet, || format!("for {spent:.1?} only: {injected} pods"))
        })
        .await;
    }

    /// Ends it, with every answer.
    pub async fn stop(mut self) -> (Namespace, Vec<Creation>) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.driver.join_next().await {
            ended.unwrap();
        }
        let creations = std::mem::take(&mut *self.done.lock().unwrap());
        (self.namespace, creations)
    }
}

impl Creation {
    pub fn is_acknowledged(&self) -> bool {
        !matches!(self.outcome, Outcome::Refused(_))
    }

    /// When the answer came, since the start.
    pub fn answered(&self) -> Duration {
        self.at + self.took
    }
}

/// Creates a pod as a controller does: what was answered counts, and only where nobody answered is it sent once more.
async fn create(client: &Client, namespace: &str, name: &str) -> (Outcome, usize) {
    let manifest = Manifest(gated_pod(name, "1Gi"));
    let mut retried = 0;
    loop {
        let answer = match manifest.create(client, namespace).await {
            // An earlier request came through, its answer did not.
            Err(kube::Error::Api(status)) if status.code == 409 && retried > 0 => {
                stored(client, namespace, name).await
            }
            answer => answer,
        };
        match answer {
            Ok(pod) if values(&pod, "app") == [VALUE_1GI] => return (Outcome::Injected, retried),
            Ok(_) => return (Outcome::Missed, retried),
            Err(kube::Error::Api(status)) if !is_away(&status) => {
                return (Outcome::Refused(status.message), retried);
            }
            Err(_) => {
                retried += 1;
                sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

async fn stored(client: &Client, namespace: &str, name: &str) -> Result<Value, kube::Error> {
    let pod = Api::<Pod>::namespaced(client.clone(), namespace).get(name).await?;
    Ok(serde_json::to_value(pod).unwrap())
}

/// What an API server says that is about to end, or has just begun and does not know the cluster yet.
fn is_away(status: &Status) -> bool {
    matches!(status.code, 429 | 503) || status.message.contains("not yet ready to handle request")
}
