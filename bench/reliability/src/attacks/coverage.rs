//! What `audit` reads of a cluster: pods that are large, and answers that have no end.

use std::{path::Path, time::Duration};

use anyhow::{Result, ensure};
use gomemlimit_bench::http::{free_address, get};
use gomemlimit_fake_api_server::Reply;
use gomemlimit_reliability::process::{Attack, Unit};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    COMMAND_KIB, COVERAGE_KIB, Run, TIMEOUT,
    api::{self, endless, list, page},
    judged,
};
use crate::program::LOOPBACK;

const PODS: &str = "/api/v1/pods";

pub async fn run(binary: &Path, attack: &str) -> Result<Vec<Attack>> {
    let mut rows = Vec::new();
    let name = "fat pods";
    if name.contains(attack) {
        let text = "250 pods of 1 MB, read by `audit --listen`";
        rows.push(judged(name, text, Unit::Kib, COVERAGE_KIB, audited(binary).await?));
    }
    let name = "an answer without end";
    if name.contains(attack) {
        let text = "an API server that answers `audit` and never stops";
        let pods = || endless("{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\"}},");
        let (peak, is_over) = read(binary, pods).await?;
        rows.push(ended(judged(name, text, Unit::Kib, COMMAND_KIB, peak), is_over));
    }
    let name = "a list without end";
    if name.contains(attack) {
        let text = "an API server whose next page of pods is always the same";
        let started = Instant::now();
        let (_, is_over) = read(binary, || list("again", "")).await?;
        let (bound, took) = (TIMEOUT.as_millis() as u64, started.elapsed().as_millis() as u64);
        rows.push(ended(judged(name, text, Unit::Milliseconds, bound, took), is_over));
    }
    Ok(rows)
}

fn ended(mut row: Attack, is_over: bool) -> Attack {
    if !is_over {
        row.violations.push(format!("it goes on after {TIMEOUT:?}"));
    }
    row
}

/// The most memory of `audit --listen` until it has something to scrape.
async fn audited(binary: &Path) -> Result<u64> {
    let kubeconfig = api::start(|head| match head.path() {
        PODS => page(&head.parameters(), 250, |number| {
            let container = json!({"name": "c", "env": [{"name": "LARGE", "value": "x".repeat(1_000_000)}]});
            let metadata =
                json!({"name": format!("p-{number}"), "namespace": "n", "uid": number.to_string()});
            json!({"metadata": metadata, "spec": {"containers": [container]}, "status": {"phase": "Running"}})
                .to_string()
        }),
        _ => list("", ""),
    });
    let address = free_address(LOOPBACK)?;
    let arguments = ["audit", "-A", "--listen", &address.to_string(), "--interval", "1h"];
    let run = Run::start(binary, &arguments, Some(kubeconfig.path()))?;
    let started = Instant::now();
    while get(address, "/readyz").await.is_err() {
        ensure!(started.elapsed() < TIMEOUT, "audit --listen does not get ready");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(run.peak_kib().unwrap_or(u64::MAX))
}

/// The most memory of `audit` if pods are answered with this, and whether it came to an end.
async fn read(binary: &Path, pods: fn() -> Reply) -> Result<(u64, bool)> {
    let kubeconfig = api::start(move |head| match head.path() {
        PODS => pods(),
        _ => list("", ""),
    });
    let mut run = Run::start(binary, &["audit", "-A"], Some(kubeconfig.path()))?;
    let (peak, status) = run.end().await?;
    Ok((peak, status.is_some()))
}
