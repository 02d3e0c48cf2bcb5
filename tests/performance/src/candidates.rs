//! The programs that are measured, each in a process of its own for each measurement.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use gomemlimit_proc::Process;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Gomemlimit,
    ControllerRuntime,
    Floor,
}

/// Where the programs are, and what they need.
pub struct Programs {
    pub gomemlimit: PathBuf,
    pub controller_runtime: PathBuf,
    pub floor: PathBuf,
    /// With tls.crt and tls.key.
    pub certificates: PathBuf,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Gomemlimit, Self::ControllerRuntime, Self::Floor];

    pub fn name(self) -> &'static str {
        match self {
            Self::Gomemlimit => "gomemlimit",
            Self::ControllerRuntime => "controller-runtime",
            Self::Floor => "floor",
        }
    }

    pub fn program(self, programs: &Programs) -> &Path {
        match self {
            Self::Gomemlimit => &programs.gomemlimit,
            Self::ControllerRuntime => &programs.controller_runtime,
            Self::Floor => &programs.floor,
        }
    }
}

const LOOPBACK: &str = "127.0.0.1";

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
        let (certificate, key) =
            (programs.certificates.join("tls.crt"), programs.certificates.join("tls.key"));
        match kind {
            Kind::Gomemlimit => {
                command.args(["serve", "--listen", &address.to_string()]);
                command.args(["--admin-listen", &free_address(host)?.to_string(), "--log-format", "json"]);
                command.arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
            }
            Kind::ControllerRuntime => {
                command.args(["-host", &address.ip().to_string(), "-port", &address.port().to_string()]);
                command.arg("-certificates").arg(&programs.certificates);
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

fn free_address(host: &str) -> Result<SocketAddr> {
    Ok(TcpListener::bind((host, 0))?.local_addr()?)
}
