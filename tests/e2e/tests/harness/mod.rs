//! What all tests share.

mod account;
mod creator;
mod demo;
mod identity;
mod namespace;
mod objects;
mod process;
mod program;
mod reader;
mod release;
mod rest;
mod webhook;

use std::{
    env,
    time::{Duration, Instant},
};

use kube::{Client, Config};

pub use self::{
    account::Account,
    creator::Creator,
    demo::{demo_image, demo_pod, demo_spec, start_load, wait_for_demo},
    identity::{Authority, Identity, bundle},
    namespace::Namespace,
    objects::{
        Manifest, VALUE_1GI, check_injected, dry_run_values, gated_pod, status_of, values, wait_for_injection,
    },
    process::{
        NoApiServer, get, helm, host_pid, kubectl, kubectl_json, patch, repository, resize, run, script,
        try_helm, try_kubectl, wait_for_api_server,
    },
    program::{Ran, gomemlimit, gomemlimit_with},
    reader::{reader_pod, wait_for_limit},
    release::{FULLNAME, RELEASE_NAMESPACE, Release, failed_calls, metric, ready, ready_with_namespace},
    webhook::Webhook,
};

/// A client of the cluster that is tested; one a test, since it belongs to the test's runtime.
pub async fn client() -> Client {
    let kubeconfig = env::var_os("KUBECONFIG").expect("KUBECONFIG is not set: see tests/e2e/run --help");
    assert!(!kubeconfig.is_empty(), "KUBECONFIG is empty: see tests/e2e/run --help");
    let mut config = Config::infer().await.expect("a kubeconfig");
    config.read_timeout = None;
    Client::try_from(config).expect("a client")
}

/// The long form of soaks, where it was asked for.
pub fn is_long() -> bool {
    env::var("GOMEMLIMIT_LONG").is_ok_and(|long| long == "1")
}

/// Whether the cluster is one of tests/e2e/up, whose components and processes are at hand.
/// Says what is left out where it is not.
pub fn is_own_cluster(what: &str) -> bool {
    let own = env::var_os("CLUSTER_DIR").is_some();
    if !own {
        println!("SKIPPED on a cluster that is not of tests/e2e/up: {what}");
    }
    own
}

/// Asks until the answer is `Ok`; panics with the last error when the time is over.
pub async fn wait_for<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let started = Instant::now();
    loop {
        match probe().await {
            Ok(answer) => return answer,
            Err(reason) if started.elapsed() > deadline => {
                panic!("not within {deadline:?}: {what}: {reason}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// `Ok` where it holds.
pub fn check(holds: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(reason()) }
}

/// Long enough for anything on a busy machine.
pub const LONG: Duration = Duration::from_mins(3);
