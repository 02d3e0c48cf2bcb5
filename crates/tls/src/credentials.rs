//! A certificate chain with its key, checked before it is used.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use thiserror::Error;
use x509_cert::{Certificate, der::Decode};

use crate::{explain, provider::provider};

/// Why a pair of certificate and key cannot be served.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// No PEM certificate could be read.
    #[error("the certificate is not PEM: {}", explain::pem(.0))]
    CertificatePem(#[source] rustls::pki_types::pem::Error),
    /// The PEM text holds no certificate at all.
    #[error("there is no certificate in the PEM text")]
    NoCertificate,
    /// The first certificate is not X.509.
    #[error("the certificate is not X.509: {0}")]
    CertificateDer(#[source] x509_cert::der::Error),
    /// No PEM key could be read.
    #[error("there is no private key as PEM: {}", explain::pem(.0))]
    KeyPem(#[source] rustls::pki_types::pem::Error),
    /// The key is of no supported kind, or belongs to another certificate.
    #[error("certificate and private key do not go together: {}", explain::tls(.0))]
    Mismatch(#[source] rustls::Error),
    /// Before `notBefore`, while what is served is valid.
    #[error("the certificate is not valid before {}", humantime::format_rfc3339_seconds(*.0))]
    NotYetValid(SystemTime),
    /// Past `notAfter`.
    #[error("the certificate expired at {}", humantime::format_rfc3339_seconds(*.0))]
    Expired(SystemTime),
}

/// A certificate chain, its key and its validity.
#[derive(Clone, Debug)]
pub struct Credentials {
    key: Arc<CertifiedKey>,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl Credentials {
    /// Checks a PEM chain and a PEM key: that they parse, belong together and have not expired at `now`.
    ///
    /// # Errors
    /// [`CredentialsError`], but for `NotYetValid`.
    pub fn from_pem(chain: &[u8], key: &[u8], now: SystemTime) -> Result<Self, CredentialsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(CredentialsError::CertificatePem)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(CredentialsError::KeyPem)?;
        Self::new(chain, key, now)
    }

    /// Checks a chain and a key that are parsed already.
    ///
    /// # Errors
    /// [`CredentialsError`], but for `NotYetValid` and the two of PEM.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        now: SystemTime,
    ) -> Result<Self, CredentialsError> {
        let leaf = chain.first().ok_or(CredentialsError::NoCertificate)?;
        let certificate = Certificate::from_der(leaf).map_err(CredentialsError::CertificateDer)?;
        let validity = certificate.tbs_certificate().validity();
        let at = |since_epoch: Duration| SystemTime::UNIX_EPOCH + since_epoch;
        let not_before = at(validity.not_before.to_unix_duration());
        let not_after = at(validity.not_after.to_unix_duration());
        if not_after < now {
            return Err(CredentialsError::Expired(not_after));
        }
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(CredentialsError::Mismatch)?;
        Ok(Self { key: Arc::new(key), not_before, not_after })
    }

    /// The chain with its key, as rustls serves it.
    #[must_use]
    pub fn key(&self) -> Arc<CertifiedKey> {
        self.key.clone()
    }

    /// The certificates, the server's own first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }

    /// When the certificate expires.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// When the certificate begins to be valid.
    #[must_use]
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// Whether it has begun and has not expired.
    #[must_use]
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}
