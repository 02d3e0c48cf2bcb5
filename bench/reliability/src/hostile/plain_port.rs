//! The port of probes and metrics, which is plain HTTP, and both ports together.

use std::{iter, sync::Arc, time::Duration};

use anyhow::Result;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::{AttackCase, Found, HEAD, Scene, crowd};
use crate::wire::{read_to_end, send_and_read, trickle};

pub fn cases() -> Vec<AttackCase> {
    vec![
        AttackCase::new(
            "probe port, 450 slow heads",
            "450 send the probe port a head without end, a byte every 100 ms",
            |scene| Box::pin(async move { crowd(&scene, 450, slow_head).await }),
        ),
        AttackCase::new(
            "probe port, 2,000 slow heads",
            "2,000 do the same; there are 1,024 places",
            |scene| Box::pin(async move { crowd(&scene, 2000, slow_head).await }),
        ),
        AttackCase::new("probe port, silent", "1,500 connect to the probe port and say nothing", |scene| {
            Box::pin(async move { crowd(&scene, 1500, silent).await })
        }),
        AttackCase::new(
            "probe port, never reading",
            "1,500 ask for the metrics and never read them",
            |scene| Box::pin(async move { crowd(&scene, 1500, |scene, _| never_reading(scene)).await }),
        ),
        AttackCase::new("probe port, scrapes", "50 ask for the metrics, over and over", |scene| {
            Box::pin(async move { crowd(&scene, 50, scrape).await })
        }),
        AttackCase {
            fresh_promised: false,
            ..AttackCase::new(
                "both ports",
                "2,000 send the probe port slow heads, and 500 the webhook port as much of bodies as it takes",
                |scene| Box::pin(both(scene)),
            )
        },
    ]
}

async fn slow_head(scene: Arc<Scene>, number: usize) -> Result<String, String> {
    let stream = crowd::connect(scene.admin, number).await.map_err(|error| error.to_string())?;
    let head = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Filler: ".iter().copied();
    let ending = trickle(stream, head.chain(iter::repeat(b'x')), scene.patience()).await;
    if ending.closed { Ok("closed".to_owned()) } else { Err("not closed".to_owned()) }
}

async fn silent(scene: Arc<Scene>, number: usize) -> Result<String, String> {
    let mut stream = crowd::connect(scene.admin, number).await.map_err(|error| error.to_string())?;
    let ending = read_to_end(&mut stream, scene.patience()).await;
    if ending.closed { Ok("closed".to_owned()) } else { Err("not closed".to_owned()) }
}

async fn never_reading(scene: Arc<Scene>) -> Result<String, String> {
    let narrow = async {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4096)?;
        let mut stream: TcpStream = socket.connect(scene.admin).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await?;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Ok::<_, std::io::Error>(stream)
    };
    // Gone where its place was taken.
    drop(narrow.await);
    Ok("held on for 1.5 s".to_owned())
}

async fn scrape(scene: Arc<Scene>, number: usize) -> Result<String, String> {
    let stream = crowd::connect(scene.admin, number).await.map_err(|error| error.to_string())?;
    let ending = send_and_read(stream, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", scene.patience()).await;
    match ending.answers().first().map(|answer| answer.status) {
        Some(200) => Ok("answered 200".to_owned()),
        _ => Err(format!("a scrape: {}", ending.outcome())),
    }
}

async fn both(scene: Arc<Scene>) -> Result<Found> {
    let heads = crowd(&scene, 2000, slow_head);
    let bodies = crowd(&scene, 500, large_body);
    let (heads, bodies) = tokio::join!(heads, bodies);
    let (mut found, bodies) = (heads?, bodies?);
    for (outcome, count) in bodies.outcomes {
        *found.outcomes.entry(outcome).or_default() += count;
    }
    found.violations.extend(bodies.violations);
    Ok(found)
}

/// What keeps the most memory for the longest time: 16 KiB that need no place, or as much as has one.
async fn large_body(scene: Arc<Scene>, number: usize) -> Result<String, String> {
    let (announced, sent) = match number % 16 {
        0 => (7 << 20, (7 << 20) - 1),
        1 => (255 << 10, (255 << 10) - 1),
        _ => (7 << 20, 16 << 10),
    };
    let held = async {
        let mut stream = scene.target.connect().await.ok()?;
        let head = format!("{HEAD}Content-Length: {announced}\r\n\r\n");
        stream.write_all(&[head.as_bytes(), &vec![b' '; sent]].concat()).await.ok()?;
        Some(read_to_end(&mut stream, scene.patience()).await)
    };
    // Those for which there is no place wait for it.
    Ok(match timeout(scene.patience(), held).await {
        Ok(Some(_)) => "bodies closed".to_owned(),
        _ => "bodies not taken".to_owned(),
    })
}
