//! Clients that mean well, at fixed times whether the program keeps up or not.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use gomemlimit_proc::quantile;
use gomemlimit_reliability::process::Latency;
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
    task::JoinSet,
    time::{Instant, interval_at, timeout_at},
};

use crate::{
    client::{Client, Target},
    review::Review,
};

/// After that the API server gives up: the chart's `webhook.timeoutSeconds`.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// How one client behaves.
#[derive(Clone, Copy)]
pub struct Manner {
    /// Between two requests.
    pub period: Duration,
    /// Before the first, so that clients do not march in step.
    pub offset: Duration,
    /// After how many requests it opens another connection.
    pub renew: Option<u64>,
}

/// What a client, or several, came to.
#[derive(Default)]
pub struct Tally {
    milliseconds: Vec<f64>,
    errors: BTreeMap<String, u64>,
    /// Connections that it opened.
    pub handshakes: u64,
    /// Those among them because the program had closed the one before.
    pub reconnects: u64,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.milliseconds.extend(other.milliseconds);
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
        self.handshakes += other.handshakes;
        self.reconnects += other.reconnects;
    }

    pub fn latency(mut self) -> Latency {
        self.milliseconds.sort_by(f64::total_cmp);
        let at = |share: f64| quantile(&self.milliseconds, share).unwrap_or_default();
        let (p50_ms, p99_ms) = (at(0.5), at(0.99));
        Latency {
            requests: self.milliseconds.len() as u64,
            p50_ms,
            p99_ms,
            max_ms: at(1.0),
            errors: self.errors,
        }
    }
}

/// Clients that go on until they are told to stop, on a thread of their own: hostile ones must not delay them before
/// the program does.
pub struct Team {
    clients: JoinSet<Tally>,
    stop: watch::Sender<bool>,
    runtime: Option<Runtime>,
}

impl Team {
    pub fn start(target: &Target, manners: impl Iterator<Item = Manner>) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let mut clients = JoinSet::new();
        for manner in manners {
            clients.spawn_on(work(target.clone(), manner, stopped.clone()), runtime.handle());
        }
        Ok(Self { clients, stop, runtime: Some(runtime) })
    }

    /// Lets each finish its request.
    pub async fn stop(mut self) -> Result<Tally> {
        self.stop.send(true).context("no client is left")?;
        let mut all = Tally::default();
        while let Some(tally) = self.clients.join_next().await {
            all.add(tally?);
        }
        Ok(all)
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        // A runtime may not wait for its threads within another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn work(target: Target, manner: Manner, mut stop: watch::Receiver<bool>) -> Tally {
    let mut tally = Tally::default();
    let mut client = None;
    let mut ticks = interval_at(Instant::now() + manner.offset, manner.period);
    for number in 1_u64.. {
        // Ticks that were missed come at once and keep the time at which they were due.
        let due = tokio::select! {
            due = ticks.tick() => due,
            _ = stop.changed() => break,
        };
        let answered = timeout_at(due + PATIENCE, request(&target, &mut client, &mut tally)).await;
        tally.milliseconds.push(due.elapsed().as_secs_f64() * 1e3);
        let error = match answered {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some("not answered in time".to_owned()),
        };
        if error.is_some() || manner.renew.is_some_and(|every| number.is_multiple_of(every)) {
            client = None;
        }
        if let Some(error) = error {
            *tally.errors.entry(error).or_default() += 1;
        }
    }
    tally
}

/// One request. A connection that is found closed before anything was sent is replaced, as Go's client does.
async fn request(target: &Target, kept: &mut Option<Client>, tally: &mut Tally) -> Result<()> {
    let review = Review::next()?;
    if let Some(client) = kept {
        if client.is_open().await {
            let answered = client.review(&review).await;
            let never_sent = |error: &anyhow::Error| {
                error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled)
            };
            if !answered.as_ref().is_err_and(never_sent) {
                return answered;
            }
        }
        tally.reconnects += 1;
    }
    tally.handshakes += 1;
    kept.insert(Client::connect(target).await?).review(&review).await
}
