//! The real program with a log that is not read as fast as it is written, or not at all.

use std::{
    io::{PipeReader, PipeWriter, Write, pipe},
    time::{Duration, Instant},
};

use gomemlimit_test_server::{LONG, REVIEW, connect, get, metric, read_response, request, send};
use rstest::rstest;
use tokio::time::timeout;

use crate::support::running::{Running, free_ports, program};

const DROPPED: &str = "gomemlimit_log_lines_dropped_total";

/// What CRI takes as one line.
const MAX_LINE: usize = 16 << 10;

/// A pipe into which nothing more fits.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    // The capacity of a pipe is 64 KiB: pipe(7).
    writer.write_all(&vec![b'\n'; 64 << 10]).unwrap();
    (reader, writer)
}

/// Answered on a connection of its own within [`LONG`].
async fn assert_reviews(running: &Running, body: &[u8], count: usize) {
    let answered = async {
        let mut stream = connect(running.webhook, &running.pair).await.unwrap();
        for _ in 0..count {
            send(&mut stream, &request(body)).await;
            let answer = read_response(&mut stream).await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    };
    timeout(LONG, answered).await.expect("answered although nobody reads the log");
}

async fn wait_until_ready(running: &Running) {
    timeout(LONG, running.wait_until_ready()).await.expect("ready although nobody reads the log");
}

/// Whether the process exits with 0 after SIGTERM.
async fn assert_ends(mut running: Running) {
    running.signal("TERM");
    let ended = timeout(LONG, running.child.wait()).await.expect("ended although nobody reads the log");
    assert_eq!(ended.unwrap().code(), Some(0));
}

#[rstest]
#[case::text("text")]
#[case::json("json")]
#[tokio::test]
async fn a_log_that_nobody_reads_holds_nothing_up(#[case] format: &str) {
    let (_unread, stderr) = pipe().unwrap();
    let running = Running::start_with(&["--shutdown-delay", "0s", "--log-format", format], stderr);
    wait_until_ready(&running).await;
    assert_eq!(metric(running.admin, DROPPED).await, 0);
    // Each makes a line of nearly 16 KiB.
    let review = gomemlimit_adversarial_reviews::answered_at_length();
    let started = Instant::now();
    while metric(running.admin, DROPPED).await == 0 {
        assert_reviews(&running, review.as_bytes(), 20).await;
        // Hundreds of reviews with answers of 400 KiB, which a busy machine makes slowly.
        assert!(started.elapsed() < 10 * LONG, "no line is dropped");
    }
    assert_reviews(&running, REVIEW, 100).await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(get(running.admin, path).await, (200, "ok\n".to_owned()));
    }
    assert_ends(running).await;
}

#[tokio::test]
async fn a_log_whose_reader_is_gone_holds_nothing_up() {
    let (reader, stderr) = pipe().unwrap();
    let running = Running::start_with(&["--shutdown-delay", "0s"], stderr);
    drop(reader);
    wait_until_ready(&running).await;
    assert_reviews(&running, REVIEW, 100).await;
    let started = Instant::now();
    while metric(running.admin, DROPPED).await == 0 {
        assert!(started.elapsed() < LONG, "what could not be written is not counted");
    }
    assert_ends(running).await;
}

/// Also what is printed at start and at the end.
#[tokio::test]
async fn pipes_that_are_full_from_the_start_hold_nothing_up() {
    let ((_out_unread, stdout), (_err_unread, stderr)) = (full_pipe(), full_pipe());
    let (webhook, admin) = free_ports();
    let mut child = program()
        .args(["serve", "--listen", &webhook.to_string(), "--admin-listen", &admin.to_string()])
        .args(["--shutdown-delay", "1h"])
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .unwrap();
    let pid = child.id().unwrap();
    let answers = async |port| tokio::net::TcpStream::connect(port).await.is_ok();
    let is_up = async {
        // Its listeners are bound before it is ready.
        while !(answers(webhook).await && answers(admin).await && get(admin, "/readyz").await.0 == 200) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, is_up).await.expect("up although nothing can be printed");
    let started = Instant::now();
    let ended = loop {
        std::process::Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().unwrap();
        // Two signals at once are one.
        if let Ok(ended) = timeout(Duration::from_millis(200), child.wait()).await {
            break ended.unwrap();
        }
        assert!(started.elapsed() < LONG, "not ended although nothing can be printed");
    };
    assert_eq!(ended.code(), Some(1), "a second signal");
}

#[rstest]
#[case::text("text")]
#[case::json("json")]
#[tokio::test]
async fn a_line_is_within_what_cri_takes_as_one(#[case] format: &str) {
    let running = Running::start_with(
        &["--shutdown-delay", "0s", "--log-format", format],
        std::process::Stdio::piped(),
    );
    running.wait_until_ready().await;
    assert_reviews(&running, gomemlimit_adversarial_reviews::answered_at_length().as_bytes(), 1).await;
    running.signal("TERM");
    let (_, log) = running.exit().await;
    let line = log.lines().find(|line| line.contains("injected")).unwrap();
    assert!((MAX_LINE / 2..=MAX_LINE).contains(&line.len()), "{} bytes", line.len());
    assert!(line.contains("…"), "{line}");
    if format == "json" {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["message"], "injected");
        assert!(line["containers"].as_str().unwrap().ends_with('…'), "{line}");
    }
    // The lines behind it are whole.
    assert!(log.ends_with('\n') && log.contains("every request was answered"), "{log}");
}

/// Whoever reaches the port can send them without end.
#[tokio::test]
async fn requests_that_are_no_reviews_do_not_fill_the_log() {
    let running = Running::start(&["--shutdown-delay", "0s"]);
    running.wait_until_ready().await;
    let mut stream = connect(running.webhook, &running.pair).await.unwrap();
    let started = Instant::now();
    for _ in 0..50 {
        send(&mut stream, &request(b"{}")).await;
        assert_eq!(read_response(&mut stream).await.unwrap().status, 400);
    }
    // One in ten seconds.
    let most = started.elapsed().as_secs() / 10 + 1;
    running.signal("TERM");
    let (_, log) = running.exit().await;
    let lines: Vec<_> = log.lines().filter(|line| line.contains("refused a request")).collect();
    assert!((1..=most).contains(&(lines.len() as u64)), "{lines:?}");
    let first: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!((&first["suppressed"], &first["level"]), (&0.into(), &"WARN".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_many_connections_are_whole() {
    let running = Running::start(&["--shutdown-delay", "0s"]);
    running.wait_until_ready().await;
    let clients = (0..8).map(|_| async { assert_reviews(&running, REVIEW, 50).await });
    futures::future::join_all(clients).await;
    running.signal("TERM");
    let (code, log) = running.exit().await;
    assert_eq!(code, Some(0));
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect(line));
    assert_eq!(lines.filter(|line| line["message"] == "injected").count(), 400);
}
