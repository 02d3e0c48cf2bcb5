//! Bodies that are larger than any review, and ones that break off.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail};
use tokio::{io::AsyncWriteExt, time::sleep};

use super::{AttackCase, HEAD, Scene, head, request};
use crate::wire::{Ending, read_to_end, send_and_read, trickle};

const MIB: usize = 1 << 20;

pub fn cases() -> Vec<AttackCase> {
    vec![
        AttackCase::crowd("too large, announced", "20 send 8 MiB with their length", 20, announced),
        AttackCase::crowd(
            "too large, in chunks",
            "20 send chunk after chunk without end",
            20,
            endless_chunks,
        ),
        AttackCase::crowd(
            "much announced, nothing sent",
            "50 announce 8 EiB and send a byte every 100 ms",
            50,
            only_announced,
        ),
        AttackCase::crowd(
            "reset half-way",
            "50 send half of 1 MiB and reset the connection, over and over",
            50,
            reset,
        ),
        AttackCase {
            large_promised: true,
            ..AttackCase::crowd(
                "48 places of bodies",
                "48 send 17 KB of an announced 255 KiB, and then a byte every 100 ms",
                48,
                holding,
            )
        },
        AttackCase {
            large_promised: true,
            ..AttackCase::crowd("150 places of bodies", "150 do the same", 150, holding)
        },
    ]
}

/// Where there is an answer, it says that the body is too large, or that there is no room to find out.
fn too_large(ending: &Ending) -> Result<String> {
    let statuses: Vec<u16> = ending.answers().iter().map(|answer| answer.status).collect();
    match *statuses {
        [] | [413 | 503] if ending.closed => Ok(ending.outcome()),
        _ => bail!("a body that is too large: {}", ending.outcome()),
    }
}

async fn announced(scene: Arc<Scene>, _: usize) -> Result<String> {
    let stream = scene.target.connect().await?;
    too_large(&send_and_read(stream, &request(&vec![b' '; 8 * MIB], true), scene.deadline()).await)
}

async fn endless_chunks(scene: Arc<Scene>, _: usize) -> Result<String> {
    let stream = scene.target.connect().await?;
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
    let reading = read_to_end(&mut reader, scene.deadline());
    too_large(&tokio::join!(reading, sending).0)
}

async fn only_announced(scene: Arc<Scene>, _: usize) -> Result<String> {
    let mut stream = scene.target.connect().await?;
    stream.write_all(head(1 << 63).as_bytes()).await?;
    too_large(&trickle(stream, std::iter::repeat(b' '), scene.deadline()).await)
}

async fn reset(scene: Arc<Scene>, _: usize) -> Result<String> {
    let mut stream = scene.target.connect().await?;
    let half = [head(MIB).as_bytes(), &vec![b' '; MIB / 2]].concat();
    stream.write_all(&half).await?;
    stream.get_ref().0.set_zero_linger()?;
    drop(stream);
    // A few thousand a second would be about the processor and not about resets.
    sleep(Duration::from_millis(100)).await;
    Ok("gone by their own reset".to_owned())
}

/// Sends as much of a body as has a place in the budget, and then hardly anything.
async fn holding(scene: Arc<Scene>, _: usize) -> Result<String> {
    let mut stream = scene.target.connect().await?;
    let begun = [head(255 << 10).as_bytes(), &vec![b' '; 17_000]].concat();
    stream.write_all(&begun).await?;
    let ending = trickle(stream, std::iter::repeat(b' '), scene.deadline()).await;
    match ending.answers().first().map(|answer| answer.status) {
        None | Some(408 | 503) if ending.closed => Ok("closed".to_owned()),
        _ => bail!("a body that never arrived: {}", ending.outcome()),
    }
}
