//! What became of the pods of a fault, held against what is promised.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gomemlimit_reliability::cluster::{Fault, Latency, rounded};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt, api::ListParams};

use super::{
    RATE, kubernetes,
    traffic::{Creation, Outcome},
};
use crate::harness::{Namespace, gomemlimit};

/// What `audit` says about each pod of the namespace: its status, and its reason or `-`.
fn audited(namespace: &Namespace) -> BTreeMap<String, (String, String)> {
    let ran = gomemlimit(&["audit", "-n", &namespace.name, "-o", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let report = ran.json();
    let containers = report["containers"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    containers.map(|one| (text(&one["pod"]), (text(&one["status"]), text(&one["reason"])))).collect()
}

/// Counts pods: as they were answered, as they are stored, and as `audit` reports them.
pub async fn reckon(
    client: &Client,
    namespace: &Namespace,
    creations: &[Creation],
    (from, until): (Duration, Duration),
    fault: &str,
    evidence: String,
) -> Fault {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace.name);
    let stored = pods.list(&ListParams::default()).await.unwrap();
    let stored: BTreeSet<_> = stored.iter().map(ResourceExt::name_any).collect();
    let audited = audited(namespace);
    let said = |creation: &Creation, status: &str, reason: &str| {
        audited.get(&creation.name).is_some_and(|said| *said == (status.to_owned(), reason.to_owned()))
    };
    let count = |holds: &dyn Fn(&Creation) -> bool| creations.iter().filter(|one| holds(one)).count();
    let latency = |phase: &dyn Fn(&Creation) -> bool| {
        let those = creations.iter().filter(|one| phase(one));
        let injected = those.clone().filter(|one| one.outcome == Outcome::Injected).count();
        Latency::of(those.map(|one| one.took).collect(), injected)
    };
    // What is under way when a fault begins is hit by it.
    let is_before = |one: &Creation| one.answered() <= from;
    let is_after = |one: &Creation| one.at >= until;
    let last_missed =
        creations.iter().filter(|one| one.outcome != Outcome::Injected).map(Creation::answered).max();
    Fault {
        kubernetes: kubernetes(client).await,
        fault: fault.to_owned(),
        evidence,
        fault_seconds: rounded(until.saturating_sub(from).as_secs_f64()),
        pods_per_second: RATE,
        created: count(&Creation::is_acknowledged),
        refused: count(&|one| !one.is_acknowledged()),
        retried: creations.iter().map(|one| one.retried).sum(),
        // Only what `audit` sees, too.
        injected: count(&|one| one.outcome == Outcome::Injected && said(one, "covered", "-")),
        reported: count(&|one| one.outcome == Outcome::Missed && said(one, "uncovered", "not-injected")),
        lost: count(&|one| one.is_acknowledged() && !stored.contains(&one.name)),
        before: latency(&is_before),
        during: latency(&|one| !is_before(one) && !is_after(one)),
        after: latency(&is_after),
        recovery_seconds: rounded(last_missed.unwrap_or_default().saturating_sub(until).as_secs_f64()),
    }
}

/// What is promised.
pub fn hold(fault: &Fault, creations: &[Creation]) {
    let refused: Vec<_> = creations.iter().filter(|one| !one.is_acknowledged()).collect();
    assert!(refused.is_empty(), "pods were refused: {refused:#?}");
    assert_eq!(fault.lost, 0, "acknowledged pods are not there");
    assert_eq!(
        fault.injected + fault.reported,
        fault.created,
        "neither injected nor reported: {creations:#?}"
    );
    // Otherwise the figures say nothing.
    assert!(fault.before.injected * 10 >= fault.before.count * 9, "something was broken before: {fault:#?}");
    assert!(fault.before.count > 20 && fault.during.count > 20 && fault.after.injected > 20, "{fault:#?}");
}
