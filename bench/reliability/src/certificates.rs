//! Certificates that the program manages itself, and an API server that fails: afterwards there is rest.

use std::{io, path::Path, time::Duration};

use anyhow::Result;
use futures::future::{BoxFuture, FutureExt, try_join_all};
use gomemlimit_fake_api_server::{Call, FakeApiServer, Fault, Resource, Verb, kubeconfig_file};
use gomemlimit_reliability::process::{MAX_TICKS, Rest};
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::program::Program;

/// How long a process at rest is watched.
const REST: Duration = Duration::from_secs(10);
/// The kernel's unit of processor time.
const TICK: Duration = Duration::from_millis(10);
/// How long it may take until all is well: longer than any pause of the program.
const HEALED: Duration = Duration::from_mins(1);

/// How the API server fails.
struct FaultCase {
    /// In the words of the page.
    fault: &'static str,
    replicas: usize,
    /// From the start of the program on.
    rule: fn(&Call) -> Option<Fault>,
    /// Once the program is ready.
    then: fn(FakeApiServer) -> BoxFuture<'static, ()>,
}

impl FaultCase {
    const fn new(fault: &'static str, replicas: usize, rule: fn(&Call) -> Option<Fault>) -> Self {
        Self { fault, replicas, rule, then: |_| async {}.boxed() }
    }
}

fn is_first_patch(call: &Call) -> bool {
    call.verb == Verb::Patch && call.resource == Resource::Configurations && call.before == 0
}

fn cases() -> Vec<FaultCase> {
    vec![
        FaultCase::new("nothing", 1, |_| None),
        FaultCase::new("the first write of the CA bundle is done, and answered with 500", 1, |call| {
            is_first_patch(call).then_some(Fault::AnswerLost(500, "leader changed"))
        }),
        FaultCase::new("the first write of the CA bundle is not done, and answered with 500", 2, |call| {
            is_first_patch(call).then_some(Fault::Refused(500, "leader changed"))
        }),
        FaultCase {
            then: |api| {
                async move {
                    for _ in 0..12 {
                        api.overwrite_bundle();
                        sleep(Duration::from_secs(1)).await;
                    }
                }
                .boxed()
            },
            ..FaultCase::new("the CA bundle is overwritten 12 times, a second apart", 2, |_| None)
        },
        FaultCase {
            then: |api| {
                async move {
                    api.fail(|_| Some(Fault::Broken(io::ErrorKind::ConnectionReset)));
                    api.break_watches();
                    sleep(Duration::from_secs(8)).await;
                    api.fail(|_| None);
                }
                .boxed()
            },
            ..FaultCase::new("every connection breaks for 8 s", 2, |_| None)
        },
        FaultCase::new("every watch ends at once, all the time", 1, |call| {
            (call.verb == Verb::Watch).then_some(Fault::Ended)
        }),
    ]
}

/// All of them at the same time: they wait most of it.
pub async fn run(binary: &Path) -> Result<Vec<Rest>> {
    try_join_all(cases().into_iter().map(|case| play(binary, case))).await
}

async fn play(binary: &Path, case: FaultCase) -> Result<Rest> {
    let api = FakeApiServer::default();
    api.fail(case.rule);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let kubeconfig = kubeconfig_file(listener.local_addr()?.port());
    let mut serving = JoinSet::new();
    serving.spawn(api.clone().serve(listener));
    let replicas = (0..case.replicas).map(|_| Program::start_in(binary, kubeconfig.path()));
    let replicas = try_join_all(replicas).await?;
    (case.then)(api.clone()).await;
    let mut violations: Vec<_> = heal(&api, &replicas).await.err().into_iter().collect();

    let ticks = || replicas.iter().map(|replica| Ok(replica.cpu_time()?.as_millis() / TICK.as_millis()));
    let before: Vec<u128> = ticks().collect::<Result<_>>()?;
    let calls = api.calls();
    sleep(REST).await;
    let after: Vec<u128> = ticks().collect::<Result<_>>()?;
    let ticks: Vec<_> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    let calls = api.calls() - calls;
    if ticks.iter().any(|ticks| *ticks > MAX_TICKS) {
        violations.push(format!("{ticks:?} ticks in {REST:?} at rest, which is more than {MAX_TICKS}"));
    }
    println!("certificates: {}: {ticks:?} ticks, {calls} calls at rest", case.fault);
    let (fault, seconds) = (case.fault.to_owned(), REST.as_secs());
    Ok(Rest { fault, replicas: case.replicas, seconds, ticks, calls, violations })
}

/// Waits until all is well, and a moment more; or says what is not.
async fn heal(api: &FakeApiServer, replicas: &[Program]) -> Result<(), String> {
    let started = Instant::now();
    loop {
        let mut wrong = (!api.is_published()).then(|| "the CA bundle is not published".to_owned());
        for replica in replicas {
            let said = replica.readyz().await.unwrap_or_else(|error| format!("{error:#}"));
            if said.trim() != "ok" {
                wrong.get_or_insert(said);
            }
        }
        match wrong {
            None => break,
            Some(wrong) if started.elapsed() > HEALED => {
                return Err(format!("not well after {HEALED:?}: {}", wrong.trim().replace('\n', " | ")));
            }
            Some(_) => sleep(Duration::from_millis(100)).await,
        }
    }
    sleep(Duration::from_secs(1)).await;
    Ok(())
}
