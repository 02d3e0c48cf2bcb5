//! Files that are small and take much: a policy of patterns.

use std::{fmt::Write, fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use gomemlimit_reliability::process::{Attack, Unit};
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::judged;
use crate::{
    client::Target,
    hostile,
    program::{Log, Program},
    trust::{Authority, Mount},
    wire::send_and_read,
};

/// What the chart gives the liveness probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

pub async fn run(binary: &Path, attack: &str) -> Result<Vec<Attack>> {
    let mut rows = Vec::new();
    let name = "a slow policy file";
    if name.contains(attack) {
        let text = "a policy file of 1,800 patterns that nearly fit, and reviews of images with 4 KiB: how long `/livez` takes";
        let bound = PROBE_TIMEOUT.as_millis() as u64;
        rows.push(judged(name, text, Unit::Milliseconds, bound, slow_policy(binary).await?));
    }
    Ok(rows)
}

/// The longest time that `/livez` took while reviews met the patterns.
async fn slow_policy(binary: &Path) -> Result<u64> {
    let (authority, folder) = (Authority::new()?, tempfile::tempdir()?);
    let (mount, file) = (Mount::new(&authority)?, folder.path().join("policy.yaml"));
    fs::write(&file, "rules: []\n")?;
    let path = file.to_str().context("a path that is no text")?.to_owned();
    let flags = ["--policy-file".to_owned(), path, "--policy-poll".to_owned(), "200ms".to_owned()];
    let program = Program::start(binary, &mount, &flags, None, Log::ReaderGone).await?;
    let mut rules = "rules:\n".to_owned();
    let pattern = format!("*{}?{}b", "a".repeat(255), "a".repeat(200));
    for number in 0..450 {
        let images = [&*format!("\"{pattern}\""); 4].join(", ");
        let _ = writeln!(rules, "- {{name: r{number}, match: {{images: [{images}]}}, set: {{mode: 'off'}}}}");
    }
    fs::write(&file, rules)?;
    // Until it has been looked at; it is either taken or refused.
    sleep(Duration::from_secs(2)).await;
    let target = Target { address: program.address, tls: authority.client()? };
    let mut reviews = JoinSet::new();
    for _ in 0..4 {
        let target = target.clone();
        reviews.spawn(async move {
            let stream = target.connect().await?;
            send_and_read(stream, &review_of_long_images(), Duration::from_secs(20)).await;
            Ok::<_, anyhow::Error>(())
        });
    }
    let mut longest = Duration::ZERO;
    for _ in 0..10 {
        let asked = Instant::now();
        let _ = timeout(PROBE_TIMEOUT * 2, program.livez()).await;
        longest = longest.max(asked.elapsed());
        sleep(Duration::from_millis(50)).await;
    }
    reviews.abort_all();
    Ok(longest.as_millis() as u64)
}

fn review_of_long_images() -> Vec<u8> {
    let container = json!({
        "name": "c", "image": "a".repeat(4096), "resources": {"limits": {"memory": "1Gi"}},
    });
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [container]}});
    let request = json!({
        "uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "namespace": "shop",
        "operation": "CREATE", "object": pod,
    });
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    hostile::request(review.to_string().as_bytes(), true)
}
