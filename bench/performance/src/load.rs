//! Load by programs that others know: wrk as fast as it goes, vegeta at a rate.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::candidates::Server;

/// What wrk's script prints.
#[derive(Deserialize)]
pub struct Wrk {
    pub requests: u64,
    pub microseconds: u64,
    pub p50: f64,
    pub p99: f64,
    pub errors: u64,
}

/// Prints its figures as JSON, so that nothing has to be read from a table.
const SCRIPT: &str = r#"
local file = io.open(os.getenv("REVIEW"), "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
if os.getenv("KEEP_ALIVE") == "false" then wrk.headers["Connection"] = "close" end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('\nJSON {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"errors":%d}\n', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"#;

/// So many connections, each with its next request when it has its answer.
pub fn wrk(
    server: &Server,
    review: &Path,
    connections: u32,
    keep_alive: bool,
    seconds: u32,
    folder: &Path,
) -> Result<Wrk> {
    let script = folder.join("review.lua");
    std::fs::write(&script, SCRIPT)?;
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "--timeout", "10s", "-s"])
        .arg(&script)
        .arg(server.url())
        .env("REVIEW", review)
        .env("KEEP_ALIVE", keep_alive.to_string())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let json = text.lines().find_map(|line| line.strip_prefix("JSON "));
    Ok(serde_json::from_str(json.with_context(|| format!("wrk printed no figures: {text}"))?)?)
}

/// What `vegeta report` prints.
#[derive(Deserialize)]
pub struct Vegeta {
    pub latencies: Latencies,
    pub requests: u64,
    pub success: f64,
}

/// Nanoseconds.
#[derive(Deserialize)]
pub struct Latencies {
    #[serde(rename = "50th")]
    pub p50: f64,
    #[serde(rename = "99th")]
    pub p99: f64,
}

/// Requests at a rate, on connections that are kept.
pub fn vegeta(server: &Server, review: &Path, rate: u32, seconds: u32, folder: &Path) -> Result<Vegeta> {
    let results = folder.join("vegeta.bin");
    let targets = folder.join("targets.txt");
    let target = format!("POST {}\nContent-Type: application/json\n@{}\n", server.url(), review.display());
    std::fs::write(&targets, target)?;
    let attack = Command::new("vegeta")
        .args([
            "attack",
            "-insecure",
            &format!("-rate={rate}/1s"),
            &format!("-duration={seconds}s"),
            "-timeout=10s",
        ])
        .arg("-targets")
        .arg(&targets)
        .arg("-output")
        .arg(&results)
        .status()
        .context("cannot start vegeta")?;
    ensure!(attack.success(), "vegeta attack: {attack}");
    let report = Command::new("vegeta").args(["report", "-type=json"]).arg(&results).output()?;
    serde_json::from_slice(&report.stdout).context("vegeta printed no report")
}

/// The answer to one review.
pub fn answer(server: &Server, review: &Path) -> Result<Vec<u8>> {
    let output = Command::new("curl")
        .args(["-sSk", "--max-time", "10", "-H", "Content-Type: application/json", "--data-binary"])
        .arg(format!("@{}", review.display()))
        .arg(server.url())
        .output()
        .context("cannot start curl")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}
