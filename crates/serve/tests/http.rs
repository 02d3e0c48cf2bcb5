//! Requests of every wrong form, and what the webhook answers them.

use std::{sync::Arc, time::Duration};

use gomemlimit_core::NamespaceAnnotations;
use gomemlimit_serve::handler::Namespaces;
use gomemlimit_test_server::{
    LONG, REVIEW, Setup, is_injected, read_response, request, review_of_size, send, until_closed,
};
use rstest::rstest;
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn a_real_review_is_answered_with_a_patch() {
    let server = Setup::default().start().await;
    let answer = server.review(REVIEW).await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    assert!(is_injected(&answer), "{answer:?}");
    assert_eq!(server.metric(r#"gomemlimit_decisions_total{decision="set",reason="injected"}"#).await, 1);
    assert_eq!(server.metric("gomemlimit_request_duration_seconds_count").await, 1);
}

#[rstest]
#[case::get("GET /mutate HTTP/1.1\r\nHost: x\r\n\r\n", 405)]
#[case::put("PUT /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405)]
#[case::other_path("POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404)]
#[case::no_content_type("POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 415)]
#[case::wrong_content_type(
    "POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/yaml\r\nContent-Length: 2\r\n\r\n{}",
    415
)]
#[case::empty(
    "POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n",
    400
)]
#[case::not_json(
    "POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{]",
    400
)]
#[case::no_uid(
    "POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    400
)]
#[case::broken_chunk(
    "POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    400
)]
#[case::not_http("GOMEMLIMIT\r\n\r\n", 400)]
#[tokio::test]
async fn without_a_uid_the_status_says_why(#[case] request: &str, #[case] status: u16) {
    let server = Setup::default().start().await;
    let mut stream = server.connect().await;
    send(&mut stream, request.as_bytes()).await;
    let answer = read_response(&mut stream).await.unwrap();
    assert_eq!(answer.status, status);
    // Also where hyper answers by itself.
    if answer.closes() {
        tokio::time::timeout(LONG / 2, until_closed(&mut stream)).await.expect("closed");
    } else {
        send(&mut stream, b"GET /mutate HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(read_response(&mut stream).await.unwrap().status, 405);
    }
    // The process goes on.
    assert!(is_injected(&server.review(REVIEW).await));
}

/// RFC 9112, section 9.6: after each of these the server closes, since it does not read the body to its end. Without
/// the word a client may send the next request on the connection, and lose it.
#[rstest]
#[case::not_json("POST /mutate HTTP/1.1\r\nHost: x\r\n", 415)]
#[case::two_hosts("POST /mutate HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Type: application/json\r\n", 400)]
#[case::other_path("POST /other HTTP/1.1\r\nHost: x\r\n", 404)]
#[case::other_method("PUT /mutate HTTP/1.1\r\nHost: x\r\n", 405)]
#[case::too_slow("POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n", 408)]
#[tokio::test]
async fn an_answer_before_the_end_of_the_body_closes_and_says_so(#[case] head: &str, #[case] status: u16) {
    let mut setup = Setup::default();
    setup.options.bodies.arrival = Duration::from_millis(200);
    let server = setup.start().await;
    let mut stream = server.connect().await;
    send(&mut stream, format!("{head}Content-Length: 5000000\r\n\r\n{{").as_bytes()).await;
    let answer = read_response(&mut stream).await.unwrap();
    assert_eq!(answer.status, status);
    assert!(answer.closes(), "{}", answer.head);
    tokio::time::timeout(LONG / 2, until_closed(&mut stream)).await.expect("closed at once");
}

/// But not for ever.
#[tokio::test]
async fn a_client_that_never_ends_its_request_is_closed() {
    let mut setup = Setup::default();
    setup.options.connections.head = Duration::from_millis(500);
    let server = setup.start().await;
    let mut stream = server.connect().await;
    send(&mut stream, b"POST /mutate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(read_response(&mut stream).await.unwrap().status, 415);
    let endless = async { while stream.write_all(b"1\r\nx\r\n").await.is_ok() {} };
    tokio::time::timeout(LONG, endless).await.expect("closed");
    server.wait_for_metric("gomemlimit_connections", 0).await;
}

#[rstest]
#[case::no_body("GET /mutate HTTP/1.1\r\nHost: x\r\n\r\n", 405)]
#[case::a_body_that_was_read(
    "POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    400
)]
#[tokio::test]
async fn a_refusal_of_a_whole_request_keeps_the_connection(#[case] request: &str, #[case] status: u16) {
    let server = Setup::default().start().await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        send(&mut stream, request.as_bytes()).await;
        let answer = read_response(&mut stream).await.unwrap();
        assert_eq!((answer.status, answer.closes()), (status, false));
    }
}

/// RFC 9112, section 3.2: a review that would be answered, but for its Host.
#[rstest]
#[case::none("", 400)]
#[case::two("Host: x\r\nHost: y\r\n", 400)]
#[case::one("Host: x\r\n", 200)]
#[tokio::test]
async fn a_request_has_one_host(#[case] hosts: &str, #[case] status: u16) {
    let server = Setup::default().start().await;
    let mut stream = server.connect().await;
    let head = format!(
        "POST /mutate HTTP/1.1\r\n{hosts}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        REVIEW.len()
    );
    send(&mut stream, &[head.as_bytes(), REVIEW].concat()).await;
    assert_eq!(read_response(&mut stream).await.unwrap().status, status);
}

/// An answer repeats the uid and is in nobody's budget.
#[tokio::test]
async fn a_uid_that_no_api_server_makes_is_refused() {
    let server = Setup::default().start().await;
    let with_uid = |length: usize| {
        let review = String::from_utf8(review_of_size(10_000)).unwrap();
        review.replace(r#""uid":"1""#, &format!(r#""uid":"{}""#, "1".repeat(length)))
    };
    assert!(is_injected(&server.review(with_uid(256).as_bytes()).await));
    for review in [with_uid(257), with_uid(257).replace(r#""v1""#, "1")] {
        let refused = server.review(review.as_bytes()).await;
        assert_eq!((refused.status, &*refused.body), (400, "the uid is longer than 256 bytes\n"));
    }
}

#[tokio::test]
async fn a_content_type_with_a_charset_and_a_chunked_body_are_fine() {
    let server = Setup::default().start().await;
    let mut stream = server.connect().await;
    let head = "POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: Application/JSON; charset=utf-8\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    send(&mut stream, head.as_bytes()).await;
    for chunk in REVIEW.chunks(1000) {
        send(&mut stream, format!("{:x}\r\n", chunk.len()).as_bytes()).await;
        send(&mut stream, &[chunk, b"\r\n"].concat()).await;
    }
    send(&mut stream, b"0\r\n\r\n").await;
    assert!(is_injected(&read_response(&mut stream).await.unwrap()));
}

#[tokio::test]
async fn a_truncated_body_ends_the_connection_only() {
    let server = Setup::default().start().await;
    let mut stream = server.begin(REVIEW.len(), &REVIEW[..1000]).await;
    stream.shutdown().await.unwrap();
    // 400, or nothing at all where the connection is already gone.
    if let Ok(answer) = read_response(&mut stream).await {
        assert_eq!(answer.status, 400);
    }
    assert!(is_injected(&server.review(REVIEW).await));
    assert_eq!(server.metric("gomemlimit_bodies_in_flight_bytes").await, 0);
}

#[tokio::test]
async fn statuses_warnings_and_bad_settings_are_counted() {
    let server = Setup::default().start().await;
    let bad = include_bytes!("../../core/tests/golden/reviews/037-create-annotation-ratio-bad.json");
    assert!(is_injected(&server.review(bad).await));
    assert_eq!(server.review(b"{}").await.status, 400);
    for (series, count) in [
        (r#"gomemlimit_requests_total{code="200"}"#, 1),
        (r#"gomemlimit_requests_total{code="400"}"#, 1),
        (r#"gomemlimit_warnings_total{kind="bad-setting"}"#, 1),
        (r#"gomemlimit_warnings_total{kind="bad-review"}"#, 0),
        (r#"gomemlimit_bad_settings_total{setting="ratio",level="pod"}"#, 1),
    ] {
        assert_eq!(server.metric(series).await, count, "{series}");
    }
}

struct PanicIn(&'static str);

impl Namespaces for PanicIn {
    fn annotations(&self, namespace: &str) -> NamespaceAnnotations {
        assert_ne!(namespace, self.0, "injected by the test");
        NamespaceAnnotations::new()
    }
}

#[rstest]
#[case::on_the_connections_thread(REVIEW.to_vec())]
#[case::off_it(review_of_size(1 << 20))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_answered_allowed_without_a_patch(#[case] review: Vec<u8>) {
    let server = Setup { namespaces: Arc::new(PanicIn("shop")), ..Setup::default() }.start().await;
    let mut stream = server.connect().await;
    for count in [1, 2] {
        send(&mut stream, &request(&review)).await;
        let answer = read_response(&mut stream).await.unwrap();
        assert_eq!(answer.status, 200);
        let response = &answer.json()["response"];
        assert_eq!(response["allowed"], true);
        assert!(response["uid"].as_str().is_some_and(|uid| !uid.is_empty()));
        assert!(response.get("patch").is_none() && response.get("patchType").is_none());
        assert_eq!(response["warnings"].as_array().unwrap().len(), 1);
        assert_eq!(server.metric("gomemlimit_panics_total").await, count);
    }
    // Other namespaces are served as ever.
    let other = String::from_utf8(REVIEW.to_vec())
        .unwrap()
        .replace("\"namespace\":\"shop\"", "\"namespace\":\"other\"");
    assert!(is_injected(&server.review(other.as_bytes()).await));
}

struct Fixed;

impl Namespaces for Fixed {
    fn annotations(&self, namespace: &str) -> NamespaceAnnotations {
        assert_eq!(namespace, "shop");
        [("gomemlimit.dev/mode".to_owned(), "off".to_owned())].into()
    }
}

#[tokio::test]
async fn annotations_of_the_namespace_count() {
    let server = Setup { namespaces: Arc::new(Fixed), ..Setup::default() }.start().await;
    let answer = server.review(REVIEW).await;
    assert!(!is_injected(&answer));
    assert_eq!(server.metric(r#"gomemlimit_decisions_total{decision="skip",reason="opted-out"}"#).await, 1);
}
