//! `gomemlimit probe` against real servers: what is fine, what is a finding, what cannot be reached.

use std::{path::Path, process::Stdio};

use gomemlimit::policy_file;
use gomemlimit_core::{
    Policy,
    settings::{Mode, ValueKind},
};
use gomemlimit_test_server::{Pair, Server, Setup};
use rstest::rstest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::Command,
};

async fn probe(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gomemlimit"));
    let output = command.arg("probe").args(arguments).stdin(Stdio::null()).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Calls the webhook at `path`, trusting `trusted`.
async fn probe_webhook(server: &Server, path: &str, trusted: &Pair) -> (i32, String, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &trusted.certificate).unwrap();
    let url = format!("https://{}{path}", server.webhook);
    let ca_file = file.path().to_str().unwrap();
    probe(&["--url", &url, "--server-name", "localhost", "--ca-file", ca_file]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_working_webhook_is_fine() {
    let server = Setup::default().start().await;
    let (code, stdout, stderr) = probe_webhook(&server, "/mutate", &server.pair).await;
    assert_eq!((code, &*stderr), (0, ""));
    assert!(stdout.ends_with("/mutate: injects GOMEMLIMIT=966367641 for 1Gi\n"), "{stdout}");
    let (code, stdout, stderr) = probe(&["--metrics-url", &format!("http://{}/metrics", server.admin)]).await;
    assert_eq!((code, &*stderr), (0, ""));
    assert!(stdout.ends_with(" series\n"), "{stdout}");
}

/// `helm test` asks whether the webhook answers as it should, whatever its settings for other pods are.
#[rstest]
#[case::audit_mode(|policy: &mut Policy| policy.defaults.mode = Mode::Audit)]
#[case::off(|policy: &mut Policy| policy.defaults.mode = Mode::Off)]
#[case::tracked_values(|policy: &mut Policy| policy.defaults.value = ValueKind::Track)]
#[case::high_least_limit(|policy: &mut Policy| policy.defaults.min_limit = 2 << 30)]
#[case::nothing_is_go(|policy: &mut Policy| {
    policy.rules = policy_file::parse(Path::new("p"), b"rules: [{name: none, is: not-go}]").unwrap();
})]
#[tokio::test(flavor = "multi_thread")]
async fn a_working_webhook_is_fine_whatever_its_settings(#[case] change: fn(&mut Policy)) {
    let mut setup = Setup::default();
    change(&mut setup.options.policy);
    let server = setup.start().await;
    let (code, stdout, stderr) = probe_webhook(&server, "/mutate", &server.pair).await;
    assert_eq!((code, &*stderr), (0, ""));
    assert!(stdout.ends_with("/mutate: injects GOMEMLIMIT=966367641 for 1Gi\n"), "{stdout}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_path_is_a_finding() {
    let server = Setup::default().start().await;
    let (code, _, stderr) = probe_webhook(&server, "/elsewhere", &server.pair).await;
    assert_eq!(code, 1);
    assert!(stderr.contains("answered with HTTP 404"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_somebody_else_is_not_trusted() {
    let server = Setup::default().start().await;
    let (code, _, stderr) = probe_webhook(&server, "/mutate", &Pair::new()).await;
    assert_eq!(code, 2);
    let unknown = "TLS handshake: its certificate is signed by an unknown authority; see --ca-file\n";
    assert!(stderr.ends_with(unknown), "{stderr}");
}

/// What a server answers to the hello of TLS; an alert is a record of type 21 (RFC 8446, sections 5.1 and 6).
#[rstest]
#[case::plain_http(
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "it does not speak TLS; is it the port of --metrics-url?"
)]
#[case::nothing(b"", "it ended the connection; does it speak TLS?")]
#[case::handshake_failure(
    &[21, 3, 3, 0, 2, 2, 40],
    "it finds no algorithms of TLS in common, or asks for a client certificate; see --client-cert and --client-key"
)]
#[case::protocol_version(&[21, 3, 3, 0, 2, 2, 70], "it has no version of TLS that this program has: 1.2 and 1.3")]
#[case::no_certificate_yet(&[21, 3, 3, 0, 2, 2, 49], "it denies access, or has no certificate of its own yet")]
#[case::no_such_name(&[21, 3, 3, 0, 2, 2, 112], "it has no certificate for this server name")]
#[case::internal_error(&[21, 3, 3, 0, 2, 2, 80], "it ended the connection with the TLS alert: internal error")]
#[case::not_the_protocol(&[22, 3, 3, 0, 4, 0, 0, 0, 0], "it does not keep to the protocol of TLS")]
#[tokio::test]
async fn why_there_is_no_handshake_is_in_words(#[case] answer: &[u8], #[case] shown: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), Pair::new().certificate).unwrap();
    for expects in [&[][..], &["--expect-refusal"]] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/mutate", listener.local_addr().unwrap());
        let served = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            // The whole hello: what is not read when the connection closes would be a reset.
            let mut head = [0; 5];
            stream.read_exact(&mut head).await.unwrap();
            let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
            stream.read_exact(&mut vec![0; length]).await.unwrap();
            stream.write_all(answer).await.unwrap();
        };
        let ca_file = file.path().to_str().unwrap();
        let arguments = ["--url", &url, "--server-name", "localhost", "--ca-file", ca_file];
        let arguments = [&arguments[..], expects].concat();
        let ((code, stdout, stderr), ()) = tokio::join!(probe(&arguments), served);
        assert_eq!((code, &*stdout), (2, ""), "{stderr}");
        assert_eq!(stderr, format!("error: {url}: TLS handshake: {shown}\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_with_tls_has_no_metrics() {
    let server = Setup::default().start().await;
    let url = format!("http://{}/metrics", server.webhook);
    let (code, _, stderr) = probe(&["--metrics-url", &url]).await;
    assert_eq!(code, 2);
    let shown = "its answer is not HTTP; is it the port of --url, with TLS?";
    assert_eq!(stderr, format!("error: {url}: {shown}\n"));
}

#[tokio::test]
async fn a_server_that_hangs_up_or_says_something_else_is_named() {
    for (response, code, expected) in [
        ("", 2, "no answer"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 1, "there is no metric of gomemlimit"),
        ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 1, "answered with HTTP 503"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", 2, "the answer could not be read"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/metrics", listener.local_addr().unwrap());
        let answer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            stream.write_all(response.as_bytes()).await.unwrap();
        };
        let arguments = ["--metrics-url", &url];
        let ((got, _, stderr), ()) = tokio::join!(probe(&arguments), answer);
        assert_eq!(got, code, "{response:?}: {stderr}");
        assert!(stderr.contains(expected), "{response:?}: {stderr}");
    }
}

/// A Service may still lead to a replica that stops, as right after an upgrade.
#[tokio::test]
async fn with_wait_it_tries_until_all_is_as_it_should_be() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    let answers = async {
        for ready in [0, 0, 1] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\ngomemlimit_ready {ready}\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    };
    let arguments = ["--metrics-url", &url, "--wait", "60s"];
    let ((code, stdout, stderr), ()) = tokio::join!(probe(&arguments), answers);
    assert_eq!((code, &*stderr), (0, ""));
    assert!(stdout.ends_with(": 1 series\n"), "{stdout}");

    let (code, _, stderr) = probe(&["--metrics-url", "http://127.0.0.1:1/metrics", "--wait", "600ms"]).await;
    assert_eq!(code, 2, "what stays wrong is reported in the end");
    assert!(stderr.contains("cannot connect"), "{stderr}");
}

#[rstest]
#[case::nothing(&[], "--url <URL>")]
#[case::no_ca(&["--url", "https://127.0.0.1:1/mutate"], "--ca-file <FILE>")]
#[case::ca_missing(&["--url", "https://127.0.0.1:1/mutate", "--ca-file", "/nowhere/ca"], "cannot read /nowhere/ca")]
#[case::ca_empty(&["--url", "https://127.0.0.1:1/mutate", "--ca-file", "/dev/null"], "there is no certificate in /dev/null")]
#[case::not_https(&["--url", "http://127.0.0.1:1/mutate", "--ca-file", "/dev/null"], "is not an https:// URL")]
#[case::metrics_not_http(&["--metrics-url", "https://127.0.0.1:1/metrics"], "is not an http:// URL")]
#[case::refused(&["--metrics-url", "http://127.0.0.1:1/metrics"], "http://127.0.0.1:1/metrics: cannot connect: Connection refused")]
#[case::not_a_url(&["--metrics-url", "http://"], "--metrics-url <URL>")]
#[tokio::test]
async fn what_cannot_be_reached_exits_2_and_is_named(#[case] arguments: &[&str], #[case] expected: &str) {
    let (code, stdout, stderr) = probe(arguments).await;
    assert_eq!((code, &*stdout), (2, ""), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains(expected), "{stderr}");
}
