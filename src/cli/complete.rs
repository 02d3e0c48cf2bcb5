//! Values that a shell offers: words, names of the kubeconfig, and the namespaces of the cluster.
//!
//! A shell waits for the cluster and the kubeconfig: names that are not known within two seconds are left out.

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
    output,
    runtime::{install_crypto, runtime},
};
use crate::cluster::{
    api::{ApiError, Cluster},
    kubeconfig,
    object_meta::ObjectMeta,
    pages::{ListEvent, Listing},
    target::Target,
};

/// The names that are known so far.
type Names = Arc<Mutex<Vec<String>>>;

/// Maximum time that a shell waits.
const DEADLINE: Duration = Duration::from_secs(2);

/// Maximum time of calls, which end in good order before [`DEADLINE`].
const TIMEOUT: Duration = Duration::from_millis(1800);

/// Maximum number of candidates: more help nobody.
const MAX_CANDIDATES: usize = 500;

/// The value of a flag on the line that is being completed.
fn flag(name: &str) -> Option<String> {
    let words: Vec<String> = std::env::args().collect();
    let mut pairs = words.iter().zip(words.iter().skip(1));
    let separate = pairs.find(|(word, _)| *word == name).map(|(_, value)| value.clone());
    let joined =
        || words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=').map(str::to_owned));
    separate.or_else(joined)
}

/// Values of `audit --only` and `--fail-on`.
pub(super) fn audit_findings() -> Vec<CompletionCandidate> {
    AuditFinding::all().map(|finding| CompletionCandidate::new(finding.as_str())).collect()
}

/// Values of `explain --fail-on`.
pub(super) fn reasons() -> Vec<CompletionCandidate> {
    let reasons = Reason::ALL.iter().map(|reason| CompletionCandidate::new(reason.as_str()));
    reasons.chain(["warning", "unknown-kind"].map(CompletionCandidate::new)).collect()
}

/// The kinds that `TYPE/NAME` may begin with.
pub(super) fn kinds() -> Vec<CompletionCandidate> {
    WorkloadKind::ALL
        .iter()
        .map(|kind| CompletionCandidate::new(format!("{}/", kind.short_resource())))
        .collect()
}

/// Contexts of the kubeconfig.
pub(super) fn contexts(current: &OsStr) -> Vec<CompletionCandidate> {
    from_kubeconfig(current, |config| config.contexts.into_iter().map(|context| context.name).collect())
}

/// Clusters of the kubeconfig.
pub(super) fn clusters(current: &OsStr) -> Vec<CompletionCandidate> {
    from_kubeconfig(current, |config| config.clusters.into_iter().map(|cluster| cluster.name).collect())
}

/// Users of the kubeconfig.
pub(super) fn users(current: &OsStr) -> Vec<CompletionCandidate> {
    from_kubeconfig(current, |config| config.auth_infos.into_iter().map(|user| user.name).collect())
}

fn from_kubeconfig(
    current: &OsStr,
    names_of: impl FnOnce(Kubeconfig) -> Vec<String> + Send + 'static,
) -> Vec<CompletionCandidate> {
    candidates(current, move |names| {
        let config = kubeconfig::read(&target()).unwrap_or_default();
        names.lock().unwrap_or_else(PoisonError::into_inner).extend(names_of(config));
    })
}

/// Namespaces of the cluster; none if it does not answer.
pub(super) fn namespaces(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(current, |names| {
        install_crypto();
        let Ok(runtime) = runtime() else { return };
        // A credential plugin ends with the future.
        let _ = runtime.block_on(async { timeout(TIMEOUT, list_namespaces(&names)).await });
        runtime.shutdown_background();
    })
}

/// The cluster that the line names. A credential plugin must not read the terminal, which is the shell's.
fn target() -> Target {
    Target {
        kubeconfig: flag("--kubeconfig").map(PathBuf::from),
        context: flag("--context"),
        cluster: flag("--cluster"),
        user: flag("--user"),
        server: flag("--server"),
        impersonate: flag("--as"),
        in_background: true,
        polls: true,
        ..Target::default()
    }
}

async fn list_namespaces(names: &Names) -> Result<(), ApiError> {
    #[derive(Deserialize)]
    struct Namespace {
        metadata: ObjectMeta,
    }
    let cluster = Cluster::open(&target()).await?;
    let add = |event: ListEvent<'_>| {
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            ListEvent::Begin => names.clear(),
            ListEvent::Item(item) => {
                names.extend(serde_json::from_str(item).map(|namespace: Namespace| namespace.metadata.name));
            }
            ListEvent::Page { .. } => {}
        }
    };
    Listing::all("/api/v1/namespaces").read(&cluster, add).await
}

/// The names that `read` has found when it ends, or at the deadline: it may hang in a file or a name server, where no
/// future can be dropped. The program ends soon after, and the thread with it. A shell prints the names as they are, so
/// those with characters that a terminal obeys are left out.
fn candidates(current: &OsStr, read: impl FnOnce(Names) + Send + 'static) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    let names = Names::default();
    let (ended, end) = mpsc::channel();
    let of_thread = names.clone();
    std::thread::spawn(move || {
        read(of_thread);
        let _ = ended.send(());
    });
    let _ = end.recv_timeout(DEADLINE);
    let names = std::mem::take(&mut *names.lock().unwrap_or_else(PoisonError::into_inner));
    let is_offered = |name: &String| name.starts_with(current) && output::clean(name) == *name;
    names.into_iter().filter(is_offered).take(MAX_CANDIDATES).map(CompletionCandidate::new).collect()
}
