//! Which connections are closed at the maximum of connections.

use std::{future::pending, net::SocketAddr, slice, time::Duration};

use axum::{Router, routing};
use gomemlimit_serve::{
    listener::{ConnectionLimits, Eviction, Listener, Stop},
    metrics::Metrics,
};
use gomemlimit_test_server::{
    REVIEW, Server, Setup, connect, get, head, is_injected, read_response, request, review_of_size, send,
    until_closed,
};
use rstest::rstest;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpSocket, TcpStream},
    select,
    time::{sleep, timeout},
};
use tokio_rustls::client::TlsStream;

/// Shorter than any deadline of a [`Setup`], so what happens within it is not a deadline's doing.
const SOON: Duration = Duration::from_secs(20);

/// A request whose client sends nothing more.
const HALF_A_BODY: &[u8] =
    b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";

async fn start(places: usize) -> Server {
    let mut setup = Setup::default();
    setup.options.connections.connections = places;
    setup.start().await
}

/// A connection that has had the cheapest answer there is, and is idle.
async fn answered(server: &Server) -> TlsStream<TcpStream> {
    let mut stream = server.connect().await;
    send(&mut stream, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(read_response(&mut stream).await.unwrap().status, 404);
    stream
}

/// Whether the connection is still there for a review.
async fn is_served(stream: &mut TlsStream<TcpStream>) -> bool {
    send(stream, &request(REVIEW)).await;
    read_response(stream).await.is_ok_and(|answer| is_injected(&answer))
}

/// Asserts that somebody makes room for a client that comes now.
async fn assert_room(server: &Server) {
    let fresh = timeout(SOON, server.review(REVIEW)).await;
    assert!(is_injected(&fresh.expect("room was made for a new client")));
}

#[tokio::test]
async fn the_cap_holds_while_answers_are_made() {
    let mut setup = Setup::default();
    setup.options.connections.connections = 3;
    // Less than these reviews need: each waits for its part of the budget with its last byte.
    setup.options.bodies.all = 16 << 10;
    let review = request(&review_of_size((16 << 10) + 1));
    let server = setup.start().await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = answered(&server).await;
        send(&mut stream, &review).await;
        open.push(stream);
    }
    // A round trip, after which the server has seen what was sent.
    assert_eq!(server.metric("gomemlimit_connections").await, 3);
    // The kernel takes the fourth, but nobody talks to it.
    let mut fourth = Box::pin(server.connect());
    assert!(timeout(Duration::from_millis(800), &mut fourth).await.is_err());
    assert_eq!(server.metric("gomemlimit_connections").await, 3);
    open.pop();
    let _fourth = timeout(SOON, fourth).await.expect("its turn");
    assert_eq!(server.metric("gomemlimit_connections").await, 3);
}

#[tokio::test]
async fn at_the_cap_the_connection_idle_longest_makes_room() {
    let server = start(3).await;
    let mut idle = Vec::new();
    for _ in 0..3 {
        let mut stream = server.connect().await;
        assert!(is_served(&mut stream).await);
        // Idle in this order.
        sleep(Duration::from_millis(20)).await;
        idle.push(stream);
    }
    assert_room(&server).await;
    let mut idle = idle.into_iter();
    until_closed(&mut idle.next().unwrap()).await;
    for mut stream in idle {
        assert!(is_served(&mut stream).await, "the others stay");
    }
}

/// A handshake costs less than a request that meets a closing connection.
#[tokio::test]
async fn at_the_cap_a_connection_that_was_never_used_makes_room_first() {
    let server = start(5).await;
    let mut used = Vec::new();
    for _ in 0..4 {
        used.push(answered(&server).await);
    }
    let mut unused = server.connect().await;
    // Its request could be on the way at first.
    sleep(Duration::from_secs(1)).await;
    assert_room(&server).await;
    until_closed(&mut unused).await;
    for mut stream in used {
        assert!(is_served(&mut stream).await, "those that were used stay");
    }
}

#[rstest]
#[case::silent_before_tls(false, b"")]
#[case::silent_after_tls(true, b"")]
#[case::slow_head(true, b"POST /mutate HTTP/1.1\r\nHost: x\r\n")]
#[case::slow_body(true, HALF_A_BODY)]
#[tokio::test]
async fn clients_that_never_come_to_an_answer_drive_nobody_out(
    #[case] tls: bool,
    #[case] sent: &'static [u8],
) {
    let server = start(4).await;
    let mut kept = server.connect().await;
    assert!(is_served(&mut kept).await);

    // More than there are places, one after the other for as long as this lasts; no timeout ends them.
    let mut hostile = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (webhook, pair) = (server.webhook, server.pair.clone());
        hostile.spawn(async move {
            if tls {
                let mut stream = connect(webhook, &pair).await?;
                stream.write_all(sent).await?;
                until_closed(&mut stream).await;
            } else {
                until_closed(&mut TcpStream::connect(webhook).await?).await;
            }
            Ok::<_, std::io::Error>(())
        });
    }
    server.wait_for_metric("gomemlimit_connections", 4).await;
    assert_room(&server).await;
    assert!(is_served(&mut kept).await, "the one that is kept stays");
}

/// One cheap answer does not make a connection immune.
#[rstest]
#[case::head(b"P")]
#[case::body(HALF_A_BODY)]
#[tokio::test]
async fn clients_that_stall_after_an_answer_drive_nobody_out(#[case] sent: &'static [u8]) {
    let server = start(4).await;
    let mut stalled = Vec::new();
    for _ in 0..4 {
        let mut stream = answered(&server).await;
        send(&mut stream, sent).await;
        stalled.push(stream);
    }
    // A round trip, after which the server has seen what was sent.
    assert_eq!(server.metric("gomemlimit_connections").await, 4);
    assert_room(&server).await;
    // The one that has been silent longest has gone; there is an idle one in its place now.
    until_closed(&mut stalled.remove(0)).await;
    let mut kept = server.connect().await;
    assert!(is_served(&mut kept).await);
    assert_room(&server).await;
    assert!(is_served(&mut kept).await, "the one that is idle stays");
}

/// A byte now and then, as long as somebody takes them.
async fn drip(stream: &mut TlsStream<TcpStream>, bytes: &mut slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next()
        && stream.write_all(&[*byte]).await.is_ok()
        && stream.flush().await.is_ok()
    {
        sleep(Duration::from_millis(20)).await;
    }
    pending::<()>().await;
}

#[tokio::test]
async fn a_body_that_moves_is_the_last_to_make_room() {
    let server = start(2).await;
    let (mut stalled, mut moving) = (answered(&server).await, answered(&server).await);
    // The one that moves began first. A round trip after each, so that the server sees them one by one.
    let mut bytes = REVIEW.iter();
    send(&mut moving, head(REVIEW.len()).as_bytes()).await;
    server.wait_for_metric("gomemlimit_connections", 2).await;
    send(&mut stalled, HALF_A_BODY).await;
    server.wait_for_metric("gomemlimit_connections", 2).await;
    send(&mut moving, &[*bytes.next().unwrap()]).await;
    server.wait_for_metric("gomemlimit_connections", 2).await;
    let later = async {
        sleep(Duration::from_millis(500)).await;
        assert_room(&server).await;
    };
    select! {
        () = later => {}
        () = drip(&mut moving, &mut bytes) => {}
    }
    until_closed(&mut stalled).await;
    send(&mut moving, bytes.as_slice()).await;
    assert!(is_injected(&read_response(&mut moving).await.unwrap()), "the one that moves stays");

    let server = start(1).await;
    let mut moving = answered(&server).await;
    send(&mut moving, head(REVIEW.len()).as_bytes()).await;
    let mut bytes = REVIEW.iter();
    select! {
        () = assert_room(&server) => {}
        () = drip(&mut moving, &mut bytes) => {}
    }
}

/// What clients of a plain port do that never come to an end, on one connection after the other.
#[derive(Clone, Copy)]
enum Abuse {
    /// Nothing.
    Silent,
    /// Send a byte of a head every millisecond.
    Drip,
    /// Ask for something large and read nothing of it.
    NeverRead,
    /// Announce a body that never comes.
    NoBody,
    /// Send one request after the other and read nothing.
    Pipeline,
}

async fn abuse(address: SocketAddr, how: Abuse) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    let mut stream = socket.connect(address).await?;
    match how {
        Abuse::Silent => {}
        Abuse::Drip => loop {
            stream.write_all(b"x").await?;
            sleep(Duration::from_millis(1)).await;
        },
        Abuse::NeverRead => {
            stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await?;
            sleep(SOON).await;
        }
        Abuse::NoBody => {
            stream.write_all(b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n").await?;
        }
        Abuse::Pipeline => loop {
            stream.write_all(&b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100)).await?;
        },
    }
    until_closed(&mut stream).await;
    Ok(())
}

/// No deadline ends them: that the oldest make room is what helps.
#[rstest]
#[tokio::test]
async fn on_a_port_for_probes_the_oldest_make_room(
    #[values(Abuse::Silent, Abuse::Drip, Abuse::NeverRead, Abuse::NoBody, Abuse::Pipeline)] how: Abuse,
) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let router = Router::new()
        .route("/livez", routing::get(async || "ok\n"))
        .route("/large", routing::get(async || "x".repeat(8 << 20)));
    let limits = ConnectionLimits {
        connections: 8,
        eviction: Eviction::OldestFirst { grace: Duration::from_millis(50) },
        keep_alive: false,
        ..Setup::default().options.connections
    };
    let (stop, metrics) = (Stop::default(), Metrics::default());
    let listener = Listener { tcp, tls: None, router, limits, stop, metrics };
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(listener.run());
    for _ in 0..40 {
        tasks.spawn(async move {
            loop {
                // Reset or closed: the next one.
                let _ = abuse(address, how).await;
            }
        });
    }
    // Until they have come.
    sleep(Duration::from_millis(50)).await;
    for _ in 0..5 {
        let (status, _) = timeout(SOON, get(address, "/livez")).await.expect("a place");
        assert_eq!(status, 200);
    }
}
