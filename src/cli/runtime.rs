//! The runtime of a command that asks a cluster.

use anyhow::Context;

use crate::serve::tls::provider;

/// Starts a runtime for a command that waits for one thing at a time.
///
/// # Errors
///
/// If the process has no file descriptors left.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}

/// Makes this program's provider of cryptography that of the process, which kube uses.
pub(super) fn install_crypto() {
    let _ = rustls::crypto::CryptoProvider::install_default((*provider()).clone());
}
