//! `audit --listen`: repeats the audit at an interval, and serves the counts to Prometheus.

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
    audit_report::AuditReport,
    render::{head, notes, prometheus},
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

/// Content type of the text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The state that the routes serve.
#[derive(Debug, Default)]
struct Metrics {
    /// The metrics of the latest audit that succeeded.
    counts: Option<String>,
    failures: u64,
    /// The cause of the failure of the latest audit; `None` if it succeeded.
    problem: Option<String>,
    /// The answer to a scrape, shared by all responses: clients that never read must not take a copy each.
    text: Bytes,
    /// The numbers of failures and of dropped lines in `text`; `None` if `text` is out of date.
    events: Option<(u64, u64)>,
}

#[derive(Clone, Debug, Default)]
struct Shared {
    metrics: Arc<Mutex<Metrics>>,
    dropped_lines: Arc<AtomicU64>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Metrics> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn succeeded(&self, report: &AuditReport, took: Duration, ended: SystemTime) {
        let mut counts = prometheus(report);
        let ended = ended.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        for (series, seconds) in [(LAST_SUCCESS, ended), (DURATION, took)] {
            head(&mut counts, &series);
            // Writing to a String cannot fail.
            let _ = writeln!(counts, "{} {:.3}", series.name, seconds.as_secs_f64());
        }
        let mut metrics = self.lock();
        metrics.counts = Some(counts);
        metrics.problem = None;
        metrics.events = None;
    }

    /// Counts the failure; whether its problem differs from that of the audit before.
    fn failed(&self, problem: String) -> bool {
        let mut metrics = self.lock();
        metrics.failures += 1;
        let is_new = metrics.problem.as_ref() != Some(&problem);
        metrics.problem = Some(problem);
        is_new
    }
}

/// Audits at every interval until SIGTERM or SIGINT. A failed audit is logged, counted and repeated: the cluster may be
/// away for a while, and rights may be granted later.
///
/// # Errors
///
/// If the address cannot be listened on, or the process has no threads or signals left.
pub(super) async fn run(
    address: SocketAddr,
    every: Duration,
    audit: impl AsyncFn() -> anyhow::Result<(AuditReport, PolicyResolver)>,
) -> anyhow::Result<ExitCode> {
    let mut signals = lifecycle::signals().context("cannot listen for signals")?;
    let tcp = listen("--listen", address)?;
    let address = tcp.local_addr()?;
    let shared = Shared::default();
    let dropped = shared.dropped_lines.clone();
    // Audits, probes and the end must not wait for a reader of stderr.
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
    let audits = audit_repeatedly(&shared, &stderr, every, audit);
    tokio::select! {
        _ = signals.recv() => stop.stopped.cancel(),
        () = listener.run() => {}
        () = audits => {}
    }
    stderr.flush();
    Ok(ExitCode::SUCCESS)
}

async fn audit_repeatedly(
    shared: &Shared,
    stderr: &LineQueue,
    every: Duration,
    audit: impl AsyncFn() -> anyhow::Result<(AuditReport, PolicyResolver)>,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut printed = Vec::new();
    loop {
        ticks.tick().await;
        let started = Instant::now();
        match audit().await {
            Ok((report, resolver)) => {
                let notes = notes(&report, &resolver);
                if notes != printed {
                    for line in &notes {
                        stderr.push(line.as_bytes());
                    }
                    printed = notes;
                }
                shared.succeeded(&report, started.elapsed(), SystemTime::now());
            }
            Err(error) => {
                let problem = with_causes(error.as_ref());
                if shared.failed(problem.clone()) {
                    let every = humantime::format_duration(every);
                    stderr.push(Line::warning(&format!("{problem}; trying again every {every}")).as_bytes());
                    printed.clear();
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

/// Ready once an audit has succeeded. A later failure is shown here and counted in the metrics.
async fn readyz(State(shared): State<Shared>) -> Response {
    let metrics = shared.lock();
    let problem = metrics.problem.as_deref();
    if metrics.counts.is_none() {
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

impl Metrics {
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
