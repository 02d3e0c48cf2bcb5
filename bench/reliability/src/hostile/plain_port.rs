//! The port of probes and metrics, which is plain HTTP, and both ports together.

use std::{iter, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use tokio::{io::AsyncWriteExt, time::timeout};

use super::{AttackCase, Found, Scene, crowd, head};
use crate::{
    client::narrow,
    wire::{must_close, read_to_end, send_and_read, trickle},
};

pub fn cases() -> Vec<AttackCase> {
    vec![
        AttackCase::crowd(
            "probe port, 450 slow heads",
            "450 send the probe port a head without end, a byte every 100 ms",
            450,
            slow_head,
        ),
        AttackCase::crowd(
            "probe port, 2,000 slow heads",
            "2,000 do the same; there are 1,024 places",
            2000,
            slow_head,
        ),
        AttackCase::crowd(
            "probe port, silent",
            "1,500 connect to the probe port and say nothing",
            1500,
            silent,
        ),
        AttackCase::crowd(
            "probe port, never reading",
            "1,500 ask for the metrics and never read them",
            1500,
            never_reading,
        ),
        AttackCase::crowd("probe port, scrapes", "50 ask for the metrics, over and over", 50, scrape),
        AttackCase {
            fresh_promised: false,
            ..AttackCase::new(
                "both ports",
                "2,000 send the probe port slow heads, and 500 the webhook port as much of bodies as it takes",
                both,
            )
        },
    ]
}

async fn slow_head(scene: Arc<Scene>, number: usize) -> Result<String> {
    let stream = crowd::connect(scene.admin, number).await?;
    let begun = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Filler: ".iter().copied();
    let ending = trickle(stream, begun.chain(iter::repeat(b'x')), scene.deadline()).await;
    must_close(&ending)
}

async fn silent(scene: Arc<Scene>, number: usize) -> Result<String> {
    let mut stream = crowd::connect(scene.admin, number).await?;
    let ending = read_to_end(&mut stream, scene.deadline()).await;
    must_close(&ending)
}

async fn never_reading(scene: Arc<Scene>, _: usize) -> Result<String> {
    let narrow = async {
        let mut stream = narrow(scene.admin).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await?;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Ok::<_, std::io::Error>(stream)
    };
    // Gone where its place was taken.
    drop(narrow.await);
    Ok("held on for 1.5 s".to_owned())
}

async fn scrape(scene: Arc<Scene>, number: usize) -> Result<String> {
    let stream = crowd::connect(scene.admin, number).await?;
    let ending = send_and_read(stream, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", scene.deadline()).await;
    match ending.answers().first().map(|answer| answer.status) {
        Some(200) => Ok("answered 200".to_owned()),
        _ => bail!("a scrape: {}", ending.outcome()),
    }
}

async fn both(scene: Arc<Scene>) -> Result<Found> {
    let heads = crowd(scene.clone(), 2000, slow_head);
    let (mut found, bodies) = tokio::try_join!(heads, crowd(scene, 500, large_body))?;
    for (outcome, count) in bodies.outcomes {
        *found.outcomes.entry(outcome).or_default() += count;
    }
    found.violations.extend(bodies.violations);
    Ok(found)
}

/// What keeps the most memory for the longest time: 16 KiB that need no place, or as much as has one.
async fn large_body(scene: Arc<Scene>, number: usize) -> Result<String> {
    let (announced, sent) = match number % 16 {
        0 => (7 << 20, (7 << 20) - 1),
        1 => (255 << 10, (255 << 10) - 1),
        _ => (7 << 20, 16 << 10),
    };
    let held = async {
        let mut stream = scene.target.connect().await.ok()?;
        stream.write_all(&[head(announced).as_bytes(), &vec![b' '; sent]].concat()).await.ok()?;
        Some(read_to_end(&mut stream, scene.deadline()).await)
    };
    // Those for which there is no place wait for it.
    Ok(match timeout(scene.deadline(), held).await {
        Ok(Some(_)) => "bodies closed".to_owned(),
        _ => "bodies not taken".to_owned(),
    })
}
