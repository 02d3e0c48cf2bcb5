//! More clients than there are places or file descriptors.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::Result;
use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{AttackCase, Found, Scene};
use crate::wire::{must_close, read_to_end};

/// Clients at once; the program has 512 places by default (`--max-connections`).
const MANY: usize = 10_000;

pub fn cases() -> Vec<AttackCase> {
    vec![
        AttackCase::new(
            "10,000 connections",
            "10,000 connect at once and say nothing; there are 512 places",
            many,
        ),
        AttackCase {
            file_descriptors: Some(64),
            fresh_promised: false,
            ..AttackCase::crowd(
                "no file descriptors",
                "200 connect and say nothing to a program that has 64 file descriptors",
                200,
                silent,
            )
        },
    ]
}

/// All of them hold on until the time is over.
async fn many(scene: Arc<Scene>) -> Result<Found> {
    let until = Instant::now() + scene.length * 2;
    let mut all = JoinSet::new();
    for number in 0..MANY {
        let address = scene.target.address;
        all.spawn(async move { until_closed(address, number, until).await });
    }
    let mut found = Found::default();
    for outcome in all.join_all().await {
        found.count(outcome.to_owned());
    }
    Ok(found)
}

async fn until_closed(address: SocketAddr, number: usize, until: Instant) -> &'static str {
    let left = || until.saturating_duration_since(Instant::now());
    match timeout(left(), connect(address, number)).await {
        Err(_) => "never let in",
        Ok(Err(_)) => "refused",
        Ok(Ok(mut stream)) => {
            let ending = read_to_end(&mut stream, left()).await;
            if ending.closed { "closed" } else { "waiting or silent to the end" }
        }
    }
}

/// From one of ten addresses, since one has too few ports.
pub async fn connect(address: SocketAddr, number: usize) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let from = Ipv4Addr::new(127, 0, 1, (number % 10 + 1) as u8);
    socket.bind(SocketAddr::from((from, 0)))?;
    socket.connect(address).await
}

async fn silent(scene: Arc<Scene>, _: usize) -> Result<String> {
    let mut stream = scene.target.tcp().await?;
    let ending = read_to_end(&mut stream, scene.deadline() + Duration::from_mins(1)).await;
    must_close(&ending)
}
