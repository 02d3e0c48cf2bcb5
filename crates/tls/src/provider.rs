//! The one place that names the cryptography: ring.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The provider of this program.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
