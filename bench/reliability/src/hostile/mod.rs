//! Clients that mean harm, each kind against a process of its own, while honest ones are measured.

mod adversarial_reviews;
mod bodies;
mod crowd;
mod framing;
mod handshakes;
mod hello;
mod log;
mod pipelining;
mod plain_port;
mod slow;

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Result;
use futures::future::BoxFuture;
use gomemlimit_reliability::process::{Case, Hostile, Scenario};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    client::{Client, Target},
    honest::{ClientCounts, Manner, TIMEOUT, Team},
    program::{Log, Program, leftovers},
    review::Review,
    trust::{Authority, Mount},
};

/// Requests a second of honest clients: on connections that they keep, and with a new one for each.
const KEPT_RATE: u64 = 200;
const KEPT: u64 = 4;
const FRESH_RATE: u64 = 10;

/// Reviews a second that need a place in the budget for bodies, each from a client of its own, where they are promised.
const LARGE_RATE: u64 = 5;

/// The beginning of a request, without what it says of its body.
const HEAD: &str = "POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";

/// What the chart gives a replica: `resources.limits.memory`.
const MAX_MEMORY_KIB: u64 = 96 << 10;

/// Bytes of a review that needs a place in the budget for bodies.
const LARGE_REVIEW: usize = 200 << 10;

/// How long honest clients are alone.
const LEAD: Duration = Duration::from_millis(500);

/// What an attack may know.
pub struct Scene {
    pub target: Target,
    /// The port for probes and metrics.
    pub admin: SocketAddr,
    /// Timeout of the program for a handshake, a head and a body.
    pub timeout: Duration,
    /// Until when clients come again.
    pub length: Duration,
}

impl Scene {
    /// Maximum time to wait for a connection to be closed.
    pub fn deadline(&self) -> Duration {
        self.timeout * 2 + Duration::from_secs(20)
    }
}

/// The head of a review, and what it gives as the length of its body.
pub fn head(length: usize) -> String {
    format!("{HEAD}Content-Length: {length}\r\n\r\n")
}

/// A whole request, after which the server closes the connection if `is_last`.
pub fn request(body: &[u8], is_last: bool) -> Vec<u8> {
    let last = if is_last { "Connection: close\r\n" } else { "" };
    let head = format!("{HEAD}{last}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// What became of hostile clients.
#[derive(Default)]
pub struct Found {
    pub outcomes: BTreeMap<String, u64>,
    pub cases: Vec<Case>,
    /// Promises that were broken, and how often.
    pub violations: BTreeMap<String, u64>,
}

impl Found {
    pub fn count(&mut self, outcome: String) {
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    /// A form with a line of its own, the first time that it is sent.
    pub fn case(&mut self, name: &str, outcome: String) {
        if self.cases.iter().all(|case| case.name != name) {
            self.cases.push(Case { name: name.to_owned(), outcome });
        }
    }

    pub fn violation(&mut self, violation: String) {
        *self.violations.entry(violation).or_default() += 1;
    }
}

type Attack = dyn Fn(Arc<Scene>) -> BoxFuture<'static, Result<Found>>;

/// One kind of hostility.
pub struct AttackCase {
    pub name: &'static str,
    /// In the words of the page.
    pub attack: &'static str,
    pub run: Box<Attack>,
    /// Flags of the program besides the usual.
    pub flags: &'static [&'static str],
    /// File descriptors that the program gets.
    pub file_descriptors: Option<u32>,
    pub log: Log,
    /// Whether new connections have to be answered in time, too. Where there is no place or no file descriptor for
    /// them, nobody can.
    pub fresh_promised: bool,
    /// Whether reviews of 200 KiB are sent as well, and have to be answered in time.
    pub large_promised: bool,
}

impl AttackCase {
    pub fn new<F>(name: &'static str, attack: &'static str, run: impl Fn(Arc<Scene>) -> F + 'static) -> Self
    where
        F: Future<Output = Result<Found>> + Send + 'static,
    {
        Self {
            name,
            attack,
            run: Box::new(move |scene| Box::pin(run(scene))),
            flags: &[],
            file_descriptors: None,
            log: Log::Read,
            fresh_promised: true,
            large_promised: false,
        }
    }

    /// A [`crowd`] of this number of clients.
    pub fn crowd<F>(name: &'static str, attack: &'static str, clients: usize, client: Behaviour<F>) -> Self
    where
        F: Future<Output = Result<String>> + Send + 'static,
    {
        Self::new(name, attack, move |scene| crowd(scene, clients, client))
    }
}

fn cases() -> Vec<AttackCase> {
    let nobody = AttackCase::new("nobody", "only honest clients", |scene| async move {
        sleep(scene.length).await;
        Ok(Found::default())
    });
    [
        vec![nobody],
        slow::cases(),
        bodies::cases(),
        adversarial_reviews::cases(),
        pipelining::cases(),
        framing::cases(),
    ]
    .into_iter()
    .chain([handshakes::cases(), crowd::cases(), log::cases(), plain_port::cases()])
    .flatten()
    .collect()
}

/// All scenarios with this in their name.
pub async fn run(binary: &Path, short: bool, scenario: &str) -> Result<Hostile> {
    let authority = Authority::new()?;
    let mount = Mount::new(&authority)?;
    // The defaults of `serve`, but for the short form.
    let (timeout, body_timeout, length) = if short { (2, 2, 3) } else { (5, 2, 15) };
    let mut scenarios = Vec::new();
    for case in cases().into_iter().filter(|case| case.name.contains(scenario)) {
        let mut flags: Vec<String> = case.flags.iter().map(ToString::to_string).collect();
        for (flag, timeout) in [
            ("--handshake-timeout", timeout),
            ("--header-timeout", timeout),
            ("--body-timeout", body_timeout),
        ] {
            flags.extend([flag.to_owned(), format!("{timeout}s")]);
        }
        let program = Program::start(binary, &mount, &flags, case.file_descriptors, case.log).await?;
        let scene = Scene {
            target: Target { address: program.address, tls: authority.client()? },
            admin: program.admin,
            timeout: Duration::from_secs(timeout),
            length: Duration::from_secs(length),
        };
        let scenario = play(&case, program, Arc::new(scene)).await?;
        println!("{}: {}", case.name, if scenario.violations.is_empty() { "ok" } else { "FAILED" });
        scenarios.push(scenario);
    }
    Ok(Hostile {
        timeout_seconds: timeout,
        body_timeout_seconds: Some(body_timeout),
        kept_rate: KEPT_RATE,
        fresh_rate: FRESH_RATE,
        large_rate: LARGE_RATE,
        scenarios,
    })
}

async fn play(case: &AttackCase, mut program: Program, scene: Arc<Scene>) -> Result<Scenario> {
    review_anew(&scene.target).await?;
    let started = Instant::now();
    let before = program.settle(&program.sample(started).await?, false).await?;
    let cpu = program.cpu()?;
    let kept = team(&scene, KEPT, KEPT_RATE, Manner::default())?;
    let fresh = team(&scene, 1, FRESH_RATE, Manner { renew: Some(1), ..Manner::default() })?;
    let large = case.large_promised.then(|| {
        team(&scene, LARGE_RATE, LARGE_RATE, Manner { size: Some(LARGE_REVIEW), ..Manner::default() })
    });
    let (large, probes) = (large.transpose()?, Team::probes(scene.admin)?);
    let measured = Instant::now();
    // Honest clients are there first.
    sleep(LEAD).await;
    let mut found = (case.run)(scene.clone()).await?;
    let (kept, fresh, probes) = (kept.stop().await?, fresh.stop().await?, probes.stop().await?);
    let large = match large {
        Some(large) => large.stop().await?,
        None => ClientCounts::default(),
    };
    let cpu_share = (program.cpu()? - cpu) / measured.elapsed().as_secs_f64();

    let mut violations: Vec<String> =
        found.violations.into_iter().map(|(violation, times)| format!("{violation} ({times} ×)")).collect();
    if !program.is_alive()? {
        violations.push("the program ended".to_owned());
    }
    let peak_kib = program.peak_kib()?;
    if peak_kib > MAX_MEMORY_KIB {
        violations.push(format!("{peak_kib} KiB of memory, which is more than the chart gives"));
    }
    let after = program.settle(&before, false).await?;
    violations.extend(leftovers(&before, &after, false));
    if let Err(error) = review_anew(&scene.target).await {
        violations.push(format!("afterwards a new client gets no answer: {error:#}"));
    }
    if case.log != Log::Read
        && let Err(error) = log::judge(&mut program, &mut found.outcomes).await
    {
        violations.push(format!("{error:#}"));
    }
    let reconnects = kept.reconnects;
    let [kept, fresh, large, probes] = [kept, fresh, large, probes].map(ClientCounts::latency);
    for (what, latency, promised) in [
        ("requests on kept connections", &kept, true),
        ("requests on new connections", &fresh, case.fresh_promised),
        ("reviews of 200 KiB", &large, true),
        // Without a file descriptor there is no answer to them either.
        ("probes", &probes, case.file_descriptors.is_none()),
    ] {
        if promised && latency.failed() > 0 {
            violations.push(format!("{what} failed: {:?}", latency.errors));
        }
    }
    Ok(Scenario {
        name: case.name.to_owned(),
        attack: case.attack.to_owned(),
        outcomes: found.outcomes,
        cases: found.cases,
        kept,
        reconnects,
        fresh,
        large,
        probes,
        peak_kib,
        cpu_share,
        before,
        after,
        violations,
    })
}

async fn review_anew(target: &Target) -> Result<()> {
    timeout(TIMEOUT, async { Client::connect(target).await?.review(&Review::next()?).await }).await?
}

fn team(scene: &Scene, clients: u64, rate: u64, manner: Manner) -> Result<Team> {
    let period = Duration::from_secs(clients) / u32::try_from(rate).unwrap_or(1);
    let offset = |client| period.mul_f64(client as f64 / clients as f64);
    Team::start(&scene.target, (0..clients).map(|client| Manner { period, offset: offset(client), ..manner }))
}

/// What the client with this number does.
type Behaviour<F> = fn(Arc<Scene>, usize) -> F;

/// So many clients at once, each again and again until the scene's time is over; `client` says what became of it, or
/// what promise was broken.
pub async fn crowd<F>(scene: Arc<Scene>, clients: usize, client: Behaviour<F>) -> Result<Found>
where
    F: Future<Output = Result<String>> + Send + 'static,
{
    let until = Instant::now() + scene.length;
    let mut all = JoinSet::new();
    for number in 0..clients {
        let scene = scene.clone();
        all.spawn(async move {
            let mut endings = Vec::new();
            while endings.is_empty() || Instant::now() < until {
                endings.push(client(scene.clone(), number).await);
            }
            endings
        });
    }
    let mut found = Found::default();
    for ending in all.join_all().await.into_iter().flatten() {
        match ending {
            Ok(outcome) => found.count(outcome),
            Err(violation) => found.violation(format!("{violation:#}")),
        }
    }
    Ok(found)
}
