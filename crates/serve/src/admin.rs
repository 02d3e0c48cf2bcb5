//! The second, plain port: `/livez`, `/readyz` and `/metrics`.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::registry::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::readiness::Readiness;
use crate::metrics;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Maximum of texts of `/metrics` in memory. Beyond that, scrapes share the latest one: clients that never read must not
/// take a text each.
const MAX_TEXTS: usize = 8;

#[derive(Clone)]
struct Admin {
    readiness: Readiness,
    registry: Arc<Registry>,
    texts: Arc<Semaphore>,
    latest: Arc<Mutex<Bytes>>,
}

/// A text, and its permit of [`MAX_TEXTS`] until it is written.
struct Text {
    text: String,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// Routes of the second port.
pub fn router(readiness: Readiness, registry: Registry) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(Admin {
            readiness,
            registry: Arc::new(registry),
            texts: Arc::new(Semaphore::new(MAX_TEXTS)),
            latest: Arc::default(),
        })
}

async fn readyz(State(admin): State<Admin>) -> Response {
    let missing = admin.readiness.missing(SystemTime::now());
    let degraded = admin.readiness.degraded();
    let degraded: String = degraded.iter().flat_map(|problem| ["trouble: ", problem, "\n"]).collect();
    if missing.is_empty() {
        return format!("ok\n{degraded}").into_response();
    }
    let problems: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let problems = problems.join("; ");
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {problems}\n{degraded}")).into_response()
}

async fn scrape(State(admin): State<Admin>) -> Response {
    match admin.text() {
        Ok(text) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

impl Admin {
    fn text(&self) -> Result<Bytes, std::fmt::Error> {
        // Nothing in here can panic half-way.
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        // One of them is the latest itself, so there is a latest one if there is no permit.
        if let Ok(permit) = self.texts.clone().try_acquire_owned() {
            self.readiness.refresh(SystemTime::now());
            *latest = Bytes::from_owner(Text { text: metrics::render(&self.registry)?, _permit: permit });
        }
        Ok(latest.clone())
    }
}
