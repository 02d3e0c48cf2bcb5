//! What is promised while something is broken, and of pods of every form.
//!
//! Each test prints its figures, and with `GOMEMLIMIT_RELIABILITY` saves them in that folder, from which
//! docs/reliability.md is made.

mod delay;
mod forms;
mod frozen;
mod loss;
mod pressure;
mod proxy;
mod reckoning;
mod restarts;
mod traffic;

use std::{env, fmt::Debug, time::Duration};

use gomemlimit_reliability::cluster::save;
use kube::Client;
use serde::Serialize;

use crate::harness::{LONG, Namespace, check_injected, is_long, repository, wait_for};

use self::{
    reckoning::{hold, reckon},
    traffic::Traffic,
};

/// Creations in a second, whether earlier ones were answered or not.
const RATE: u32 = 10;

/// Of the long form or the short one.
fn seconds(long: u64, short: u64) -> Duration {
    Duration::from_secs(if is_long() { long } else { short })
}

/// The version of the API server.
async fn kubernetes(client: &Client) -> String {
    client.apiserver_version().await.unwrap().git_version
}

/// Prints a record, and saves it where `GOMEMLIMIT_RELIABILITY` says; a relative folder is one of the repository.
fn keep<T: Debug + Serialize>(name: &str, record: &T) {
    println!("reliability: {name}: {record:?}");
    if let Some(folder) = env::var_os("GOMEMLIMIT_RELIABILITY").filter(|folder| !folder.is_empty()) {
        save(&repository().join(folder), name, record).unwrap();
    }
}

/// Waits until what an earlier test has broken is over: a second of pods that get their value.
async fn calm(client: &Client) {
    let namespace = Namespace::labelled(client).await;
    wait_for("pods are injected", LONG, async || {
        for _ in 0..10 {
            check_injected(client, &namespace).await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    })
    .await;
}

/// Creates pods before, during and after a fault, and holds what became of them against what is promised.
/// `fault` breaks something, mends it, and tells how it saw that it was broken.
async fn endure(client: &Client, name: &str, title: &str, fault: impl AsyncFnOnce() -> String) {
    calm(client).await;
    let traffic = Traffic::start(client, RATE).await;
    tokio::time::sleep(seconds(10, 3)).await;
    let from = traffic.now();
    let evidence = fault().await;
    let until = traffic.now();
    traffic.settle(until, seconds(10, 3)).await;
    let (namespace, creations) = traffic.stop().await;
    let record = reckon(client, &namespace, &creations, (from, until), title, evidence).await;
    keep(name, &record);
    hold(&record, &creations);
}
