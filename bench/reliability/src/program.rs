//! The real program as a process, with the figures of the kernel and its own metrics.

use std::{
    ffi::OsString,
    io::{PipeReader, pipe},
    net::SocketAddr,
    path::Path,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use gomemlimit_bench::http::{free_address, get, metric};
use gomemlimit_fake_api_server::{CONFIGURATION, NAMESPACE, SECRET};
use gomemlimit_procfs::Process;
use gomemlimit_reliability::process::Sample;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::trust::Mount;

/// How long the process may take to become again what it was. Threads for blocking work leave after ten idle seconds.
const SETTLE: Duration = Duration::from_secs(25);

/// Where the program listens.
pub const LOOPBACK: &str = "127.0.0.1";

/// Who reads the program's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// Who started this; there are errors only.
    Read,
    /// Nobody, although it could be read.
    Unread,
    /// Nobody any more.
    ReaderGone,
}

/// A running `gomemlimit serve`, which ends with this.
pub struct Program {
    child: Child,
    /// Never read.
    _log: Option<PipeReader>,
    process: Process,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    started: Instant,
}

impl Program {
    /// Starts it on loopback with certificates of `mount`, with at most this number of file descriptors.
    pub async fn start(
        binary: &Path,
        mount: &Mount,
        flags: &[String],
        file_descriptors: Option<u32>,
        log: Log,
    ) -> Result<Self> {
        let files: [OsString; 4] =
            ["--tls-cert".into(), mount.certificate().into(), "--tls-key".into(), mount.key().into()];
        let arguments = files.into_iter().chain(flags.iter().map(Into::into));
        Self::spawn(binary, arguments, file_descriptors, log, None).await
    }

    /// Starts it with certificates that it makes itself, in the cluster of a kubeconfig.
    pub async fn start_in(binary: &Path, kubeconfig: &Path) -> Result<Self> {
        let flags = ["--tls-secret", SECRET, "--webhook-config", CONFIGURATION];
        let names = ["--service", "gomemlimit", "--namespace", NAMESPACE];
        let arguments = flags.into_iter().chain(names).map(Into::into);
        Self::spawn(binary, arguments, None, Log::Read, Some(kubeconfig)).await
    }

    /// Starts it with certificates of `mount`, and with the settings of namespaces in the cluster of a kubeconfig.
    pub async fn start_following(binary: &Path, mount: &Mount, kubeconfig: &Path) -> Result<Self> {
        let files: [OsString; 5] = [
            "--tls-cert".into(),
            mount.certificate().into(),
            "--tls-key".into(),
            mount.key().into(),
            "--namespace-settings".into(),
        ];
        Self::spawn(binary, files.into_iter(), None, Log::Read, Some(kubeconfig)).await
    }

    async fn spawn(
        binary: &Path,
        flags: impl Iterator<Item = OsString>,
        file_descriptors: Option<u32>,
        log: Log,
        kubeconfig: Option<&Path>,
    ) -> Result<Self> {
        let (address, admin) = (free_address(LOOPBACK)?, free_address(LOOPBACK)?);
        let level = if log == Log::Read { "error" } else { "info" };
        let (log, stderr) = match log {
            Log::Read => (None, Stdio::inherit()),
            Log::Unread | Log::ReaderGone => {
                let (reader, writer) = pipe()?;
                ((log == Log::Unread).then_some(reader), writer.into())
            }
        };
        let mut arguments: Vec<OsString> = ["serve", "--log-level", level, "--listen"].map(Into::into).into();
        arguments.extend([address.to_string(), "--admin-listen".into(), admin.to_string()].map(Into::into));
        arguments.extend(flags);
        let limit = file_descriptors.map_or("true".to_owned(), |most| format!("ulimit -n {most}"));
        let child = Command::new("sh")
            .args(["-c", &format!("{limit} && exec \"$0\" \"$@\"")])
            .arg(binary)
            .args(arguments)
            .envs(kubeconfig.map(|kubeconfig| ("KUBECONFIG", kubeconfig)))
            .stdin(Stdio::null())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let process = Process(child.id().context("it ended at once")?);
        let mut program = Self { child, _log: log, process, address, admin, started: Instant::now() };
        while program.readyz().await.is_err() {
            ensure!(
                program.is_alive()? && program.started.elapsed() < SETTLE,
                "the program does not get ready"
            );
            sleep(Duration::from_millis(10)).await;
        }
        Ok(program)
    }

    pub fn is_alive(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Log lines that nobody will read.
    pub async fn dropped_lines(&self) -> Result<u64> {
        Ok(metric(&self.get("/metrics").await?, "gomemlimit_log_lines_dropped_total")? as u64)
    }

    /// Whether both probes are answered with 200.
    pub async fn probe(&self) -> Result<()> {
        self.get("/livez").await?;
        self.readyz().await.map(drop)
    }

    /// Ends it by SIGTERM: how long that took.
    pub async fn terminate(&mut self) -> Result<Duration> {
        let started = Instant::now();
        // The shell's own `kill`: not every machine has a program of that name.
        let kill = format!("kill -TERM {}", self.process.0);
        ensure!(Command::new("sh").args(["-c", &kill]).status().await?.success(), "{kill} failed");
        let ended = timeout(SETTLE, self.child.wait()).await.context("still running after SIGTERM")??;
        ensure!(ended.success(), "{ended} after SIGTERM");
        Ok(started.elapsed())
    }

    /// Processor time that it has used.
    pub fn cpu_time(&self) -> Result<Duration> {
        Ok(self.process.cpu()?.all())
    }

    /// The same in seconds.
    pub fn cpu(&self) -> Result<f64> {
        Ok(self.cpu_time()?.as_secs_f64())
    }

    /// The most resident memory so far.
    pub fn peak_kib(&self) -> Result<u64> {
        Ok(self.process.status("VmHWM")?)
    }

    /// What it is now; `since` is when the clock of samples began.
    pub async fn sample(&self, since: Instant) -> Result<Sample> {
        let metrics = self.get("/metrics").await?;
        Ok(Sample {
            seconds: since.elapsed().as_secs_f64(),
            resident_kib: self.process.status("VmRSS")?,
            threads: self.process.status("Threads")?,
            file_descriptors: self.process.file_descriptors()? as u64,
            connections: metric(&metrics, "gomemlimit_connections")? as u64,
            body_bytes: metric(&metrics, "gomemlimit_bodies_in_flight_bytes")? as u64,
        })
    }

    /// Waits until it is again what it was before, and says what it came to.
    pub async fn settle(&self, before: &Sample, threads: bool) -> Result<Sample> {
        let started = Instant::now();
        loop {
            let now = self.sample(self.started).await;
            if now.as_ref().is_ok_and(|now| leftovers(before, now, threads).is_empty())
                || started.elapsed() > SETTLE
            {
                return now;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Its own report; an error if it is not ready.
    pub async fn readyz(&self) -> Result<String> {
        self.get("/readyz").await
    }

    /// Whether /livez reports that it is alive.
    pub async fn livez(&self) -> Result<String> {
        self.get("/livez").await
    }

    /// The body of a path on the second port.
    async fn get(&self, path: &str) -> Result<String> {
        let answer = timeout(Duration::from_secs(5), get(self.admin, path));
        answer.await.context("the second port is silent")?
    }
}

/// What is left of clients that are gone, in words.
pub fn leftovers(before: &Sample, after: &Sample, threads: bool) -> Vec<String> {
    let mut left = Vec::new();
    let mut compare = |what: &str, before: u64, after: u64| {
        if after > before {
            left.push(format!("{before} {what} before, {after} after"));
        }
    };
    compare("connections", 0, after.connections);
    compare("bytes of bodies", 0, after.body_bytes);
    compare("file descriptors", before.file_descriptors, after.file_descriptors);
    if threads {
        compare("threads", before.threads, after.threads);
    }
    left
}
