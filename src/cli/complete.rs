//! Completions that ask the cluster: contexts, namespaces, pods and workloads.
//!
//! A shell waits for them: what does not answer within two seconds completes nothing.

use std::{ffi::OsStr, path::PathBuf, time::Duration};

use clap_complete::engine::CompletionCandidate;
use gomemlimit_core::{Reason, coverage::Word};
use kube::config::Kubeconfig;
use serde::Deserialize;
use tokio::time::timeout;

use super::{cluster_args::runtime, output};
use crate::{
    cluster::{
        api::{Cluster, Target, path_of},
        installation::Metadata,
        pages::{Heard, Listing},
    },
    serve::tls::provider,
};

/// A shell does not wait longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// More candidates help nobody.
const MOST: usize = 500;

/// Kinds whose names `explain` takes, as kubectl abbreviates them, and where they are.
pub(super) const KINDS: [(&str, &[&str], &str); 7] = [
    ("deployments", &["deployment", "deploy"], "/apis/apps/v1"),
    ("statefulsets", &["statefulset", "sts"], "/apis/apps/v1"),
    ("daemonsets", &["daemonset", "ds"], "/apis/apps/v1"),
    ("replicasets", &["replicaset", "rs"], "/apis/apps/v1"),
    ("jobs", &["job"], "/apis/batch/v1"),
    ("cronjobs", &["cronjob", "cj"], "/apis/batch/v1"),
    ("pods", &["pod", "po"], "/api/v1"),
];

/// The plural and the group of a kind, by any of its names.
pub(super) fn kind_of(word: &str) -> Option<(&'static str, &'static str)> {
    let mut kinds = KINDS.into_iter();
    let (plural, _, group) = kinds.find(|(plural, short, _)| *plural == word || short.contains(&word))?;
    Some((plural, group))
}

/// The value of a flag on the line that is being completed.
fn flag(names: &[&str]) -> Option<String> {
    let words: Vec<String> = std::env::args().collect();
    let mut pairs = words.iter().zip(words.iter().skip(1));
    let apart = pairs.find(|(name, _)| names.contains(&name.as_str())).map(|(_, value)| value.clone());
    let joined = || {
        words.iter().find_map(|word| {
            let (name, value) = word.split_once('=')?;
            names.contains(&name).then(|| value.to_owned())
        })
    };
    apart.or_else(joined)
}

/// What `audit --only` and `--fail-on` take.
pub(super) fn words() -> Vec<CompletionCandidate> {
    Word::all().map(|word| CompletionCandidate::new(word.as_str())).collect()
}

/// What `explain --fail-on` takes.
pub(super) fn reasons() -> Vec<CompletionCandidate> {
    let reasons = Reason::ALL.iter().map(|reason| CompletionCandidate::new(reason.as_str()));
    reasons.chain([CompletionCandidate::new("warning")]).collect()
}

fn candidates(names: impl IntoIterator<Item = String>, current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    // A shell prints them as they are.
    let is_harmless = |name: &str| output::clean(name) == name;
    let names = names.into_iter().filter(|name| name.starts_with(current) && is_harmless(name));
    names.take(MOST).map(CompletionCandidate::new).collect()
}

/// Contexts of the kubeconfig.
pub(super) fn contexts(current: &OsStr) -> Vec<CompletionCandidate> {
    let kubeconfig = match flag(&["--kubeconfig"]) {
        Some(path) => Kubeconfig::read_from(PathBuf::from(path)),
        None => Kubeconfig::read(),
    };
    let contexts = kubeconfig.map(|kubeconfig| kubeconfig.contexts).unwrap_or_default();
    candidates(contexts.into_iter().map(|context| context.name), current)
}

/// Namespaces of the cluster.
pub(super) fn namespaces(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(names("/api/v1", "namespaces", false), current)
}

/// Pods of the namespace on the line, and `kind/name` of workloads.
pub(super) fn targets(current: &OsStr) -> Vec<CompletionCandidate> {
    let text = current.to_str().unwrap_or_default();
    if let Some((word, _)) = text.split_once('/') {
        let Some((plural, group)) = kind_of(word) else { return Vec::new() };
        let names = names(group, plural, true).into_iter().map(|name| format!("{word}/{name}"));
        return candidates(names, current);
    }
    let kinds = KINDS.iter().filter_map(|(_, names, _)| Some(format!("{}/", names.first()?)));
    candidates(names("/api/v1", "pods", true).into_iter().chain(kinds), current)
}

/// Names of objects; none where the cluster does not answer.
fn names(group: &str, plural: &str, in_namespace: bool) -> Vec<String> {
    #[derive(Deserialize)]
    struct Object {
        metadata: Metadata,
    }
    let target = Target {
        kubeconfig: flag(&["--kubeconfig"]).map(PathBuf::from),
        context: flag(&["--context"]),
        polls: true,
    };
    let _ = rustls::crypto::CryptoProvider::install_default((*provider::provider()).clone());
    let Ok(runtime) = runtime() else { return Vec::new() };
    runtime.block_on(async {
        let mut names = Vec::new();
        let ask = async {
            let cluster = Cluster::open(&target).await?;
            let default = || cluster.client.default_namespace().to_owned();
            let namespace = in_namespace.then(|| flag(&["-n", "--namespace"]).unwrap_or_else(default));
            let listing = Listing::all(path_of(group, namespace.as_deref(), plural));
            let hear = |heard: Heard<'_>| match heard {
                Heard::Begin => names.clear(),
                Heard::Item(item) => {
                    names.extend(serde_json::from_str(item).map(|object: Object| object.metadata.name));
                }
                Heard::Page { .. } => {}
            };
            listing.read(&cluster, hear).await
        };
        // What was heard until then is better than nothing.
        let _ = timeout(PATIENCE, ask).await;
        names
    })
}
