//! The serving certificate: where it comes from, whether it is valid, how it is replaced.

mod callers;
mod ephemeral;
mod files;
pub mod provider;

use std::{sync::Arc, time::SystemTime};

use arc_swap::ArcSwapOption;
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

pub use self::{
    callers::{Callers, ClientCa, ClientCaError},
    ephemeral::{EphemeralError, ephemeral},
    files::{CertificateFiles, CertificateFilesError, Reloader},
};
use crate::metrics::Metrics;
pub use gomemlimit_tls::{Credentials, CredentialsError, explain};

/// What is served right now. New connections see a new certificate at once, open ones keep theirs.
#[derive(Debug)]
pub struct Serving {
    current: ArcSwapOption<Credentials>,
    metrics: Metrics,
}

impl Serving {
    /// Starts with these credentials.
    #[must_use]
    pub fn new(credentials: Credentials, metrics: Metrics) -> Arc<Self> {
        let serving = Self::none_yet(metrics);
        serving.replace(credentials);
        serving
    }

    /// Starts without a certificate; handshakes fail until there is one.
    #[must_use]
    pub fn none_yet(metrics: Metrics) -> Arc<Self> {
        Arc::new(Self { current: ArcSwapOption::empty(), metrics })
    }

    /// Serves `credentials` from the next connection on.
    pub fn replace(&self, credentials: Credentials) {
        let expiry = credentials.not_after().duration_since(SystemTime::UNIX_EPOCH);
        let seconds = expiry.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        self.metrics.certificate_expiry.set(seconds);
        self.current.store(Some(Arc::new(credentials)));
    }

    /// Whether there is a certificate at all.
    #[must_use]
    pub fn has_certificate(&self) -> bool {
        self.current.load().is_some()
    }

    /// Whether the certificate is valid at `now`.
    #[must_use]
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        self.current.load().as_ref().is_some_and(|current| current.is_valid_at(now))
    }

    /// The configuration of the TLS listener. With `callers` only they get past the handshake.
    pub fn server_config(
        self: &Arc<Self>,
        callers: Option<Arc<Callers>>,
    ) -> Result<ServerConfig, rustls::Error> {
        provider::server_config(self.clone(), callers)
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.load().as_ref().map(|current| current.key())
    }
}
