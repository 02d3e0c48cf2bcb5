//! The serving certificate: where it comes from, whether it is valid, how it is replaced.

mod credentials;
mod ephemeral;
mod files;
pub mod provider;

use std::{sync::Arc, time::SystemTime};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

pub use self::{
    credentials::{Credentials, CredentialsError},
    ephemeral::{EphemeralError, ephemeral},
    files::{CertificateFiles, CertificateFilesError, Reloader},
};
use crate::metrics::Metrics;

/// What is served right now. New connections see a new certificate at once, open ones keep theirs.
#[derive(Debug)]
pub struct Serving {
    current: ArcSwap<Credentials>,
    metrics: Metrics,
}

impl Serving {
    /// Starts with these credentials.
    #[must_use]
    pub fn new(credentials: Credentials, metrics: Metrics) -> Arc<Self> {
        let serving = Self { current: ArcSwap::from_pointee(credentials), metrics };
        serving.report_expiry();
        Arc::new(serving)
    }

    /// Serves `credentials` from the next connection on.
    pub fn replace(&self, credentials: Credentials) {
        self.current.store(Arc::new(credentials));
        self.report_expiry();
    }

    /// Whether the certificate is valid at `now`.
    #[must_use]
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        self.current.load().is_valid_at(now)
    }

    /// The configuration of the TLS listener.
    pub fn server_config(self: &Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        provider::server_config(self.clone())
    }

    fn report_expiry(&self) {
        let expiry = self.current.load().not_after().duration_since(SystemTime::UNIX_EPOCH);
        let seconds = expiry.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        self.metrics.certificate_expiry.set(seconds);
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load().key())
    }
}
