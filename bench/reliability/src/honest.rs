//! Clients that mean well, at fixed times whether the program keeps up or not.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use anyhow::Result;
use gomemlimit_bench::http::get;
use gomemlimit_procfs::quantile;
use gomemlimit_reliability::process::Latency;
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
    task::JoinSet,
    time::{Instant, interval, interval_at, timeout, timeout_at},
};

use crate::{
    client::{Client, Target},
    review::Review,
};

/// After that the API server gives up: the chart's `webhook.timeoutSeconds`.
pub const TIMEOUT: Duration = Duration::from_secs(3);

/// What the chart gives the readiness probe, and how often it is sent here.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
const PROBE_PERIOD: Duration = Duration::from_millis(200);

/// How one client behaves.
#[derive(Clone, Copy, Default)]
pub struct Manner {
    /// Between two requests.
    pub period: Duration,
    /// Before the first, so that clients do not march in step.
    pub offset: Duration,
    /// After how many requests it opens another connection.
    pub renew: Option<u64>,
    /// Bytes of its reviews, else those of a usual one.
    pub size: Option<usize>,
}

/// What a client, or several, came to.
#[derive(Default)]
pub struct ClientCounts {
    milliseconds: Vec<f64>,
    errors: BTreeMap<String, u64>,
    /// Connections that it opened.
    pub handshakes: u64,
    /// Those among them because the program had closed the one before.
    pub reconnects: u64,
}

impl ClientCounts {
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
    clients: JoinSet<ClientCounts>,
    stop: watch::Sender<bool>,
    runtime: Option<Runtime>,
}

impl Team {
    fn new() -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Self { clients: JoinSet::new(), stop: watch::Sender::new(false), runtime: Some(runtime) })
    }

    fn add(&mut self, client: impl Future<Output = ClientCounts> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            self.clients.spawn_on(client, runtime.handle());
        }
    }

    pub fn start(target: &Target, manners: impl Iterator<Item = Manner>) -> Result<Self> {
        let mut team = Self::new()?;
        for manner in manners {
            team.add(work(target.clone(), manner, team.stop.subscribe()));
        }
        Ok(team)
    }

    /// Probes as the kubelet sends them.
    pub fn probes(admin: SocketAddr) -> Result<Self> {
        let mut team = Self::new()?;
        team.add(probe(admin, team.stop.subscribe()));
        Ok(team)
    }

    /// Lets each finish its request.
    pub async fn stop(mut self) -> Result<ClientCounts> {
        self.stop.send_replace(true);
        let mut all = ClientCounts::default();
        while let Some(counts) = self.clients.join_next().await {
            all.add(counts?);
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

async fn work(target: Target, manner: Manner, mut stop: watch::Receiver<bool>) -> ClientCounts {
    let mut counts = ClientCounts::default();
    let mut client = None;
    let mut ticks = interval_at(Instant::now() + manner.offset, manner.period);
    for number in 1_u64.. {
        // Ticks that were missed come at once and keep the time at which they were due.
        let due = tokio::select! {
            due = ticks.tick() => due,
            _ = stop.changed() => break,
        };
        let answered =
            timeout_at(due + TIMEOUT, request(&target, &mut client, &mut counts, manner.size)).await;
        counts.milliseconds.push(due.elapsed().as_secs_f64() * 1e3);
        let error = match answered {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some("not answered in time".to_owned()),
        };
        if error.is_some() || manner.renew.is_some_and(|every| number.is_multiple_of(every)) {
            client = None;
        }
        if let Some(error) = error {
            *counts.errors.entry(error).or_default() += 1;
        }
    }
    counts
}

/// One probe after the other, each on a connection of its own.
async fn probe(admin: SocketAddr, mut stop: watch::Receiver<bool>) -> ClientCounts {
    let mut counts = ClientCounts::default();
    let mut ticks = interval(PROBE_PERIOD);
    for path in ["/livez", "/readyz"].into_iter().cycle() {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.changed() => break,
        }
        let asked = Instant::now();
        let error = match timeout(PROBE_TIMEOUT, get(admin, path)).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some("not answered in time".to_owned()),
        };
        counts.milliseconds.push(asked.elapsed().as_secs_f64() * 1e3);
        if let Some(error) = error {
            *counts.errors.entry(error).or_default() += 1;
        }
    }
    counts
}

/// One request. A connection that is found closed before anything was sent is replaced, as Go's client does.
async fn request(
    target: &Target,
    kept: &mut Option<Client>,
    counts: &mut ClientCounts,
    size: Option<usize>,
) -> Result<()> {
    let mut review = Review::next()?;
    if let Some(size) = size {
        review.pad(size);
    }
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
        counts.reconnects += 1;
    }
    counts.handshakes += 1;
    kept.insert(Client::connect(target).await?).review(&review).await
}
