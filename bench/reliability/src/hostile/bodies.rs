//! Bodies that are larger than any review, and ones that break off.

use std::{sync::Arc, time::Duration};

use tokio::{io::AsyncWriteExt, time::sleep};

use super::{AttackCase, HEAD, Scene, crowd};
use crate::wire::{Ending, send_and_read, trickle};

const MIB: usize = 1 << 20;

pub fn cases() -> Vec<AttackCase> {
    vec![
        AttackCase::new("too large, announced", "20 send 8 MiB with their length", |scene| {
            Box::pin(async move { crowd(&scene, 20, |scene, _| announced(scene)).await })
        }),
        AttackCase::new("too large, in chunks", "20 send chunk after chunk without end", |scene| {
            Box::pin(async move { crowd(&scene, 20, |scene, _| endless_chunks(scene)).await })
        }),
        AttackCase::new(
            "much announced, nothing sent",
            "50 announce 8 EiB and send a byte every 100 ms",
            |scene| Box::pin(async move { crowd(&scene, 50, |scene, _| only_announced(scene)).await }),
        ),
        AttackCase::new(
            "reset half-way",
            "50 send half of 1 MiB and reset the connection, over and over",
            |scene| Box::pin(async move { crowd(&scene, 50, |scene, _| reset(scene)).await }),
        ),
        AttackCase {
            large_promised: true,
            ..AttackCase::new(
                "48 places of bodies",
                "48 send 17 KB of an announced 255 KiB, and then a byte every 100 ms",
                |scene| Box::pin(async move { crowd(&scene, 48, |scene, _| holding(scene)).await }),
            )
        },
        AttackCase {
            large_promised: true,
            ..AttackCase::new("150 places of bodies", "150 do the same", |scene| {
                Box::pin(async move { crowd(&scene, 150, |scene, _| holding(scene)).await })
            })
        },
    ]
}

/// Where there is an answer, it says that the body is too large, or that there is no room to find out.
fn too_large(ending: &Ending) -> Result<String, String> {
    let statuses: Vec<u16> = ending.answers().iter().map(|answer| answer.status).collect();
    match *statuses {
        [] | [413 | 503] if ending.closed => Ok(ending.outcome()),
        _ => Err(format!("a body that is too large: {}", ending.outcome())),
    }
}

async fn announced(scene: Arc<Scene>) -> Result<String, String> {
    let stream = scene.target.connect().await.map_err(|error| format!("{error:#}"))?;
    let head = format!("{HEAD}Connection: close\r\nContent-Length: {}\r\n\r\n", 8 * MIB);
    let request = [head.as_bytes(), &vec![b' '; 8 * MIB]].concat();
    too_large(&send_and_read(stream, &request, scene.patience()).await)
}

async fn endless_chunks(scene: Arc<Scene>) -> Result<String, String> {
    let stream = scene.target.connect().await.map_err(|error| format!("{error:#}"))?;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let chunk = [b"100000\r\n".as_slice(), &vec![b' '; MIB], b"\r\n"].concat();
    let sending = async {
        let head = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
        if writer.write_all(head.as_bytes()).await.is_ok() {
            while writer.write_all(&chunk).await.is_ok() {
                // Ten a second of each client: the point is the length, not the rate.
                sleep(Duration::from_millis(100)).await;
            }
        }
    };
    let reading = crate::wire::read_to_end(&mut reader, scene.patience());
    too_large(&tokio::join!(reading, sending).0)
}

async fn only_announced(scene: Arc<Scene>) -> Result<String, String> {
    let stream = scene.target.connect().await.map_err(|error| format!("{error:#}"))?;
    let head = format!("{HEAD}Content-Length: {}\r\n\r\n", 1_u64 << 63);
    let mut stream = stream;
    stream.write_all(head.as_bytes()).await.map_err(|error| error.to_string())?;
    too_large(&trickle(stream, std::iter::repeat(b' '), scene.patience()).await)
}

async fn reset(scene: Arc<Scene>) -> Result<String, String> {
    let mut stream = scene.target.connect().await.map_err(|error| format!("{error:#}"))?;
    let head = format!("{HEAD}Content-Length: {MIB}\r\n\r\n");
    let half = [head.as_bytes(), &vec![b' '; MIB / 2]].concat();
    stream.write_all(&half).await.map_err(|error| error.to_string())?;
    stream.get_ref().0.set_zero_linger().map_err(|error| error.to_string())?;
    drop(stream);
    // A few thousand a second would be about the processor and not about resets.
    sleep(Duration::from_millis(100)).await;
    Ok("gone by their own reset".to_owned())
}

/// Sends as much of a body as has a place in the budget, and then hardly anything.
async fn holding(scene: Arc<Scene>) -> Result<String, String> {
    let mut stream = scene.target.connect().await.map_err(|error| format!("{error:#}"))?;
    let head = format!("{HEAD}Content-Length: {}\r\n\r\n", 255 << 10);
    let begun = [head.as_bytes(), &vec![b' '; 17_000]].concat();
    stream.write_all(&begun).await.map_err(|error| error.to_string())?;
    let ending = trickle(stream, std::iter::repeat(b' '), scene.patience()).await;
    match ending.answers().first().map(|answer| answer.status) {
        None | Some(408 | 503) if ending.closed => Ok("closed".to_owned()),
        _ => Err(format!("a body that never arrived: {}", ending.outcome())),
    }
}
