//! The real program as a process that a test can look at.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::{self, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use gomemlimit_procfs::Process;
use gomemlimit_test_server::{LONG, Pair, read_response, send};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gomemlimit"));
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Sends a signal by the shell's own `kill`: not every machine has a program of that name.
pub(crate) fn signal(pid: u32, name: &str) {
    let kill = format!("kill -{name} {pid}");
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

/// What a running `serve` prints on stdout, to the line with `curl`.
pub(crate) async fn to_the_curl_line(arguments: &[&str]) -> (Child, String) {
    let mut child = program().args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("curl ") {
        assert!(lines.read_line(&mut text).await.unwrap() > 0, "{text}");
    }
    (child, text)
}

/// `serve` on ports of its own choice, with a certificate from files.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) webhook: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) pair: Pair,
    _files: tempfile::TempDir,
}

/// First of the ports for programs that tests start. The kernel itself gives out 32768 and more, so no connection of
/// another test takes one of them meanwhile.
const FIRST_PORT: u16 = 10_000;
const PORTS: u16 = 20_000;

/// Two ports that are free right now, and that no other test of this process gets.
pub(crate) fn free_ports() -> (SocketAddr, SocketAddr) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test runs side by side begin at different ones.
    let first = process::id().wrapping_mul(131) % u32::from(PORTS);
    let next = || loop {
        let port = (first + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % u32::from(PORTS);
        let address = SocketAddr::from(([127, 0, 0, 1], FIRST_PORT + u16::try_from(port).unwrap()));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    };
    (next(), next())
}

impl Running {
    /// With a log in JSON that [`Running::exit`] reads.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(&[arguments, &["--log-format", "json"]].concat(), Stdio::piped())
    }

    pub(crate) fn start_with(arguments: &[&str], stderr: impl Into<Stdio>) -> Self {
        let (files, pair) = (tempfile::tempdir().unwrap(), Pair::new());
        let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
        fs::write(path("tls.crt"), &pair.certificate).unwrap();
        fs::write(path("tls.key"), &pair.key).unwrap();
        let (webhook, admin) = free_ports();
        let child = program()
            .args(["serve", "--listen", &webhook.to_string(), "--admin-listen", &admin.to_string()])
            .args(["--tls-cert", &path("tls.crt"), "--tls-key", &path("tls.key")])
            .args(arguments)
            .stderr(stderr)
            .spawn()
            .unwrap();
        Self { child, webhook, admin, pair, _files: files }
    }

    /// 200 on `/readyz`; false also while nobody listens.
    pub(crate) async fn is_ready(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.admin).await else { return false };
        send(&mut stream, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        read_response(&mut stream).await.is_ok_and(|answer| answer.status == 200)
    }

    pub(crate) async fn wait_until_ready(&self) {
        let started = Instant::now();
        while !self.is_ready().await {
            assert!(started.elapsed() < LONG, "not ready");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id().unwrap(), name);
    }

    /// The largest resident set so far, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        Process(self.child.id().unwrap()).status("VmHWM").unwrap()
    }

    pub(crate) async fn exit(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).await.unwrap();
        (self.child.wait().await.unwrap().code(), log)
    }
}
