//! Watches that end, break or never begin.

use std::{io, time::Duration};

use gomemlimit_fake_api_server::{FakeApiServer, Fault, Verb};
use rstest::rstest;
use tokio::time::sleep;

use super::{Cluster, HOUR, Mode, POLLS_AN_HOUR, SETTLED};

#[rstest]
#[case::ended(FakeApiServer::end_watches)]
#[case::broken(FakeApiServer::break_watches)]
#[case::expired(FakeApiServer::expire_watches)]
#[tokio::test(start_paused = true)]
async fn a_watch_that_is_cut_is_resumed(
    #[case] cut: fn(&FakeApiServer),
    #[values(Mode::Replica, Mode::Separate)] mode: Mode,
) {
    let cluster = Cluster::settled(mode).await;
    for _ in 0..3 {
        cut(&cluster.api);
        cluster.api.overwrite_bundle();
        // A longer pause than watches ever make.
        sleep(Duration::from_secs(12)).await;
        assert!(cluster.api.is_published(), "what happened meanwhile is seen");
    }
    cluster.settle_and_rest().await;
}

#[rstest]
#[case::refused(Fault::Refused(503, "starting"), 1_000)]
#[case::forbidden(Fault::Refused(403, "no right"), 1_000)]
#[case::broken(Fault::Broken(io::ErrorKind::ConnectionRefused), 1_000)]
#[case::without_an_answer(Fault::Silence, 1_000)]
// kube's watcher asks again at once, which only the client's rate bounds.
#[case::ended(Fault::Ended, 18_020)]
#[tokio::test(start_paused = true)]
async fn watches_that_always_fail_are_tried_again_with_pauses(
    #[case] fault: Fault,
    #[case] most: usize,
    #[values(Verb::List, Verb::Watch)] verb: Verb,
    #[values(Mode::Replica, Mode::Separate)] mode: Mode,
) {
    if (&fault, verb) == (&Fault::Ended, Verb::List) {
        return;
    }
    let watches = if mode == Mode::Separate { 3 } else { 2 };
    let cluster = Cluster::settled(mode).await;
    let ended = fault == Fault::Ended;
    cluster.api.fail(move |call| (call.verb == verb).then(|| fault.clone()));
    // Then all is listed again.
    cluster.api.expire_watches();
    sleep(SETTLED).await;
    let (calls, polls) = (cluster.api.calls(), cluster.polls()[0]);
    sleep(HOUR).await;
    let calls = cluster.api.calls() - calls;
    assert!((240..=watches * most).contains(&calls), "{calls} calls in an hour");
    assert_eq!(cluster.troubles().len(), if ended { 0 } else { watches }, "{:?}", cluster.troubles());
    let polls = cluster.polls()[0] - polls;
    assert!(polls <= 3 * calls + POLLS_AN_HOUR, "{polls} polls in an hour");
    cluster.api.fail(|_| None);
    cluster.settle_and_rest().await;
}
