//! Memory and start-up time of the release build: `cargo bench --bench footprint`. Reports, asserts nothing.
//! Aims: ready in under 100 ms, under 12 MiB resident when idle.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use gomemlimit_procfs::Process;

const RUNS: usize = 20;

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn start(admin: SocketAddr) -> Child {
    Command::new(env!("CARGO_BIN_EXE_gomemlimit"))
        .args(["serve", "--listen", &free_port().to_string(), "--admin-listen", &admin.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn is_ready(admin: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(admin) else { return false };
    let mut answer = String::new();
    let request = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200 ")
}

fn main() {
    let (mut times, mut sizes) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let admin = free_port();
        let started = Instant::now();
        let mut child = start(admin);
        while !is_ready(admin) {
            std::thread::sleep(Duration::from_micros(200));
        }
        times.push(started.elapsed());
        std::thread::sleep(Duration::from_millis(200));
        sizes.push(Process(child.id()).status("VmRSS").unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    times.sort();
    sizes.sort_unstable();
    let (fastest, median, slowest) =
        (times.first().unwrap(), times.get(RUNS / 2).unwrap(), times.last().unwrap());
    println!("start to ready, {RUNS} runs: min {fastest:.1?}, median {median:.1?}, max {slowest:.1?}");
    let (least, median, most) = (sizes.first().unwrap(), sizes.get(RUNS / 2).unwrap(), sizes.last().unwrap());
    println!("idle resident set, {RUNS} runs: min {least} KiB, median {median} KiB, max {most} KiB");
}
