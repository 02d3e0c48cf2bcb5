//! Clients that say little, slowly, or nothing.

use std::{iter, sync::Arc};

use anyhow::{Result, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Duration, Instant, sleep, timeout},
};

use super::{AttackCase, Scene, head, hello, request};
use crate::{
    review::Review,
    wire::{Ending, closed, read_to_end, send_and_read, trickle},
};

/// As many as make a difference, and fewer than there are places.
const CLIENTS: usize = 200;

pub fn cases() -> Vec<AttackCase> {
    vec![
        AttackCase::crowd("silent after TCP", "200 connect and say nothing", CLIENTS, silent_after_tcp),
        AttackCase::crowd(
            "slow handshake",
            "200 send their ClientHello a byte every 100 ms",
            CLIENTS,
            slow_hello,
        ),
        AttackCase {
            flags: &["--idle-timeout", "2s"],
            ..AttackCase::crowd(
                "silent after TLS",
                "200 finish the handshake and say nothing; idle timeout 2 s",
                CLIENTS,
                silent_after_tls,
            )
        },
        AttackCase::crowd(
            "slow head",
            "200 send a head without end, a byte every 100 ms",
            CLIENTS,
            slow_head,
        ),
        AttackCase::crowd(
            "slow body",
            "200 announce 7 MiB or 200 KiB and send a byte every 100 ms",
            CLIENTS,
            slow_body,
        ),
        AttackCase {
            large_promised: true,
            ..AttackCase::crowd(
                "stalled body",
                "100 announce 201 KiB, send 200 KiB and no more",
                100,
                stalled_body,
            )
        },
        AttackCase::crowd(
            "never reading",
            "50 send reviews without end and never read an answer",
            50,
            never_reading,
        ),
        AttackCase::crowd(
            "never reading what is long",
            "200 send a review of 1,000 containers every second and never read an answer, which has 400 KiB",
            CLIENTS,
            never_reading_long,
        ),
        AttackCase {
            flags: &["--idle-timeout", "2s"],
            ..AttackCase::crowd(
                "gone without a word",
                "200 have one request answered and are never heard of again; idle timeout 2 s",
                CLIENTS,
                gone,
            )
        },
    ]
}

/// A client of this kind has to be closed in the end.
fn must_end(ending: &Ending) -> Result<String> {
    if ending.closed {
        Ok(ending.outcome())
    } else {
        bail!("not closed after {:.0} s", ending.after.as_secs_f64())
    }
}

async fn silent_after_tcp(scene: Arc<Scene>, _: usize) -> Result<String> {
    let mut stream = scene.target.tcp().await?;
    must_end(&read_to_end(&mut stream, scene.deadline()).await)
}

async fn slow_hello(scene: Arc<Scene>, _: usize) -> Result<String> {
    let stream = scene.target.tcp().await?;
    let hello = hello::client_hello(0x0303, &hello::OLD_SUITES, &[]);
    must_end(&trickle(stream, hello::record(22, 0x0301, &hello).into_iter(), scene.deadline()).await)
}

async fn silent_after_tls(scene: Arc<Scene>, _: usize) -> Result<String> {
    let mut stream = scene.target.connect().await?;
    must_end(&read_to_end(&mut stream, scene.deadline()).await)
}

async fn slow_head(scene: Arc<Scene>, _: usize) -> Result<String> {
    let stream = scene.target.connect().await?;
    let head = b"POST /mutate HTTP/1.1\r\nHost: localhost\r\nX-Filler: ".iter().copied();
    must_end(&trickle(stream, head.chain(iter::repeat(b'x')), scene.deadline()).await)
}

async fn slow_body(scene: Arc<Scene>, number: usize) -> Result<String> {
    let length = if number.is_multiple_of(2) { 7 << 20 } else { 200 << 10 };
    let mut stream = scene.target.connect().await?;
    stream.write_all(head(length).as_bytes()).await?;
    never_whole(&trickle(stream, iter::repeat(b' '), scene.deadline()).await)
}

async fn stalled_body(scene: Arc<Scene>, _: usize) -> Result<String> {
    let stream = scene.target.connect().await?;
    let most = [head(201 << 10).as_bytes(), &vec![b' '; 200 << 10]].concat();
    never_whole(&send_and_read(stream, &most, scene.deadline()).await)
}

/// The outcome of a body that never arrives as a whole.
fn never_whole(ending: &Ending) -> Result<String> {
    let outcome = must_end(ending)?;
    // 503 where the budget is used up by others.
    match ending.answers().first().map(|answer| answer.status) {
        None | Some(408 | 503) => Ok(outcome),
        Some(status) => bail!("a body that never arrived was answered {status}"),
    }
}

async fn never_reading(scene: Arc<Scene>, _: usize) -> Result<String> {
    write_only(scene, &Review::next()?.body, Duration::ZERO).await
}

async fn never_reading_long(scene: Arc<Scene>, _: usize) -> Result<String> {
    write_only(scene, gomemlimit_adversarial_reviews::answered_at_length().as_bytes(), Duration::from_secs(1))
        .await
}

async fn write_only(scene: Arc<Scene>, review: &[u8], pause: Duration) -> Result<String> {
    let stream = scene.target.connect_narrow().await?;
    let request = request(review, false);
    let (_reader, mut writer) = tokio::io::split(stream);
    let started = Instant::now();
    let sending = async {
        while writer.write_all(&request).await.is_ok() {
            sleep(pause).await;
        }
    };
    match timeout(scene.deadline(), sending).await {
        Ok(()) => Ok(closed(started.elapsed())),
        Err(_) => bail!("a client that never reads is served on"),
    }
}

async fn gone(scene: Arc<Scene>, _: usize) -> Result<String> {
    let mut stream = scene.target.connect().await?;
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request).await?;
    let mut answer = [0; 1024];
    let _ = stream.read(&mut answer).await?;
    must_end(&read_to_end(&mut stream, scene.deadline()).await)
}
