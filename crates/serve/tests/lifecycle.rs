//! Start and stop; signals are messages.

use std::time::{Duration, Instant};

use gomemlimit_serve::{ServeError, lifecycle::Signal};
use gomemlimit_test_server::{
    LONG, REVIEW, Server, Setup, connect, is_injected, read_response, request, review_of_size, send,
    until_closed,
};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

#[tokio::test]
async fn ready_until_sigterm_and_serving_during_the_delay() {
    let mut setup = Setup::default();
    setup.options.shutdown_delay = Duration::from_secs(3);
    let server = setup.start().await;
    let mut kept = server.connect().await;
    send(&mut kept, &request(REVIEW)).await;
    assert!(!read_response(&mut kept).await.unwrap().closes());
    assert_eq!(server.admin("/readyz").await, (200, "ok\n".to_owned()));

    server.signals.send(Signal::Terminate).await.unwrap();
    let not_ready = async {
        while server.admin("/readyz").await.0 == 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), not_ready).await.expect("false the moment SIGTERM arrives");
    assert_eq!(server.admin("/readyz").await, (503, "not ready: shutting down\n".to_owned()));
    assert_eq!(server.admin("/livez").await.0, 200);

    // New and open connections are served, and closed after the response.
    let fresh = server.review(REVIEW).await;
    assert!(is_injected(&fresh) && fresh.closes());
    send(&mut kept, &request(REVIEW)).await;
    let answer = read_response(&mut kept).await.unwrap();
    assert!(is_injected(&answer) && answer.closes());
    until_closed(&mut kept).await;

    server.ended.await.unwrap().unwrap();
    assert!(connect(server.webhook, &server.pair).await.is_err());
}

/// A request of which the server has the first half; and the second.
async fn request_in_flight(server: &Server) -> (TlsStream<TcpStream>, Vec<u8>) {
    let mut first = review_of_size(64 << 10);
    let second = first.split_off(32 << 10);
    let stream = server.begin(64 << 10, &first).await;
    server.wait_for_metric("gomemlimit_bodies_in_flight_bytes", 64 << 10).await;
    (stream, second)
}

#[tokio::test]
async fn a_request_in_flight_survives_sigterm() {
    let server = Setup::default().start().await;
    let mut idle = server.connect().await;
    let (mut stream, rest) = request_in_flight(&server).await;

    server.signals.send(Signal::Terminate).await.unwrap();
    until_closed(&mut idle).await;
    assert!(connect(server.webhook, &server.pair).await.is_err(), "nothing new is accepted");
    send(&mut stream, &rest).await;
    let answer = read_response(&mut stream).await.unwrap();
    assert!(is_injected(&answer) && answer.closes());
    server.ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_head_that_is_half_read_survives_the_stop() {
    let server = Setup::default().start().await;
    let mut stream = server.connect().await;
    send(&mut stream, &request(REVIEW)).await;
    read_response(&mut stream).await.unwrap();
    let next = request(REVIEW);
    send(&mut stream, &next[..40]).await;
    // The server has to have seen it.
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.signals.send(Signal::Terminate).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    send(&mut stream, &next[40..]).await;
    let answer = read_response(&mut stream).await.expect("an answer");
    assert!(is_injected(&answer) && answer.closes());
    server.ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_that_never_ends_is_given_up_at_the_drain_timeout() {
    let mut setup = Setup::default();
    setup.options.drain_timeout = Duration::from_millis(200);
    let server = setup.start().await;
    let _in_flight = request_in_flight(&server).await;
    server.signals.send(Signal::Terminate).await.unwrap();
    assert!(matches!(server.ended.await.unwrap(), Err(ServeError::DrainTimeout(_))));
}

#[tokio::test]
async fn a_second_signal_aborts() {
    let mut setup = Setup::default();
    setup.options.shutdown_delay = LONG;
    let server = setup.start().await;
    server.signals.send(Signal::Terminate).await.unwrap();
    server.signals.send(Signal::Interrupt).await.unwrap();
    let started = Instant::now();
    assert!(matches!(server.ended.await.unwrap(), Err(ServeError::Aborted)));
    assert!(started.elapsed() < LONG);
}
