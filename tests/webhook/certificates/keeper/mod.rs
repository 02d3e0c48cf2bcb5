//! The certificate keeper against an API server in memory that fails, with a clock that jumps to whatever is waited for
//! next: hours pass in a moment, and what happens without a reason is counted.

mod deposits;
mod revoked;
mod watches;

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, http::Request};
use base64::{Engine, prelude::BASE64_STANDARD};
use gomemlimit::{
    certs::CertificateSettings,
    cluster::client::over,
    controller::certificates::{CertificateKeeper, LeafDestination, ObjectNames},
    metrics::Metrics,
    serve::{
        readiness::{Degraded, Flag},
        tls::{Credentials, Serving},
    },
};
use gomemlimit_fake_api_server::{
    CONFIGURATION, Call, FakeApiServer, Fault, NAMESPACE, Resource, SECRET, SERVING_SECRET, Verb,
};
use rstest::rstest;
use serde_json::Value;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tower::service_fn;

use super::fixture::accepts;

const TICK: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_hours(24);
/// Until all pauses are over and everything is as it should be.
const SETTLED: Duration = Duration::from_mins(10);
const HOUR: Duration = Duration::from_hours(1);
/// Polls of a keeper in an hour at rest: one a tick, and a few each time that the API server ends the watches.
const POLLS_AN_HOUR: usize = 300;
/// Polls at one instant that only a future has which does not wait.
const SPIN: usize = 30;

/// How often a future was polled: what it costs. To wait costs nothing, however long it takes.
#[derive(Default)]
struct Polls {
    all: AtomicUsize,
    spins: AtomicBool,
}

struct PollCounter {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    polls: Arc<Polls>,
    last: (Instant, usize),
}

impl Future for PollCounter {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.polls.all.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        self.last = if self.last.0 == now { (now, self.last.1 + 1) } else { (now, 1) };
        if self.last.1 > SPIN {
            // It is not polled, so that the clock goes on and the test can fail.
            self.polls.spins.store(true, Ordering::Relaxed);
            return Poll::Pending;
        }
        self.future.as_mut().poll(context)
    }
}

struct Replica {
    polls: Arc<Polls>,
    trusted: Flag,
    degraded: Degraded,
}

/// Who keeps certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Each replica its own.
    Replica,
    /// One, or two for a while, for all replicas.
    Separate,
}

struct Cluster {
    mode: Mode,
    api: FakeApiServer,
    replicas: Vec<Replica>,
    _tasks: JoinSet<()>,
}

impl Cluster {
    /// An API server that fails by `rule`, and this number of keepers that have just been started.
    fn start(mode: Mode, replicas: usize, rule: impl FnMut(&Call) -> Option<Fault> + Send + 'static) -> Self {
        let api = FakeApiServer::default();
        api.fail(rule);
        let mut tasks = JoinSet::new();
        let replicas = (0..replicas).map(|replica| start(mode, &api, replica, &mut tasks)).collect();
        Self { mode, api, replicas, _tasks: tasks }
    }

    /// One keeper that has come to rest.
    async fn settled(mode: Mode) -> Self {
        let cluster = Self::start(mode, 1, |_| None);
        cluster.settle().await;
        cluster
    }

    fn writes_of_leaf(&self) -> usize {
        self.api.count(Verb::Update, Resource::ServingSecrets)
    }

    /// The certificate that replicas mount is one that the live CA bundle verifies.
    fn check_leaf(&self) {
        if self.mode == Mode::Replica {
            assert_eq!(self.api.data(Resource::ServingSecrets), Value::Null, "nobody's");
            return;
        }
        let data = self.api.data(Resource::ServingSecrets);
        let leaf = Credentials::from_pem(&decoded(&data["tls.crt"]), &decoded(&data["tls.key"]), now());
        assert!(accepts(&decoded(&self.api.bundle()), &server_name(), &leaf.unwrap(), now()));
    }

    fn troubles(&self) -> Vec<String> {
        self.replicas.iter().flat_map(|replica| replica.degraded.load().to_vec()).collect()
    }

    /// After a while all is well.
    async fn settle(&self) {
        sleep(SETTLED).await;
        self.check_spins();
        assert!(self.api.is_published(), "the CA bundle is published");
        self.check_leaf();
        assert!(self.replicas.iter().all(|replica| replica.trusted.load(Ordering::Relaxed)), "trusted");
        assert_eq!(self.troubles(), [""; 0]);
    }

    fn check_spins(&self) {
        let spins = |replica: &Replica| replica.polls.spins.load(Ordering::Relaxed);
        assert!(!self.replicas.iter().any(spins), "a keeper goes round and round without waiting");
    }

    fn polls(&self) -> Vec<usize> {
        self.replicas.iter().map(|replica| replica.polls.all.load(Ordering::Relaxed)).collect()
    }

    /// Nobody does anything for an hour but look at the clock.
    async fn rest(&self) {
        let (before, calls) = (self.polls(), self.api.calls());
        sleep(HOUR).await;
        self.check_spins();
        let polls: Vec<_> = self.polls().iter().zip(before).map(|(after, before)| after - before).collect();
        assert!(polls.iter().all(|polls| *polls <= POLLS_AN_HOUR), "{polls:?} polls in an hour at rest");
        // All watches of each keeper, every 290 s.
        let calls = self.api.calls() - calls;
        let watches = if self.mode == Mode::Separate { 3 } else { 2 };
        assert!(calls <= 13 * watches * self.replicas.len(), "{calls} calls in an hour at rest");
    }

    async fn settle_and_rest(&self) {
        self.settle().await;
        self.rest().await;
    }
}

fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

fn server_name() -> String {
    format!("gomemlimit.{NAMESPACE}.svc")
}

fn decoded(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn start(mode: Mode, api: &FakeApiServer, replica: usize, tasks: &mut JoinSet<()>) -> Replica {
    let api = api.clone();
    let answer = move |request: Request<kube::client::Body>| {
        let api = api.clone();
        async move { api.answer(replica, request.map(Body::new)).await }
    };
    let settings = CertificateSettings {
        server_name: server_name(),
        ca_lifetime: DAY * 365,
        leaf_lifetime: DAY * 7,
        publish_delay: Duration::from_mins(10),
    };
    let places = ObjectNames {
        namespace: NAMESPACE.to_owned(),
        secret: SECRET.to_owned(),
        configuration: CONFIGURATION.to_owned(),
    };
    let destination = match mode {
        Mode::Replica => LeafDestination::Served(Serving::none_yet(Metrics::default())),
        Mode::Separate => LeafDestination::Secret(SERVING_SECRET.to_owned()),
    };
    let client = over(service_fn(answer), NAMESPACE);
    let keeper = CertificateKeeper::new(client, settings, places, TICK, destination, Metrics::default());
    let (trusted, degraded) = (keeper.trusted.clone(), keeper.degraded.clone());
    let polls = Arc::<Polls>::default();
    tasks.spawn(PollCounter {
        future: Box::pin(keeper.run()),
        polls: polls.clone(),
        last: (Instant::now(), 0),
    });
    Replica { polls, trusted, degraded }
}

/// The first such requests of a replica, up to this number.
fn first(
    times: usize,
    (replica, verb, resource): (usize, Verb, Resource),
    fault: Fault,
) -> impl FnMut(&Call) -> Option<Fault> + Send + 'static {
    move |call| {
        let is_one = call.replica == replica && call.verb == verb && call.resource == resource;
        (is_one && call.before < times).then(|| fault.clone())
    }
}

const BUNDLE: (usize, Verb, Resource) = (0, Verb::Patch, Resource::Configurations);
const CA: (usize, Verb, Resource) = (0, Verb::Update, Resource::Secrets);
const LEAF: (usize, Verb, Resource) = (0, Verb::Update, Resource::ServingSecrets);

#[rstest]
#[tokio::test(start_paused = true)]
async fn nothing_fails(#[values(Mode::Replica, Mode::Separate)] mode: Mode) {
    let cluster = Cluster::start(mode, 2, |_| None);
    cluster.settle_and_rest().await;
    let patches = cluster.api.count(Verb::Patch, Resource::Configurations);
    assert!((1..=2).contains(&patches), "{patches}: one each, unless the other was faster");
}

#[rstest]
#[case::not_done(Fault::Refused(500, "leader changed"))]
#[case::done_and_the_answer_lost(Fault::AnswerLost(500, "leader changed"))]
#[case::overloaded(Fault::Refused(429, "too many requests"))]
#[case::no_answer(Fault::Silence)]
#[case::connection_broken(Fault::Broken(io::ErrorKind::ConnectionReset))]
#[tokio::test(start_paused = true)]
async fn a_write_that_fails_is_tried_again_and_then_there_is_rest(
    #[case] fault: Fault,
    #[values((Mode::Replica, BUNDLE), (Mode::Replica, CA), (Mode::Separate, BUNDLE), (Mode::Separate, CA), (Mode::Separate, LEAF))]
    (mode, write): (Mode, (usize, Verb, Resource)),
    #[values(1, 6)] times: usize,
) {
    let cluster = Cluster::start(mode, 1, first(times, write, fault));
    cluster.settle_and_rest().await;
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_write_that_failed_and_that_another_replica_did_is_not_waited_for(
    #[values(Mode::Replica, Mode::Separate)] mode: Mode,
) {
    let cluster = Cluster::start(mode, 2, first(1, BUNDLE, Fault::Refused(500, "leader changed")));
    cluster.settle_and_rest().await;
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_conflict_is_won_by_another_replica(#[values(Mode::Replica, Mode::Separate)] mode: Mode) {
    // Both have read the empty Secret when the first writes it.
    let cluster = Cluster::start(mode, 2, |_| None);
    cluster.settle_and_rest().await;
    // The second is refused, and may be once more until it has seen what the first wrote.
    let writes = cluster.api.count(Verb::Update, Resource::Secrets);
    assert!((2..=4).contains(&writes), "{writes}");
    for write in [CA, LEAF] {
        let conflict = first(1, write, Fault::Refused(409, "the object has been modified"));
        Cluster::start(mode, 1, conflict).settle_and_rest().await;
    }
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn somebody_who_overwrites_the_bundle_and_gives_up(
    #[values(Mode::Replica, Mode::Separate)] mode: Mode,
) {
    let cluster = Cluster::start(mode, 2, |_| None);
    cluster.settle().await;
    for _ in 0..12 {
        cluster.api.overwrite_bundle();
        sleep(Duration::from_secs(1)).await;
    }
    cluster.settle_and_rest().await;
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn somebody_who_never_gives_up_is_answered_once_a_tick_in_the_end(
    #[values(Mode::Replica, Mode::Separate)] mode: Mode,
) {
    let cluster = Cluster::settled(mode).await;
    let overwrite = async |times: u32| {
        let before = cluster.api.count(Verb::Patch, Resource::Configurations);
        for _ in 0..times {
            cluster.api.overwrite_bundle();
            sleep(Duration::from_secs(1)).await;
        }
        cluster.api.count(Verb::Patch, Resource::Configurations) - before
    };
    let first = overwrite(120).await;
    assert!((10..=20).contains(&first), "{first} writes in two minutes");
    let then = overwrite(3600).await;
    assert!((100..=130).contains(&then), "{then} writes in an hour, a tick is {TICK:?}");
    cluster.settle_and_rest().await;
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn an_api_server_that_fails_for_an_hour_is_asked_once_a_tick_in_the_end(
    #[values(Mode::Replica, Mode::Separate)] mode: Mode,
) {
    let cluster = Cluster::settled(mode).await;
    cluster.api.fail(|call| (call.verb == Verb::Patch).then_some(Fault::Refused(500, "leader changed")));
    cluster.api.overwrite_bundle();
    sleep(HOUR).await;
    let before = cluster.api.count(Verb::Patch, Resource::Configurations);
    assert_eq!(cluster.troubles(), ["the API server answered 500: leader changed"]);
    sleep(HOUR).await;
    let writes = cluster.api.count(Verb::Patch, Resource::Configurations) - before;
    assert!((100..=121).contains(&writes), "{writes} writes in an hour, a tick is {TICK:?}");
    cluster.api.fail(|_| None);
    cluster.settle_and_rest().await;
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn what_is_deleted_while_a_write_is_tried_again(
    #[values((Mode::Replica, Resource::Secrets), (Mode::Replica, Resource::Configurations),
        (Mode::Separate, Resource::Secrets), (Mode::Separate, Resource::Configurations),
        (Mode::Separate, Resource::ServingSecrets))]
    (mode, deleted): (Mode, Resource),
) {
    let cluster = Cluster::settled(mode).await;
    cluster.api.fail(|call| (call.verb == Verb::Patch).then_some(Fault::Refused(500, "leader changed")));
    cluster.api.overwrite_bundle();
    sleep(Duration::from_secs(5)).await;
    cluster.api.delete(deleted);
    if deleted == Resource::Configurations {
        sleep(SETTLED).await;
        cluster.rest().await;
    }
    cluster.api.fail(|_| None);
    sleep(SETTLED).await;
    let [trouble] = &cluster.troubles()[..] else { panic!("{:?}", cluster.troubles()) };
    assert!(trouble.contains("does not exist"), "{trouble}");
    cluster.rest().await;
    cluster.api.create(deleted);
    cluster.settle_and_rest().await;
}
