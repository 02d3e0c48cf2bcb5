//! The cluster and the user that a command names, and why their configuration cannot be used.

use std::{path::PathBuf, time::Duration};

use thiserror::Error;

/// Which cluster, and as whom. What is `None` or empty is that of the kubeconfig.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// Path of a kubeconfig; default: `KUBECONFIG`, `~/.kube/config`, or the service account of a pod.
    pub kubeconfig: Option<PathBuf>,
    /// Name of a context.
    pub context: Option<String>,
    /// Name of a cluster.
    pub cluster: Option<String>,
    /// Name of a user.
    pub user: Option<String>,
    /// URL of the API server.
    pub server: Option<String>,
    /// User to impersonate.
    pub impersonate: Option<String>,
    /// Groups to impersonate.
    pub impersonate_groups: Vec<String>,
    /// UID to impersonate.
    pub impersonate_uid: Option<String>,
    /// Maximum time for one request; default: one minute.
    pub request_timeout: Option<Duration>,
    /// Nobody waits at a terminal: a credential plugin must not use it, and a file that is no regular one is refused.
    pub in_background: bool,
    /// For commands that ask again anyway: a call that fails is not repeated behind their back. kube repeats 429, 503
    /// and 504 up to 15 times, which takes all of the time that a call may take.
    pub polls: bool,
}

/// Why the configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// There is no kubeconfig and no service account.
    #[error("no cluster is configured: {0}; set KUBECONFIG, or name a file with --kubeconfig")]
    None(String),
    /// A kubeconfig cannot be read.
    #[error("cannot read the kubeconfig {}: {problem}; name another with --kubeconfig", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// The problem as a sentence.
        problem: String,
    },
    /// Kubeconfigs that do not fit together.
    #[error("the kubeconfigs of KUBECONFIG cannot be merged: {0}")]
    Unmergeable(String),
    /// There is no current context, and no flag names one.
    #[error("the kubeconfig has no current context; name one with --context: {0}")]
    NoContext(String),
    /// A name that the kubeconfig does not have.
    #[error("the kubeconfig has no {kind} {name:?}; it has {known}")]
    Unknown {
        /// `context`, `cluster` or `user`.
        kind: &'static str,
        /// Name that was asked for.
        name: String,
        /// The names that it has.
        known: String,
    },
    /// An entry of the kubeconfig that is of no use.
    #[error("{entry} of the kubeconfig: {problem}")]
    Unusable {
        /// Kind and name of the entry.
        entry: String,
        /// The problem as a sentence.
        problem: String,
    },
    /// A value of the environment or of a flag.
    #[error("{0}")]
    Value(String),
}

/// Go reads an address without a scheme as a host, which the `http` crate does not.
pub(super) fn with_scheme(url: &str, scheme: &str) -> String {
    if url.contains("://") { url.to_owned() } else { format!("{scheme}://{url}") }
}
