//! JSON that costs its reader more than its sender: as large as a body may be, and of the worst shape.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use gomemlimit_adversarial_reviews::Bomb;
use gomemlimit_reliability::process::Case;
use serde_json::Value;
use tokio::time::Instant;

use super::{AttackCase, Found, HEAD, Scene};
use crate::wire::{Ending, send_and_read};

pub fn cases() -> Vec<AttackCase> {
    vec![AttackCase::new(
        "bombs of JSON",
        "reviews of up to 7 MiB and of the worst shape, three at a time",
        |scene| Box::pin(run(scene)),
    )]
}

async fn run(scene: Arc<Scene>) -> Result<Found> {
    let bombs = Arc::new(gomemlimit_adversarial_reviews::all());
    let mut found = Found::default();
    let until = Instant::now() + scene.length;
    while found.cases.is_empty() || Instant::now() < until {
        let first = found.cases.is_empty();
        for three in bombs.chunks(3) {
            let sent = three.iter().map(|Bomb { name, body, .. }| {
                let scene = scene.clone();
                async move { (*name, send(&scene, body).await) }
            });
            for (name, ending) in futures::future::join_all(sent).await {
                let ending = ending?;
                if let Err(violation) = lawful(&ending) {
                    found.violation(format!("{name}: {violation}"));
                }
                found.count(described(&ending));
                if first {
                    found.cases.push(Case { name: name.to_owned(), outcome: described(&ending) });
                }
            }
        }
    }
    Ok(found)
}

async fn send(scene: &Scene, body: &str) -> Result<Ending> {
    let head = format!("{HEAD}Connection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    let stream = scene.target.connect().await?;
    Ok(send_and_read(
        stream,
        &[head.as_bytes(), body.as_bytes()].concat(),
        scene.patience() + Duration::from_secs(10),
    )
    .await)
}

/// One answer: either it is no review, or the pod is let through, or there is no room.
fn lawful(ending: &Ending) -> Result<(), String> {
    match &*ending.answers() {
        [answer] if answer.status == 200 => {
            let answer: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
            let allowed = answer.pointer("/response/allowed") == Some(&Value::Bool(true));
            if allowed { Ok(()) } else { Err("not allowed".to_owned()) }
        }
        [answer] if [400, 413, 503].contains(&answer.status) => Ok(()),
        _ => Err(ending.outcome()),
    }
}

fn described(ending: &Ending) -> String {
    match &*ending.answers() {
        [answer] if answer.status == 200 => {
            let patched = String::from_utf8_lossy(&answer.body).contains(r#""patch""#);
            if patched { "let through with a patch" } else { "let through unchanged" }.to_owned()
        }
        [answer] => format!("answered {}", answer.status),
        _ => ending.outcome(),
    }
}
