//! Real sockets: connections, handshakes and certificates.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    time::{Duration, Instant},
};

use gomemlimit_serve::{Reloaded, lifecycle::Signal, tls::CertificateFiles};
use gomemlimit_test_server::{
    LONG, Pair, REVIEW, Server, Setup, connect, is_injected, read_response, request, review_of_size, send,
    until_closed,
};
use rstest::rstest;
use tokio::{net::TcpStream, runtime::Handle};

#[tokio::test]
async fn a_thousand_connections_leave_no_task_behind() {
    let server = Setup::default().start().await;
    assert!(is_injected(&server.review(REVIEW).await));
    server.wait_for_metric("gomemlimit_connections", 0).await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for number in 0..1000 {
        match number % 4 {
            // Closed before, during and after the handshake, and after a request.
            0 => drop(TcpStream::connect(server.webhook).await.unwrap()),
            1 => send(&mut TcpStream::connect(server.webhook).await.unwrap(), b"\x16\x03\x01").await,
            2 => drop(server.connect().await),
            _ => assert!(is_injected(&server.review(REVIEW).await)),
        }
    }
    server.wait_for_metric("gomemlimit_connections", 0).await;
    let started = Instant::now();
    while tasks() > before && started.elapsed() < LONG {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(tasks(), before);
    assert_eq!(server.metric("gomemlimit_connections_accepted_total").await, 1001);
}

/// Timeouts that differ enough to show which one ended a connection.
fn impatient() -> Setup {
    let mut setup = Setup::default();
    setup.options.connections.handshake = Duration::from_millis(200);
    setup.options.connections.head = Duration::from_millis(600);
    setup.options.connections.idle = Duration::from_millis(1500);
    setup
}

/// Asserts that a connection ended at one timeout, not at a shorter one.
fn assert_at(took: Duration, timeout: u64) {
    let timeout = Duration::from_millis(timeout);
    assert!(took >= timeout.mul_f64(0.9), "too early: {took:?} instead of {timeout:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mute_clients_are_dropped_at_their_timeouts_while_others_are_served() {
    let server = impatient().start().await;
    let mute_tcp = async {
        let mut stream = TcpStream::connect(server.webhook).await.unwrap();
        assert_at(until_closed(&mut stream).await, 200);
    };
    let mute_tls = async {
        let mut stream = server.connect().await;
        assert_at(until_closed(&mut stream).await, 1500);
    };
    // One byte after the other does not prolong it.
    let slow_head = async {
        let stream = server.connect().await;
        let (mut reading, mut writing) = tokio::io::split(stream);
        let drip = async {
            loop {
                if tokio::io::AsyncWriteExt::write_all(&mut writing, b"P").await.is_err() {
                    break;
                }
                let _ = tokio::io::AsyncWriteExt::flush(&mut writing).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            took = until_closed(&mut reading) => assert_at(took, 600),
            () = drip => {}
        }
    };
    let honest = async {
        for _ in 0..20 {
            assert!(is_injected(&server.review(REVIEW).await));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let all = async { tokio::join!(mute_tcp, mute_tls, slow_head, honest) };
    tokio::time::timeout(LONG, all).await.expect("every mute client was dropped");
    assert_eq!(server.metric(r#"gomemlimit_tls_handshake_failures_total{reason="timeout"}"#).await, 1);
    server.wait_for_metric("gomemlimit_connections", 0).await;
}

#[tokio::test]
async fn an_idle_connection_outlives_the_head_timeout_but_not_its_own() {
    let server = impatient().start().await;
    let mut stream = server.connect().await;
    for pause in [0, 900] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        send(&mut stream, &request(REVIEW)).await;
        assert!(is_injected(&read_response(&mut stream).await.unwrap()));
    }
    let idle = tokio::time::timeout(LONG, until_closed(&mut stream)).await;
    assert_at(idle.expect("the idle connection was closed"), 1500);
}

/// Go's transport dials more connections in a burst than it needs, keeps the others for later, and does not repeat a
/// POST on one that closes.
#[tokio::test]
async fn a_connection_that_is_not_used_yet_is_idle() {
    let server = impatient().start().await;
    let mut stream = server.connect().await;
    // Longer than a head may take.
    tokio::time::sleep(Duration::from_millis(900)).await;
    send(&mut stream, &request(REVIEW)).await;
    assert!(is_injected(&read_response(&mut stream).await.expect("still open")));
}

/// hyper looks for the client's end while these are answered and does not read again afterwards by itself.
#[rstest]
#[case::no_body(b"GET /mutate HTTP/1.1\r\nHost: x\r\n\r\n".to_vec())]
#[case::a_body_that_nobody_reads(b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}".to_vec())]
#[case::answered_off_the_connections_thread(request(&review_of_size(1 << 20)))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_answered_the_connection_is_idle_then(#[case] request: Vec<u8>) {
    let mut setup = Setup::default();
    // The head's deadline is far away, so that it cannot end the connection in place of the idle one.
    setup.options.connections.idle = Duration::from_millis(300);
    let server = setup.start().await;
    let mut stream = server.connect().await;
    send(&mut stream, &request).await;
    read_response(&mut stream).await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(5), until_closed(&mut stream)).await;
    closed.expect("closed after the idle timeout");

    let mut setup = Setup::default();
    setup.options.connections.connections = 1;
    let server = setup.start().await;
    let mut idle = server.connect().await;
    send(&mut idle, &request).await;
    read_response(&mut idle).await.unwrap();
    let next = tokio::time::timeout(Duration::from_secs(5), server.review(REVIEW)).await;
    assert!(is_injected(&next.expect("the idle one made room")));
}

#[tokio::test]
async fn a_head_that_starts_after_a_pause_has_the_heads_time() {
    let mut setup = impatient();
    setup.options.connections.idle = LONG * 10;
    let server = setup.start().await;
    let mut stream = server.connect().await;
    send(&mut stream, &request(REVIEW)).await;
    read_response(&mut stream).await.unwrap();
    send(&mut stream, b"POST").await;
    let took = tokio::time::timeout(LONG, until_closed(&mut stream)).await;
    assert_at(took.expect("closed before the idle timeout"), 600);
}

#[tokio::test]
async fn the_second_port_answers_one_request_a_connection() {
    let server = Setup::default().start().await;
    let mut streams = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(server.admin).await.unwrap();
        send(&mut stream, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let answer = read_response(&mut stream).await.unwrap();
        assert!(answer.status == 200 && answer.closes());
        streams.push(stream);
    }
}

#[tokio::test]
async fn a_handshake_that_we_end_is_no_failure_of_it() {
    let mut setup = Setup::default();
    setup.options.connections.connections = 2;
    let server = setup.start().await;
    let mut first = TcpStream::connect(server.webhook).await.unwrap();
    let mut second = TcpStream::connect(server.webhook).await.unwrap();
    // Needs the place of the first, and keeps the second port open after the stop, which ends the second.
    let mut kept = server.connect().await;
    until_closed(&mut first).await;
    send(&mut kept, &request(&review_of_size(64 << 10))[..32 << 10]).await;
    server.wait_for_metric("gomemlimit_bodies_in_flight_bytes", 64 << 10).await;
    server.signals.send(Signal::Terminate).await.unwrap();
    until_closed(&mut second).await;
    for reason in ["timeout", "tls"] {
        let series = format!("gomemlimit_tls_handshake_failures_total{{reason=\"{reason}\"}}");
        assert_eq!(server.metric(&series).await, 0, "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_reads_its_answers_is_dropped() {
    let server = impatient().start().await;
    let (_reading, mut writing) = tokio::io::split(server.connect().await);
    let many = request(REVIEW).repeat(100);
    let sending = async { while tokio::io::AsyncWriteExt::write_all(&mut writing, &many).await.is_ok() {} };
    tokio::time::timeout(LONG, sending).await.expect("dropped");
    server.wait_for_metric("gomemlimit_connections", 0).await;
}

/// A Secret as kubelet mounts it: files are links into `..data`, which is a link that is swapped.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(pair: &Pair) -> Self {
        let mount = Self(tempfile::tempdir().unwrap());
        mount.swap(&pair.certificate, &pair.key);
        for file in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(file), mount.0.path().join(file)).unwrap();
        }
        mount
    }

    fn swap(&self, certificate: &str, key: &str) {
        let directory = self.0.path();
        let version = directory.join(format!("..{}", fs::read_dir(directory).unwrap().count()));
        fs::create_dir(&version).unwrap();
        fs::write(version.join("tls.crt"), certificate).unwrap();
        fs::write(version.join("tls.key"), key).unwrap();
        symlink(version.file_name().unwrap(), directory.join("..data_tmp")).unwrap();
        fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
    }

    fn files(&self) -> CertificateFiles {
        CertificateFiles { certificate: self.0.path().join("tls.crt"), key: self.0.path().join("tls.key") }
    }

    async fn serve(&self, pair: &Pair) -> Server {
        let mut setup = Setup { pair: pair.clone(), ..Setup::default() };
        setup.certificate_files = Some(Reloaded::open(self.files(), setup.metrics.clone()).unwrap().0);
        setup.start().await
    }
}

const OUT_OF_DATE: &str = "gomemlimit_certificate_out_of_date";

async fn trusts(server: &Server, pair: &Pair) -> bool {
    connect(server.webhook, pair).await.is_ok()
}

#[tokio::test]
async fn a_certificate_swapped_by_symlink_is_served_within_one_poll() {
    let (first, second) = (Pair::new(), Pair::valid(-1, 48));
    let mount = Mount::new(&first);
    let server = mount.serve(&first).await;
    let expiry = server.metric("gomemlimit_certificate_expiry_timestamp_seconds").await;
    let mut old_connection = server.connect().await;

    mount.swap(&second.certificate, &second.key);
    // One poll is 50 ms; the counter shows that it happened.
    server.wait_for_metric(r#"gomemlimit_certificate_reloads_total{result="loaded"}"#, 1).await;
    assert!(trusts(&server, &second).await);
    assert!(!trusts(&server, &first).await);
    send(&mut old_connection, &request(REVIEW)).await;
    assert!(is_injected(&read_response(&mut old_connection).await.unwrap()), "open connections go on");

    let later = server.metric("gomemlimit_certificate_expiry_timestamp_seconds").await;
    assert!((later - expiry - 24 * 3600).abs() < 60, "from {expiry} to {later}");
    // Four polls later it has still been loaded once.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.metric(r#"gomemlimit_certificate_reloads_total{result="loaded"}"#).await, 1);
}

#[rstest]
#[case::torn(|_: &Pair, new: &Pair| (new.certificate.clone(), Pair::new().key))]
#[case::torn_the_other_way(|old: &Pair, new: &Pair| (old.certificate.clone(), new.key.clone()))]
#[case::expired(|_: &Pair, _: &Pair| { let old = Pair::valid(-48, -24); (old.certificate, old.key) })]
#[case::not_valid_yet(|_: &Pair, _: &Pair| { let next = Pair::valid(24, 48); (next.certificate, next.key) })]
#[case::empty(|_: &Pair, _: &Pair| (String::new(), String::new()))]
#[case::half_written(|_: &Pair, new: &Pair| (new.certificate[..200].to_owned(), new.key.clone()))]
#[case::not_pem(|_: &Pair, _: &Pair| ("certificate".to_owned(), "key".to_owned()))]
#[tokio::test]
async fn a_broken_pair_is_never_served(#[case] broken: fn(&Pair, &Pair) -> (String, String)) {
    let (first, second) = (Pair::new(), Pair::new());
    let mount = Mount::new(&first);
    let server = mount.serve(&first).await;

    let (certificate, key) = broken(&first, &second);
    mount.swap(&certificate, &key);
    server.wait_for_metric(OUT_OF_DATE, 1).await;
    server.wait_for_some(r#"gomemlimit_certificate_reloads_total{result="refused"}"#).await;
    assert!(trusts(&server, &first).await, "the earlier certificate stays");
    let (status, ready) = server.admin("/readyz").await;
    assert!(status == 200 && ready.starts_with("ok\ntrouble: cannot use "), "{ready}");
    assert!(ready.ends_with("; the earlier certificate holds\n"), "{ready}");
    // Neither bytes nor names of types.
    assert!(!ready.contains(['[', '(', '{']) && !ready.contains("KeyMismatch"), "{ready}");

    mount.swap(&second.certificate, &second.key);
    server.wait_for_metric(r#"gomemlimit_certificate_reloads_total{result="loaded"}"#, 1).await;
    server.wait_for_metric(OUT_OF_DATE, 0).await;
    assert_eq!(server.admin("/readyz").await, (200, "ok\n".to_owned()));
    assert!(trusts(&server, &second).await, "a good pair is taken after a bad one");
}

#[tokio::test]
async fn vanished_files_change_nothing() {
    let first = Pair::new();
    let mount = Mount::new(&first);
    let server = mount.serve(&first).await;
    fs::remove_file(mount.0.path().join("..data")).unwrap();
    server.wait_for_metric(OUT_OF_DATE, 1).await;
    let (_, ready) = server.admin("/readyz").await;
    assert!(
        ready.starts_with("ok\ntrouble: cannot read ") && ready.contains("tls.crt: No such file"),
        "{ready}"
    );
    assert!(trusts(&server, &first).await);

    // Back as it was: nothing is loaded, and nothing is wrong.
    mount.swap(&first.certificate, &first.key);
    server.wait_for_metric(OUT_OF_DATE, 0).await;
    assert_eq!(server.admin("/readyz").await, (200, "ok\n".to_owned()));
    assert_eq!(server.metric(r#"gomemlimit_certificate_reloads_total{result="loaded"}"#).await, 0);
}

#[tokio::test]
async fn not_ready_while_the_certificate_is_not_valid_yet() {
    let server = Setup { pair: Pair::valid(1, 24), ..Setup::default() }.start().await;
    let (status, body) = server.admin("/readyz").await;
    assert_eq!((status, &*body), (503, "not ready: the certificate is not valid now\n"));
    assert_eq!(server.admin("/livez").await.0, 200);
    assert_eq!(server.metric("gomemlimit_ready").await, 0);
}
