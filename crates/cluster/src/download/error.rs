//! Why a file of the web is not there.

use std::time::Duration;

use hyper::StatusCode;
use thiserror::Error;

use crate::target::ConfigError;

/// Number of redirects, as that of Go's `http.Client`.
pub(super) const MAX_REDIRECTS: usize = 10;

/// Why there is no file. The text does not have its address, which the caller knows.
#[derive(Debug, Error)]
pub enum DownloadError {
    /// The address, or that of a redirect.
    #[error("{0} is not an http:// or https:// URL")]
    NotUrl(String),
    /// A proxy of the environment is of no use.
    #[error(transparent)]
    Proxy(#[from] ConfigError),
    /// The answer is another than 200.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// The server cannot be reached, or its answer ends early.
    #[error("{0}")]
    Failed(String),
    /// It takes too long.
    #[error("it did not arrive within {} s", .0.as_secs())]
    Slow(Duration),
    /// It has more bytes than this.
    #[error("it is larger than {} MiB", .0 >> 20)]
    TooLarge(u64),
    /// There is no end of redirects.
    #[error("the server redirects more than {MAX_REDIRECTS} times")]
    Redirects,
}

impl DownloadError {
    /// Whether the next attempt may do better: after an error of the server or of the network, as for `kubectl`.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Status(status) => status.is_server_error(),
            Self::Failed(_) => true,
            _ => false,
        }
    }
}
