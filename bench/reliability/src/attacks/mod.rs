//! Attacks that work by what somebody writes and not by connections: objects, files, answers. Each has a bound.

mod api;
mod coverage;
mod files;
mod namespaces;

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use gomemlimit_procfs::Process;
use gomemlimit_reliability::process::{Attack, Unit};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
    try_join,
};

/// What the chart gives a replica, and the pod that audits: `resources.limits.memory`, in KiB.
pub const REPLICA_KIB: u64 = 96 << 10;
const COVERAGE_KIB: u64 = 128 << 10;

/// What a command may take that somebody runs by hand or in a build, in KiB.
const COMMAND_KIB: u64 = 256 << 10;

/// Virtual memory that a command gets, in KiB, so that one without a bound does not take the machine down.
const VIRTUAL_KIB: u64 = 4 << 20;

/// How long a command may take before it is taken for one that never ends.
const TIMEOUT: Duration = Duration::from_secs(20);

pub async fn run(binary: &Path, attack: &str) -> Result<Vec<Attack>> {
    // At the same time: most of them are about memory.
    let (namespaces, coverage, files) = try_join!(
        namespaces::run(binary, attack),
        coverage::run(binary, attack),
        files::run(binary, attack)
    )?;
    let all: Vec<_> = namespaces.into_iter().chain(coverage).chain(files).collect();
    for attack in &all {
        println!("{}: {}", attack.name, if attack.violations.is_empty() { "ok" } else { "FAILED" });
    }
    Ok(all)
}

/// A row; a figure above its bound is a broken promise.
fn judged(name: &str, attack: &str, unit: Unit, bound: u64, figure: u64) -> Attack {
    let (name, attack) = (name.to_owned(), attack.to_owned());
    let violations = if figure > bound {
        vec![format!("{}, and not {} at most", unit.text(figure), unit.text(bound))]
    } else {
        Vec::new()
    };
    Attack { name, attack, unit, bound, figure, violations }
}

/// A command of the program as a process.
pub struct Run {
    child: Child,
    process: Process,
}

impl Run {
    pub fn start(binary: &Path, arguments: &[&str], kubeconfig: Option<&Path>) -> Result<Self> {
        let child = Command::new("sh")
            .args(["-c", &format!("ulimit -v {VIRTUAL_KIB} && exec \"$0\" \"$@\"")])
            .arg(binary)
            .args(arguments)
            .envs(kubeconfig.map(|kubeconfig| ("KUBECONFIG", kubeconfig)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let process = Process(child.id().context("it ended at once")?);
        Ok(Self { child, process })
    }

    /// The most resident memory so far, as long as it runs.
    pub fn peak_kib(&self) -> Option<u64> {
        self.process.status("VmHWM").ok()
    }

    /// Waits for its end: the most resident memory that was seen, and how it ended, unless it goes on.
    pub async fn end(&mut self) -> Result<(u64, Option<ExitStatus>)> {
        let (started, mut peak) = (Instant::now(), 0);
        while started.elapsed() < TIMEOUT {
            peak = self.peak_kib().unwrap_or(0).max(peak);
            if let Some(status) = self.child.try_wait()? {
                return Ok((peak, Some(status)));
            }
            sleep(Duration::from_millis(1)).await;
        }
        Ok((peak, None))
    }
}
