//! The certificate that is served right now, and the TLS configuration around it.

use std::{sync::Arc, time::SystemTime};

use arc_swap::ArcSwapOption;
use rustls::{
    ServerConfig,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, danger::ClientCertVerifier},
    sign::CertifiedKey,
};

use crate::metrics::Metrics;
use gomemlimit_tls::{Credentials, provider};

/// The serving certificate. New connections get a new certificate at once, open ones keep theirs.
#[derive(Debug)]
pub struct Serving {
    current: ArcSwapOption<Credentials>,
    metrics: Metrics,
}

impl Serving {
    /// With a certificate.
    #[must_use]
    pub fn new(credentials: Credentials, metrics: Metrics) -> Arc<Self> {
        let serving = Self::none_yet(metrics);
        serving.replace(credentials);
        serving
    }

    /// Without a certificate; handshakes fail until there is one.
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

    pub(crate) fn has_certificate(&self) -> bool {
        self.current.load().is_some()
    }

    /// False without a certificate.
    pub(crate) fn is_valid_at(&self, now: SystemTime) -> bool {
        self.current.load().as_ref().is_some_and(|current| current.is_valid_at(now))
    }

    /// The configuration of the TLS listener: TLS 1.2 and 1.3, HTTP/1.1 only, as the API server does with webhooks. With a
    /// verifier, only clients that it accepts get past the handshake.
    pub(crate) fn server_config(
        self: &Arc<Self>,
        callers: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Result<ServerConfig, rustls::Error> {
        let builder =
            ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let is_verified = callers.is_some();
        let mut config = match callers {
            None => builder.with_no_client_auth(),
            Some(callers) => builder.with_client_cert_verifier(callers),
        }
        .with_cert_resolver(self.clone());
        if is_verified {
            // A session that is resumed (RFC 8446, section 4.6.1) is not verified again: it would outlive its certificate
            // and its CA.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.load().as_ref().map(|current| current.key())
    }
}
