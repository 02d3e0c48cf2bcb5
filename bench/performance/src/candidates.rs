//! The programs that are measured, each in a process of its own for each measurement.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use gomemlimit_bench::http::free_address;
use gomemlimit_procfs::Process;
use tempfile::TempDir;

use crate::record::{FLOOR, OURS, PEER};

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Gomemlimit,
    ControllerRuntime,
    Floor,
}

/// Where the programs are.
#[derive(Args)]
pub struct Paths {
    #[arg(long)]
    pub gomemlimit: PathBuf,
    #[arg(long)]
    pub controller_runtime: PathBuf,
    #[arg(long)]
    pub floor: PathBuf,
}

/// The programs, and what they need.
pub struct Programs {
    pub paths: Paths,
    /// With tls.crt and tls.key; what else a measurement writes goes there, too.
    pub folder: TempDir,
}

impl Programs {
    /// With the same certificate for all: ECDSA with P-256.
    pub fn new(paths: Paths, host: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned(), host.to_owned()])?;
        fs::write(folder.path().join("tls.crt"), pair.cert.pem())?;
        fs::write(folder.path().join("tls.key"), pair.signing_key.serialize_pem())?;
        Ok(Self { paths, folder })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Gomemlimit, Self::ControllerRuntime, Self::Floor];

    pub fn name(self) -> &'static str {
        match self {
            Self::Gomemlimit => OURS,
            Self::ControllerRuntime => PEER,
            Self::Floor => FLOOR,
        }
    }

    pub fn program(self, programs: &Programs) -> &Path {
        match self {
            Self::Gomemlimit => &programs.paths.gomemlimit,
            Self::ControllerRuntime => &programs.paths.controller_runtime,
            Self::Floor => &programs.paths.floor,
        }
    }
}

pub const LOOPBACK: &str = "127.0.0.1";

/// A running server, which ends with this.
pub struct Server {
    pub child: Child,
    pub address: SocketAddr,
    /// Where it answers reviews.
    pub path: String,
    /// From its start until it answered a connection.
    pub ready: Duration,
}

impl Server {
    /// Starts it on loopback; the floor answers what is in `answer`.
    pub fn start(kind: Kind, programs: &Programs, answer: &Path) -> Result<Self> {
        Self::start_on(kind, programs, answer, LOOPBACK)
    }

    /// The same where others can reach it.
    pub fn start_on(kind: Kind, programs: &Programs, answer: &Path, host: &str) -> Result<Self> {
        let address = free_address(host)?;
        let mut command = Command::new(kind.program(programs));
        let (certificate, key) = (programs.folder().join("tls.crt"), programs.folder().join("tls.key"));
        match kind {
            Kind::Gomemlimit => {
                command.args(["serve", "--listen", &address.to_string()]);
                command.args(["--admin-listen", &free_address(host)?.to_string(), "--log-format", "json"]);
                command.arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
            }
            Kind::ControllerRuntime => {
                command.args(["-host", &address.ip().to_string(), "-port", &address.port().to_string()]);
                command.arg("-certificates").arg(programs.folder());
            }
            Kind::Floor => {
                command.args(["--listen", &address.to_string()]).arg("--answer").arg(answer);
                command.arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
                if host != LOOPBACK {
                    // Others are the API server.
                    command.arg("--uid");
                }
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", kind.name()))?;
        let mut server = Self { child, address, path: "/mutate".to_owned(), ready: Duration::ZERO };
        while TcpStream::connect(address).is_err() {
            if started.elapsed() > Duration::from_secs(20) || server.child.try_wait()?.is_some() {
                bail!("{} does not listen", kind.name());
            }
            sleep(Duration::from_micros(200));
        }
        server.ready = started.elapsed();
        Ok(server)
    }

    pub fn url(&self) -> String {
        format!("https://{}{}", self.address, self.path)
    }

    pub fn process(&self) -> Process {
        Process(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
