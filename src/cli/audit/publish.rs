//! `audit --listen`: audits again and again, and serves the counts to Prometheus.

use std::{
    fmt::Write,
    net::SocketAddr,
    process::ExitCode,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    Told,
    fleet::Fleet,
    report::{head, prometheus},
};
use crate::{
    causes::with_causes,
    cli::{
        listen::listen,
        output::{self, Line},
        policy_resolver::PolicyResolver,
    },
    logging::LineQueue,
    metrics::audit::{DURATION, FAILURES, LAST_SUCCESS, LOG_LINES_DROPPED},
    serve::{
        lifecycle,
        listener::{Listener, Stop},
    },
};

/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is served.
#[derive(Debug, Default)]
struct Published {
    /// The counts of the latest audit that succeeded, and when they were taken.
    counts: Option<String>,
    failures: u64,
    /// Why the latest audit failed, or why there was none yet.
    problem: Option<String>,
    /// What is scraped, shared by all that scrape: clients that never read must not take a text each.
    text: Bytes,
    /// The failures and the dropped lines in it.
    events: Option<(u64, u64)>,
}

#[derive(Clone, Debug, Default)]
struct Shared {
    published: Arc<Mutex<Published>>,
    dropped_lines: Arc<AtomicU64>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn succeeded(&self, fleet: &Fleet, took: Duration, ended: SystemTime) {
        let mut counts = prometheus(fleet);
        let ended = ended.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        for (series, seconds) in [(LAST_SUCCESS, ended), (DURATION, took)] {
            head(&mut counts, &series);
            // Writing to a String cannot fail.
            let _ = writeln!(counts, "{} {:.3}", series.name, seconds.as_secs_f64());
        }
        let mut published = self.lock();
        published.counts = Some(counts);
        published.problem = None;
        published.events = None;
    }

    /// Whether this problem is another one than before.
    fn failed(&self, problem: String) -> bool {
        let mut published = self.lock();
        published.failures += 1;
        let is_new = published.problem.as_ref() != Some(&problem);
        published.problem = Some(problem);
        is_new
    }
}

/// Audits at every interval until SIGTERM or SIGINT. A failed audit is told, counted and tried again: the cluster may
/// be away for a while, and rights may be given later.
pub(super) async fn run(
    address: SocketAddr,
    every: Duration,
    audit: impl AsyncFn() -> anyhow::Result<(Fleet, PolicyResolver)>,
) -> anyhow::Result<ExitCode> {
    let mut signals = lifecycle::signals().context("cannot listen for signals")?;
    let tcp = listen("--listen", address)?;
    let address = tcp.local_addr()?;
    let shared = Shared::default();
    let dropped = shared.dropped_lines.clone();
    // Nobody may be reading, which must not hold up audits, probes and the end.
    let on_drop = move |lines| {
        dropped.fetch_add(lines, Ordering::Relaxed);
    };
    let stderr = LineQueue::start(output::stderr().0, on_drop).context("cannot start to log")?;
    let every_text = humantime::format_duration(every);
    stderr.push(
        Line::message(&format!("Publishing at http://{address}/metrics every {every_text}.")).as_bytes(),
    );
    let stop = Stop::default();
    let listener = Listener::admin(tcp, router(shared.clone()), stop.clone());
    let auditing = audit_again_and_again(&shared, &stderr, every, audit);
    tokio::select! {
        _ = signals.recv() => stop.stopped.cancel(),
        () = listener.run() => {}
        () = auditing => {}
    }
    stderr.flush();
    Ok(ExitCode::SUCCESS)
}

async fn audit_again_and_again(
    shared: &Shared,
    stderr: &LineQueue,
    every: Duration,
    audit: impl AsyncFn() -> anyhow::Result<(Fleet, PolicyResolver)>,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = Told::default();
    loop {
        ticks.tick().await;
        let started = Instant::now();
        match audit().await {
            Ok((fleet, resolver)) => {
                for line in told.news(&fleet, &resolver) {
                    stderr.push(line.as_bytes());
                }
                shared.succeeded(&fleet, started.elapsed(), SystemTime::now());
            }
            Err(error) => {
                let problem = with_causes(error.as_ref());
                if shared.failed(problem.clone()) {
                    let every = humantime::format_duration(every);
                    stderr.push(Line::warning(&format!("{problem}; trying again every {every}")).as_bytes());
                    told = Told::default();
                }
            }
        }
    }
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(shared)
}

/// Ready once there is something to scrape; what fails later is said and shows in the metrics.
async fn readyz(State(shared): State<Shared>) -> Response {
    let published = shared.lock();
    let problem = published.problem.as_deref();
    if published.counts.is_none() {
        let why = problem.unwrap_or("the first audit has not ended yet");
        return (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response();
    }
    let trouble = problem.map(|problem| format!("trouble: {problem}\n")).unwrap_or_default();
    format!("ok\n{trouble}").into_response()
}

async fn scrape(State(shared): State<Shared>) -> Response {
    let dropped = shared.dropped_lines.load(Ordering::Relaxed);
    ([(CONTENT_TYPE, TEXT)], shared.lock().text(dropped)).into_response()
}

impl Published {
    fn text(&mut self, dropped_lines: u64) -> Bytes {
        let events = (self.failures, dropped_lines);
        if self.events != Some(events) {
            let mut text = self.counts.clone().unwrap_or_default();
            for (series, count) in [(FAILURES, events.0), (LOG_LINES_DROPPED, events.1)] {
                head(&mut text, &series);
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{} {count}", series.name);
            }
            self.text = text.into();
            self.events = Some(events);
        }
        self.text.clone()
    }
}
