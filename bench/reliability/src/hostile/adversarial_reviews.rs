//! JSON that costs its reader more than its sender: as large as a body may be, and of the worst shape.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail, ensure};
use gomemlimit_adversarial_reviews::AdversarialReview;
use serde_json::Value;
use tokio::time::Instant;

use super::{AttackCase, Found, Scene, request};
use crate::wire::{Ending, send_and_read};

pub fn cases() -> Vec<AttackCase> {
    vec![AttackCase::new(
        "bombs of JSON",
        "reviews of up to 7 MiB and of the worst shape, three at a time",
        run,
    )]
}

async fn run(scene: Arc<Scene>) -> Result<Found> {
    let adversarial_reviews = Arc::new(gomemlimit_adversarial_reviews::all());
    let mut found = Found::default();
    let until = Instant::now() + scene.length;
    while found.cases.is_empty() || Instant::now() < until {
        for three in adversarial_reviews.chunks(3) {
            let sent = three.iter().map(|AdversarialReview { name, body, .. }| {
                let scene = scene.clone();
                async move { (*name, send(&scene, body).await) }
            });
            for (name, ending) in futures::future::join_all(sent).await {
                let ending = ending?;
                if let Err(violation) = lawful(&ending) {
                    found.violation(format!("{name}: {violation:#}"));
                }
                found.count(described(&ending));
                found.case(name, described(&ending));
            }
        }
    }
    Ok(found)
}

async fn send(scene: &Scene, body: &str) -> Result<Ending> {
    let (stream, timeout) = (scene.target.connect().await?, scene.deadline() + Duration::from_secs(10));
    Ok(send_and_read(stream, &request(body.as_bytes(), true), timeout).await)
}

/// One answer: either it is no review, or the pod is let through, or there is no room.
fn lawful(ending: &Ending) -> Result<()> {
    match &*ending.answers() {
        [answer] if answer.status == 200 => {
            let answer: Value = serde_json::from_slice(&answer.body)?;
            let allowed = answer.pointer("/response/allowed") == Some(&Value::Bool(true));
            ensure!(allowed, "not allowed");
            Ok(())
        }
        [answer] if [400, 413, 503].contains(&answer.status) => Ok(()),
        _ => bail!(ending.outcome()),
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
