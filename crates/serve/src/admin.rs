//! The second, plain port: `/livez`, `/readyz` and `/metrics`.

use std::{sync::Arc, time::SystemTime};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::registry::Registry;

use super::readiness::Readiness;
use crate::metrics;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone)]
struct Admin {
    readiness: Readiness,
    registry: Arc<Registry>,
}

/// The routes of the second port.
pub fn router(readiness: Readiness, registry: Registry) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(Admin { readiness, registry: Arc::new(registry) })
}

async fn readyz(State(admin): State<Admin>) -> Response {
    let missing = admin.readiness.missing(SystemTime::now());
    let troubles = admin.readiness.troubles().into_iter();
    let troubles: String =
        troubles.flat_map(|trouble| ["trouble: ".to_owned(), trouble, "\n".to_owned()]).collect();
    if missing.is_empty() {
        return format!("ok\n{troubles}").into_response();
    }
    let problems: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let problems = problems.join("; ");
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {problems}\n{troubles}")).into_response()
}

async fn scrape(State(admin): State<Admin>) -> Response {
    admin.readiness.refresh(SystemTime::now());
    match metrics::render(&admin.registry) {
        Ok(text) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
