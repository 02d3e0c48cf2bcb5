//! The limits of request bodies and answers: the size of each, the budget of all, the time to arrive in.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use gomemlimit_test_server::{
    LONG, Pair, REVIEW, Setup, connect, head, is_injected, read_response, review_of_size, send, until_closed,
};
use rstest::rstest;
use tokio::io::AsyncWriteExt;

/// A client that sends its whole request before it reads gets the answer, which a reset would take from it.
#[rstest]
#[case::not_json("application/yaml", 4 << 20, 415)]
#[case::too_large("application/json", 8 << 20, 413)]
#[case::no_room("application/json", 3 << 20, 503)]
#[tokio::test]
async fn what_the_client_still_sends_is_taken(
    #[case] content_type: &str,
    #[case] length: usize,
    #[case] status: u16,
) {
    let mut setup = Setup::default();
    setup.options.bodies.all = 10 << 20;
    setup.options.bodies.budget_wait = Duration::from_millis(100);
    let server = setup.start().await;
    let mut greedy = server.begin(7 << 20, &vec![b' '; 20 << 10]).await;
    server.wait_for_metric(BODIES, 7 << 20).await;
    let taken = async {
        let mut stream = server.connect().await;
        let head = format!(
            "POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        );
        send(&mut stream, head.as_bytes()).await;
        send(&mut stream, &vec![b' '; length]).await;
        let answer = read_response(&mut stream).await.unwrap();
        assert_eq!(answer.status, status);
        assert!(answer.closes(), "{}", answer.head);
    };
    tokio::select! {
        () = taken => {}
        () = go_on(&mut greedy) => {}
    }
}

/// Sends more of a body of 7 MiB, slowly but surely.
async fn go_on(stream: &mut (impl AsyncWriteExt + Unpin)) {
    for _ in 0..220 {
        send(stream, &vec![b' '; 32 << 10]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_body_at_the_limit_is_answered_and_one_above_it_is_not() {
    let server = Setup::default().start().await;
    let largest = server.review(&review_of_size(7 << 20)).await;
    assert!(is_injected(&largest));
    let declared = server.review(&review_of_size((7 << 20) + 1)).await;
    assert_eq!(declared.status, 413);
    let eight_mib = server.review(&vec![b'x'; 8 << 20]).await;
    assert_eq!(eight_mib.status, 413);

    // Without a declared length it is noticed on the way.
    let mut stream = server.connect().await;
    send(&mut stream, CHUNKED).await;
    for _ in 0..8 {
        send(&mut stream, b"100000\r\n").await;
        send(&mut stream, &vec![b' '; 1 << 20]).await;
        send(&mut stream, b"\r\n").await;
    }
    send(&mut stream, b"0\r\n\r\n").await;
    assert_eq!(read_response(&mut stream).await.unwrap().status, 413);
    assert_eq!(server.metric("gomemlimit_bodies_in_flight_bytes").await, 0);
}

const CHUNKED: &[u8] =
    b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

const INJECTED: &str = r#"gomemlimit_decisions_total{decision="set",reason="injected"}"#;
const BODIES: &str = "gomemlimit_bodies_in_flight_bytes";

#[tokio::test]
async fn past_the_budget_a_large_request_is_told_to_try_again_and_small_ones_go_on() {
    let mut setup = Setup::default();
    setup.options.bodies.all = 10 << 20;
    setup.options.bodies.budget_wait = Duration::from_millis(200);
    let server = setup.start().await;
    // Reserves nearly everything when it has sent a little.
    let mut greedy = server.begin(7 << 20, &vec![b' '; 20 << 10]).await;
    server.wait_for_metric(BODIES, 7 << 20).await;

    let others = async {
        let refused = server.review(&review_of_size(1 << 20)).await;
        assert_eq!(refused.status, 503);
        assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
        assert!(is_injected(&server.review(REVIEW).await), "a quarter is kept for small bodies");
    };
    tokio::select! {
        () = others => {}
        () = go_on(&mut greedy) => {}
    }

    drop(greedy);
    server.wait_for_metric(BODIES, 0).await;
    assert!(is_injected(&server.review(&review_of_size(1 << 20)).await));
}

#[tokio::test]
async fn clients_that_send_nothing_reserve_nothing() {
    let mut setup = Setup::default();
    setup.options.bodies.budget_wait = Duration::from_millis(200);
    let server = setup.start().await;
    let mut mute = Vec::new();
    for length in [7 << 20, 200 << 10].repeat(20) {
        mute.push(server.begin(length, b"").await);
    }
    assert!(is_injected(&server.review(REVIEW).await));
    assert!(is_injected(&server.review(&review_of_size(7 << 20)).await));
    assert_eq!(server.metric(BODIES).await, 0);
}

#[tokio::test]
async fn a_body_reserves_nothing_at_first_and_then_all_of_itself() {
    let server = Setup::default().start().await;
    let mut small = server.begin(200 << 10, &vec![b' '; 16 << 10]).await;
    assert!(is_injected(&server.review(REVIEW).await));
    assert_eq!(server.metric(BODIES).await, 0);
    send(&mut small, b" ").await;
    server.wait_for_metric(BODIES, 200 << 10).await;
    drop(small);
    server.wait_for_metric(BODIES, 0).await;

    // It may become as large as any.
    let mut chunked = server.connect().await;
    send(&mut chunked, CHUNKED).await;
    send(&mut chunked, b"4001\r\n").await;
    send(&mut chunked, &vec![b' '; 0x4001]).await;
    send(&mut chunked, b"\r\n").await;
    server.wait_for_metric(BODIES, 7 << 20).await;
}

/// So much of a body that it has a place in the budget.
const BEGUN: usize = 17 << 10;

/// What a client of a body does that never comes to an end.
#[derive(Clone, Copy)]
enum Stalling {
    /// Sends this number of bytes of a body of 255 KiB, then nothing.
    After(usize),
    /// Sends a byte now and then.
    Drips,
}

async fn stall(server: SocketAddr, pair: Pair, how: Stalling) {
    let Ok(mut stream) = connect(server, &pair).await else { return };
    let request = match how {
        Stalling::After(bytes) => [head(255 << 10).as_bytes(), &vec![b' '; bytes]].concat(),
        Stalling::Drips => [head(255 << 10).as_bytes(), &vec![b' '; BEGUN]].concat(),
    };
    let _ = stream.write_all(&request).await;
    match how {
        Stalling::After(_) => drop(until_closed(&mut stream).await),
        Stalling::Drips => {
            while stream.write_all(b" ").await.is_ok() && stream.flush().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// Well before their deadline.
#[rstest]
#[case::with_little_sent(Stalling::After(BEGUN))]
#[case::with_nearly_all_sent(Stalling::After(254 << 10))]
#[case::sending_on(Stalling::Drips)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_stall_with_a_place_in_the_budget_keep_nobody_waiting(#[case] how: Stalling) {
    let mut setup = Setup::default();
    setup.options.bodies.arrival = Duration::from_secs(10);
    // A quarter has eight of them.
    (setup.options.bodies.one, setup.options.bodies.all) = (1 << 20, 8 << 20);
    let server = setup.start().await;
    let mut hostile = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (address, pair) = (server.webhook, server.pair.clone());
        hostile.spawn(async move {
            loop {
                stall(address, pair.clone(), how).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    let started = Instant::now();
    while server.metric(BODIES).await < 1 << 20 {
        assert!(started.elapsed() < LONG, "{}", server.metric(BODIES).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for size in [17 << 10, 250 << 10] {
        let review = review_of_size(size);
        let answer = tokio::time::timeout(LONG / 2, server.review(&review)).await;
        assert!(is_injected(&answer.expect("a place in the budget")), "{size}");
    }
}

#[tokio::test]
async fn who_is_slow_and_goes_on_keeps_its_place_and_who_stalls_does_not() {
    let mut setup = Setup::default();
    setup.options.bodies.arrival = Duration::from_secs(10);
    // Two of 255 KiB.
    (setup.options.bodies.one, setup.options.bodies.all) = (1 << 20, 2 << 20);
    let server = setup.start().await;
    let review = review_of_size(255 << 10);
    let (begun, rest) = review.split_at(BEGUN);
    let mut stalled = server.begin(review.len(), begun).await;
    let sending = async {
        let mut slow = server.begin(review.len(), begun).await;
        for piece in rest.chunks(8 << 10) {
            tokio::time::sleep(Duration::from_millis(30)).await;
            send(&mut slow, piece).await;
        }
        read_response(&mut slow).await.unwrap()
    };
    let other = async {
        server.wait_for_metric(BODIES, 2 * (255 << 10)).await;
        server.review(&review).await
    };
    let (slow, other) = tokio::join!(sending, other);
    assert!(is_injected(&slow) && is_injected(&other));
    until_closed(&mut stalled).await;
}

/// Answers have their place, too: one that is not read stays in memory.
#[tokio::test]
async fn an_answer_for_which_there_is_no_room_is_not_kept() {
    let mut setup = Setup::default();
    // A quarter has 350 KiB, and the answer 400.
    (setup.options.bodies.one, setup.options.bodies.all) = (1 << 20, 1400 << 10);
    let server = setup.start().await;
    let review = gomemlimit_adversarial_reviews::answered_at_length();
    let greedy = server.begin(1 << 20, &vec![b' '; 20 << 10]).await;
    server.wait_for_metric(BODIES, 1 << 20).await;
    let refused = server.review(review.as_bytes()).await;
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
    // What the client did not get has not been decided.
    assert_eq!(server.metric(INJECTED).await, 0);
    assert!(is_injected(&server.review(REVIEW).await));
    assert_eq!(server.metric(INJECTED).await, 1);

    // With room it is answered, and the room is there again afterwards.
    drop(greedy);
    server.wait_for_metric(BODIES, 0).await;
    let answer = server.review(review.as_bytes()).await;
    assert!(answer.status == 200 && answer.body.len() > 350 << 10, "{}", answer.body.len());
    assert_eq!(server.metric(INJECTED).await, 1001);
    server.wait_for_metric(BODIES, 0).await;
}

/// Whatever can be asked can be answered, since nobody would try for ever.
#[tokio::test]
async fn an_answer_that_is_larger_than_the_budget_takes_all_of_it() {
    let mut setup = Setup::default();
    let review = gomemlimit_adversarial_reviews::answered_at_length();
    setup.options.bodies.one = review.len();
    setup.options.bodies.all = review.len() / 3 * 4 + 4096;
    let budget = setup.options.bodies.all;
    let server = setup.start().await;
    let answer = server.review(review.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.len() > budget, "{} and {budget}", answer.body.len());
    server.wait_for_metric(BODIES, 0).await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let mut setup = Setup::default();
    setup.options.bodies.arrival = Duration::from_millis(200);
    let server = setup.start().await;
    let mut slow = server.begin(REVIEW.len(), &REVIEW[..100]).await;
    assert_eq!(read_response(&mut slow).await.unwrap().status, 408);
    assert_eq!(server.metric("gomemlimit_bodies_in_flight_bytes").await, 0);
}
