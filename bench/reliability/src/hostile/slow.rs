//! Clients that say little, slowly, or nothing.

use std::{iter, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Duration, Instant, sleep, timeout},
};

use super::{AttackCase, HEAD, Scene, crowd, hello};
use crate::{
    review::Review,
    wire::{Ending, closed, read_to_end, send_and_read, trickle},
};

/// As many as make a difference, and fewer than there are places.
const CLIENTS: usize = 200;

pub fn cases() -> Vec<AttackCase> {
    vec![
        AttackCase::new("silent after TCP", "200 connect and say nothing", |scene| {
            Box::pin(async move { crowd(&scene, CLIENTS, |scene, _| silent_after_tcp(scene)).await })
        }),
        AttackCase::new("slow handshake", "200 send their ClientHello a byte every 100 ms", |scene| {
            Box::pin(async move { crowd(&scene, CLIENTS, |scene, _| slow_hello(scene)).await })
        }),
        AttackCase {
            flags: &["--idle-timeout", "2s"],
            ..AttackCase::new(
                "silent after TLS",
                "200 finish the handshake and say nothing; idle timeout 2 s",
                |scene| {
                    Box::pin(async move { crowd(&scene, CLIENTS, |scene, _| silent_after_tls(scene)).await })
                },
            )
        },
        AttackCase::new("slow head", "200 send a head without end, a byte every 100 ms", |scene| {
            Box::pin(async move { crowd(&scene, CLIENTS, |scene, _| slow_head(scene)).await })
        }),
        AttackCase::new("slow body", "200 announce 7 MiB or 200 KiB and send a byte every 100 ms", |scene| {
            Box::pin(async move { crowd(&scene, CLIENTS, slow_body).await })
        }),
        AttackCase {
            large_promised: true,
            ..AttackCase::new("stalled body", "100 announce 201 KiB, send 200 KiB and no more", |scene| {
                Box::pin(async move { crowd(&scene, 100, |scene, _| stalled_body(scene)).await })
            })
        },
        AttackCase::new("never reading", "50 send reviews without end and never read an answer", |scene| {
            Box::pin(async move {
                crowd(&scene, 50, |scene, _| async move {
                    let review = Review::next().map_err(|error| error.to_string())?;
                    never_reading(scene, &review.body, Duration::ZERO).await
                })
                .await
            })
        }),
        AttackCase::new(
            "never reading what is long",
            "200 send a review of 1,000 containers every second and never read an answer, which has 400 KiB",
            |scene| {
                Box::pin(async move { crowd(&scene, CLIENTS, |scene, _| never_reading_long(scene)).await })
            },
        ),
        AttackCase {
            flags: &["--idle-timeout", "2s"],
            ..AttackCase::new(
                "gone without a word",
                "200 have one request answered and are never heard of again; idle timeout 2 s",
                |scene| Box::pin(async move { crowd(&scene, CLIENTS, |scene, _| gone(scene)).await }),
            )
        },
    ]
}

/// A client of this kind has to be closed in the end.
fn must_end(ending: &Ending) -> Result<String, String> {
    if ending.closed {
        Ok(ending.outcome())
    } else {
        Err(format!("not closed after {:.0} s", ending.after.as_secs_f64()))
    }
}

async fn silent_after_tcp(scene: Arc<Scene>) -> Result<String, String> {
    let mut stream = scene.target.tcp().await.map_err(|error| error.to_string())?;
    must_end(&read_to_end(&mut stream, scene.patience()).await)
}

async fn slow_hello(scene: Arc<Scene>) -> Result<String, String> {
    let stream = scene.target.tcp().await.map_err(|error| error.to_string())?;
    let hello = hello::client_hello(0x0303, &hello::OLD_SUITES, &[]);
    must_end(&trickle(stream, hello::record(22, 0x0301, &hello).into_iter(), scene.patience()).await)
}

async fn silent_after_tls(scene: Arc<Scene>) -> Result<String, String> {
    let mut stream = scene.target.connect().await.map_err(|error| format!("{error:#}"))?;
    must_end(&read_to_end(&mut stream, scene.patience()).await)
}

async fn slow_head(scene: Arc<Scene>) -> Result<String, String> {
    let stream = scene.target.connect().await.map_err(|error| format!("{error:#}"))?;
    let head = b"POST /mutate HTTP/1.1\r\nHost: localhost\r\nX-Filler: ".iter().copied();
    must_end(&trickle(stream, head.chain(iter::repeat(b'x')), scene.patience()).await)
}

async fn slow_body(scene: Arc<Scene>, number: usize) -> Result<String, String> {
    let length = if number.is_multiple_of(2) { 7 << 20 } else { 200 << 10 };
    let mut stream = scene.target.connect().await.map_err(|error| format!("{error:#}"))?;
    let head = format!("{HEAD}Content-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.map_err(|error| error.to_string())?;
    never_whole(&trickle(stream, iter::repeat(b' '), scene.patience()).await)
}

async fn stalled_body(scene: Arc<Scene>) -> Result<String, String> {
    let stream = scene.target.connect().await.map_err(|error| format!("{error:#}"))?;
    let head = format!("{HEAD}Content-Length: {}\r\n\r\n", 201 << 10);
    let most = [head.as_bytes(), &vec![b' '; 200 << 10]].concat();
    never_whole(&send_and_read(stream, &most, scene.patience()).await)
}

/// What becomes of a body that never arrives as a whole.
fn never_whole(ending: &Ending) -> Result<String, String> {
    let outcome = must_end(ending)?;
    // 503 where the budget is used up by others.
    match ending.answers().first().map(|answer| answer.status) {
        None | Some(408 | 503) => Ok(outcome),
        Some(status) => Err(format!("a body that never arrived was answered {status}")),
    }
}

async fn never_reading_long(scene: Arc<Scene>) -> Result<String, String> {
    never_reading(
        scene,
        gomemlimit_adversarial_reviews::answered_at_length().as_bytes(),
        Duration::from_secs(1),
    )
    .await
}

async fn never_reading(scene: Arc<Scene>, review: &[u8], pause: Duration) -> Result<String, String> {
    let stream = scene.target.connect_narrow().await.map_err(|error| format!("{error:#}"))?;
    let head = format!("{HEAD}Content-Length: {}\r\n\r\n", review.len());
    let request = [head.as_bytes(), review].concat();
    let (_reader, mut writer) = tokio::io::split(stream);
    let started = Instant::now();
    let sending = async {
        while writer.write_all(&request).await.is_ok() {
            sleep(pause).await;
        }
    };
    match timeout(scene.patience(), sending).await {
        Ok(()) => Ok(closed(started.elapsed())),
        Err(_) => Err("a client that never reads is served on".to_owned()),
    }
}

async fn gone(scene: Arc<Scene>) -> Result<String, String> {
    let mut stream = scene.target.connect().await.map_err(|error| format!("{error:#}"))?;
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request).await.map_err(|error| error.to_string())?;
    let mut answer = [0; 1024];
    stream.read(&mut answer).await.map_err(|error| error.to_string())?;
    must_end(&read_to_end(&mut stream, scene.patience()).await)
}
