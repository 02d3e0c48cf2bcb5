//! JSON that costs its reader more than its sender: as large as a body may be, and of the worst shape.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use gomemlimit_reliability::process::Case;
use serde_json::Value;
use tokio::time::Instant;

use super::{Found, Plan, Scene};
use crate::wire::{Ending, exchange};

/// Of the repeated part of a body.
const BYTES: usize = 6 << 20;

pub fn plans() -> Vec<Plan> {
    vec![Plan::new(
        "bombs of JSON",
        "reviews of up to 7 MiB and of the worst shape, three at a time",
        |scene| Box::pin(run(scene)),
    )]
}

fn around(object: &str) -> String {
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"1","kind":{{"group":"","version":"v1","kind":"Pod"}},"namespace":"shop","operation":"CREATE","object":{object}}}}}"#
    )
}

fn pod(container: &str) -> String {
    around(&format!(r#"{{"spec":{{"containers":[{{"name":"a",{container}}}]}}}}"#))
}

fn list(element: &str) -> String {
    let count = BYTES / (element.len() + 1);
    format!("[{}{element}]", format!("{element},").repeat(count))
}

fn bombs() -> Vec<(&'static str, String)> {
    let deep = |open: &str, close: &str, times| open.repeat(times) + "1" + &close.repeat(times);
    let keys: Vec<String> = (0..200_000).map(|n| format!(r#""gomemlimit.dev/{n}":"x","#)).collect();
    let keys = keys.concat();
    let escaped = r"\u0000".repeat(BYTES / 6);
    let same_keys = r#""memory":"1Gi","#.repeat(BYTES / 15);
    let containers = list(r#"{"name":"a","resources":{"limits":{"memory":"1Gi"}}}"#);
    vec![
        ("100,000 arrays inside each other", around(&deep("[", "]", 100_000))),
        ("100,000 objects inside each other", around(&deep(r#"{"a":"#, "}", 100_000))),
        ("3,000,000 arrays that never end", "[".repeat(3_000_000)),
        ("nesting in a field that nobody reads", pod(&format!(r#""x":{}"#, deep("[", "]", 100_000)))),
        ("120,000 containers", around(&format!(r#"{{"spec":{{"containers":{containers}}}}}"#))),
        ("300,000 entries of env", pod(&format!(r#""env":{}"#, list(r#"{"name":"GOMEMLIMIT"}"#)))),
        ("2,000,000 empty entries of envFrom", pod(&format!(r#""envFrom":{}"#, list("{}")))),
        (
            "200,000 annotations under our prefix",
            around(&format!(r#"{{"metadata":{{"annotations":{{{keys}"a":"b"}}}}}}"#)),
        ),
        ("1,000,000 escapes in a name", around(&format!(r#"{{"metadata":{{"name":"{escaped}"}}}}"#))),
        (
            "1,000,000 escapes in the status annotation",
            around(&format!(r#"{{"metadata":{{"annotations":{{"gomemlimit.dev/status":"{escaped}"}}}}}}"#)),
        ),
        ("a number of 6,000,000 digits", around(&format!(r#"{{"a":{}}}"#, "9".repeat(BYTES)))),
        (
            "a memory limit of 6,000,000 digits",
            pod(&format!(r#""resources":{{"limits":{{"memory":"{}"}}}}"#, "9".repeat(BYTES))),
        ),
        ("a memory limit of 1e999999999", pod(r#""resources":{"limits":{"memory":"1e999999999"}}"#)),
        (
            "the same key 400,000 times",
            pod(&format!(r#""resources":{{"limits":{{{same_keys}"memory":"1Gi"}}}}"#)),
        ),
        ("6 MiB of blanks", format!("{}{}", " ".repeat(BYTES), "{}")),
        (
            "a uid of 6 MiB",
            around("{}").replacen(r#""uid":"1""#, &format!(r#""uid":"{}""#, "u".repeat(BYTES)), 1),
        ),
    ]
}

async fn run(scene: Arc<Scene>) -> Result<Found> {
    let bombs = Arc::new(bombs());
    let mut found = Found::default();
    let until = Instant::now() + scene.length;
    while found.cases.is_empty() || Instant::now() < until {
        let first = found.cases.is_empty();
        for three in bombs.chunks(3) {
            let sent = three.iter().map(|(name, body)| {
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
    let head = format!(
        "POST /mutate HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let stream = scene.target.connect().await?;
    Ok(exchange(
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
