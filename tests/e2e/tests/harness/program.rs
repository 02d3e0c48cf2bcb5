//! The program on this machine, as a user of the cluster runs it.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use gomemlimit_procfs::Process;
use serde_json::Value;

use super::repository;

/// What a run came to.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub seconds: f64,
    /// Most memory that was resident, in KiB; as seen until shortly before its end.
    pub peak: u64,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: exit {}\n{}{}", self.code, self.stdout, self.stderr))
    }
}

/// `GOMEMLIMIT_PROGRAM`, or what `cargo build` made.
pub fn program() -> PathBuf {
    let built = repository().join("target/debug/gomemlimit");
    let program = env::var_os("GOMEMLIMIT_PROGRAM").map_or(built, PathBuf::from);
    assert!(program.is_file(), "{} is not there: cargo build, or set GOMEMLIMIT_PROGRAM", program.display());
    program
}

/// Runs `gomemlimit` with the cluster of `KUBECONFIG`.
pub fn gomemlimit(arguments: &[&str]) -> Ran {
    gomemlimit_with(arguments, None)
}

/// The same with another kubeconfig.
pub fn gomemlimit_with(arguments: &[&str], kubeconfig: Option<&Path>) -> Ran {
    let mut command = Command::new(program());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(kubeconfig) = kubeconfig {
        command.env("KUBECONFIG", kubeconfig);
    }
    let started = Instant::now();
    let child = command.spawn().unwrap();
    let process = Process(child.id());
    let watch = std::thread::spawn(move || {
        let mut peak = 0;
        // A zombie has no such line any more.
        while let Ok(now) = process.status("VmHWM") {
            peak = now;
            sleep(Duration::from_millis(2));
        }
        peak
    });
    let output = child.wait_with_output().unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
        seconds,
        peak: watch.join().unwrap(),
    }
}
