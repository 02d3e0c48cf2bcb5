//! Namespaces that are as large as the API server lets them be; whoever owns one may annotate and label it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use gomemlimit_fake_api_server::{Query, Reply};
use gomemlimit_reliability::process::{Attack, Unit};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    REPLICA_KIB, TIMEOUT,
    api::{self, page},
    judged,
};
use crate::{
    program::Program,
    trust::{Authority, Mount},
};

const NAME: &str = "fat namespaces";

/// The most that the API server takes of annotations (`TotalAnnotationSizeLimitB` in apimachinery).
const ANNOTATIONS: usize = 256 << 10;

/// What etcd takes of an object with everything in it.
const OBJECT: usize = 3 << 19;

fn namespace(number: usize, version: usize, size: usize) -> String {
    let annotations = json!({
        "gomemlimit.dev/ratio": format!("0.{}", 5 + version % 4),
        "other.example/note": "x".repeat(size.min(ANNOTATIONS)),
    });
    let labels = json!({"other.example/label": "x".repeat(size - size.min(ANNOTATIONS))});
    let metadata = json!({"name": format!("team-{number}"), "resourceVersion": "7", "annotations": annotations, "labels": labels});
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}).to_string()
}

/// Lists `count` namespaces. The first watch expires at once, and the second has `events` events.
fn answer(query: &Query, (count, size): (usize, usize), events: usize, watches: &AtomicUsize) -> Reply {
    if !query.contains_key("watch") {
        return page(query, count, |number| namespace(number, 0, size));
    }
    let watch = watches.fetch_add(1, Ordering::SeqCst);
    if watch > 0 {
        let event = move |number: usize| {
            format!(
                "{{\"type\":\"MODIFIED\",\"object\":{}}}\n",
                namespace(number % count, number / count + 1, size)
            )
        };
        return Reply::Chunks(Box::new((0..events).map(event)));
    }
    let status =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410});
    Reply::Chunks(Box::new(std::iter::once(format!("{}\n", json!({"type": "ERROR", "object": status})))))
}

pub async fn run(binary: &Path, attack: &str) -> Result<Vec<Attack>> {
    let all = [
        (
            NAME,
            "500 namespaces with 256 KiB of annotations: listed, listed again, and 1,000 events of them",
            500,
            ANNOTATIONS,
        ),
        (
            "namespaces as large as etcd takes",
            "50 namespaces with 1.5 MiB of annotations and labels, likewise",
            50,
            OBJECT,
        ),
    ];
    let rows =
        all.into_iter().filter(|(name, ..)| name.contains(attack)).map(async |(name, text, count, size)| {
            let peak = follow(binary, count, size).await?;
            Ok(judged(name, text, Unit::Kib, REPLICA_KIB, peak))
        });
    try_join_all(rows).await
}

/// The most memory of a replica that follows them.
async fn follow(binary: &Path, count: usize, size: usize) -> Result<u64> {
    let watches = Arc::new(AtomicUsize::new(0));
    let (done, seen) = (Arc::new(AtomicUsize::new(0)), watches.clone());
    let kubeconfig = {
        let done = done.clone();
        api::start(move |head| match answer(&head.parameters(), (count, size), 2 * count, &seen) {
            Reply::Chunks(lines) if seen.load(Ordering::SeqCst) > 1 => {
                let done = done.clone();
                Reply::Chunks(Box::new(lines.inspect(move |_| {
                    done.fetch_add(1, Ordering::SeqCst);
                })))
            }
            reply => reply,
        })
    };
    let mount = Mount::new(&Authority::new()?)?;
    let program = Program::start_following(binary, &mount, kubeconfig.path()).await?;
    let started = Instant::now();
    while done.load(Ordering::SeqCst) < 2 * count {
        ensure!(started.elapsed() < TIMEOUT * 2, "the namespaces are not followed any more");
        sleep(Duration::from_millis(20)).await;
    }
    // The last of them is on its way.
    sleep(Duration::from_millis(300)).await;
    program.probe().await?;
    program.peak_kib()
}
