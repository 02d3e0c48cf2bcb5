//! Errors of the keeper's writes.

use tokio::time::timeout;

use crate::cluster::{
    call_limits::CONTROLLER_CALL,
    error::{describe, no_answer},
};

/// The cause of a failed write.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("{}", describe(.0))]
    Api(#[from] kube::Error),
    #[error("{}", no_answer())]
    Timeout,
    #[error("cannot build the patch: {0}")]
    Patch(#[from] serde_json::Error),
    /// Another keeper was faster; a watch event with its write follows.
    #[error("written by somebody else meanwhile")]
    Conflict,
}

/// The answer to a call, unless it takes too long.
pub(super) async fn call<T>(answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, WriteError> {
    Ok(timeout(CONTROLLER_CALL, answer).await.map_err(|_| WriteError::Timeout)??)
}
