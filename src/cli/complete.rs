//! Completions that ask the cluster: contexts, namespaces, pods and workloads.
//!
//! A shell waits for them: what is not known within two seconds is left out.

use std::{
    ffi::OsStr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use clap_complete::engine::CompletionCandidate;
use gomemlimit_core::{Reason, audit::AuditFinding};
use gomemlimit_manifest::WorkloadKind;
use kube::config::Kubeconfig;
use serde::Deserialize;
use tokio::time::timeout;

use super::{
    cluster_args::{install_crypto, runtime},
    output,
};
use crate::cluster::{
    api::{ApiError, Cluster, path_of},
    kubeconfig,
    object_meta::ObjectMeta,
    pages::{ListEvent, Listing},
    target::Target,
};

/// Names, as far as they are known.
type Found = Arc<Mutex<Vec<String>>>;

/// A shell does not wait longer.
const DEADLINE: Duration = Duration::from_secs(2);

/// Maximum time of what can be given up in good order.
const TIMEOUT: Duration = Duration::from_millis(1800);

/// More candidates help nobody.
const MOST: usize = 500;

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
    AuditFinding::all().map(|word| CompletionCandidate::new(word.as_str())).collect()
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
    let names = |kubeconfig: Kubeconfig| kubeconfig.contexts.into_iter().map(|one| one.name).collect();
    of_kubeconfig(names, current)
}

/// Clusters of the kubeconfig.
pub(super) fn clusters(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = |kubeconfig: Kubeconfig| kubeconfig.clusters.into_iter().map(|one| one.name).collect();
    of_kubeconfig(names, current)
}

/// Users of the kubeconfig.
pub(super) fn users(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = |kubeconfig: Kubeconfig| kubeconfig.auth_infos.into_iter().map(|one| one.name).collect();
    of_kubeconfig(names, current)
}

fn of_kubeconfig(
    names: impl FnOnce(Kubeconfig) -> Vec<String> + Send + 'static,
    current: &OsStr,
) -> Vec<CompletionCandidate> {
    let found = until_deadline(move |found| {
        let kubeconfig = kubeconfig::read(&target()).unwrap_or_default();
        found.lock().unwrap_or_else(PoisonError::into_inner).extend(names(kubeconfig));
    });
    candidates(found, current)
}

/// Namespaces of the cluster.
pub(super) fn namespaces(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(names("/api/v1".to_owned(), "namespaces", false), current)
}

/// Pods of the namespace on the line, and `TYPE/NAME` of workloads.
pub(super) fn targets(current: &OsStr) -> Vec<CompletionCandidate> {
    let text = current.to_str().unwrap_or_default();
    if let Some((word, _)) = text.split_once('/') {
        let Some(kind) = WorkloadKind::named(word) else { return Vec::new() };
        let names = names(kind.api(), kind.plural, true).into_iter().map(|name| format!("{word}/{name}"));
        return candidates(names, current);
    }
    let kinds = WorkloadKind::ALL.iter().map(|kind| format!("{}/", kind.singular));
    candidates(names("/api/v1".to_owned(), "pods", true).into_iter().chain(kinds), current)
}

/// The cluster that the line names. A credential plugin must not ask anything: the shell has the terminal.
fn target() -> Target {
    Target {
        kubeconfig: flag(&["--kubeconfig"]).map(PathBuf::from),
        context: flag(&["--context"]),
        cluster: flag(&["--cluster"]),
        user: flag(&["--user"]),
        server: flag(&["--server"]),
        impersonate: flag(&["--as"]),
        in_background: true,
        polls: true,
        ..Target::default()
    }
}

/// Names of objects; none if the cluster does not answer.
fn names(api: String, plural: &'static str, in_namespace: bool) -> Vec<String> {
    until_deadline(move |found| {
        install_crypto();
        let Ok(runtime) = runtime() else { return };
        // The end of the future ends a credential plugin, too.
        let _ = runtime.block_on(async { timeout(TIMEOUT, ask(&found, &api, plural, in_namespace)).await });
        runtime.shutdown_background();
    })
}

async fn ask(found: &Found, api: &str, plural: &str, in_namespace: bool) -> Result<(), ApiError> {
    #[derive(Deserialize)]
    struct Object {
        metadata: ObjectMeta,
    }
    let cluster = Cluster::open(&target()).await?;
    let default = || cluster.client.default_namespace().to_owned();
    let namespace = in_namespace.then(|| flag(&["-n", "--namespace"]).unwrap_or_else(default));
    let listing = Listing::all(path_of(api, namespace.as_deref(), plural));
    let hear = |event: ListEvent<'_>| {
        let mut names = found.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            ListEvent::Begin => names.clear(),
            ListEvent::Item(item) => {
                names.extend(serde_json::from_str(item).map(|object: Object| object.metadata.name));
            }
            ListEvent::Page { .. } => {}
        }
    };
    listing.read(&cluster, hear).await.map(drop)
}

/// What `look` has found when it ends, or at the deadline: it may hang in a file or a name server, where no future can
/// be dropped. The program ends soon after, and the thread with it.
fn until_deadline(look: impl FnOnce(Found) + Send + 'static) -> Vec<String> {
    let found = Found::default();
    let (ended, end) = mpsc::channel();
    let of_thread = found.clone();
    std::thread::spawn(move || {
        look(of_thread);
        let _ = ended.send(());
    });
    let _ = end.recv_timeout(DEADLINE);
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *found)
}
