//! CA certificates as the API server uses them: which of a bundle count, and what they verify.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    CertificateError, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use thiserror::Error;
use x509_cert::{Certificate, der::Decode};

use super::origin::{self, NotOurs};
use crate::{
    causes::said,
    serve::tls::{provider::provider, words},
};

/// The common name of every CA; which one it is the key identifiers tell.
pub(super) const CA_NAME: &str = "gomemlimit CA";

/// One CA certificate of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaCertificate {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// Before this it verifies nothing.
    pub not_before: SystemTime,
    /// After this it verifies nothing.
    pub not_after: SystemTime,
}

impl CaCertificate {
    /// `None` where the bytes are not X.509.
    #[must_use]
    pub fn from_der(der: CertificateDer<'static>) -> Option<Self> {
        let certificate = Certificate::from_der(&der).ok()?;
        let validity = certificate.tbs_certificate().validity();
        let at = |since_epoch: Duration| SystemTime::UNIX_EPOCH + since_epoch;
        let not_before = at(validity.not_before.to_unix_duration());
        let not_after = at(validity.not_after.to_unix_duration());
        Some(Self { der, not_before, not_after })
    }

    /// Every certificate in PEM text. What is not one is passed over, as Go's `AppendCertsFromPEM` does.
    #[must_use]
    pub fn all_from_pem(pem: &[u8]) -> Vec<Self> {
        CertificateDer::pem_slice_iter(pem).filter_map(|der| Self::from_der(der.ok()?)).collect()
    }

    /// Whether this program makes such a CA for `server_name`, whenever it begins and ends.
    pub fn check_origin(&self, server_name: &str) -> Result<(), NotOurs> {
        origin::check(self, server_name)
    }

    /// As PEM text.
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_pem(&self.der)
    }

    /// Whether `now` is within its validity.
    #[must_use]
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

/// A certificate as PEM text.
pub(super) fn to_pem(certificate: &CertificateDer<'_>) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("CERTIFICATE", certificate.to_vec()), config)
}

/// Whether a client that trusts `bundle` accepts `leaf` for `server_name` at `now`.
#[must_use]
pub(super) fn verifies(
    bundle: &[CaCertificate],
    leaf: &CertificateDer<'_>,
    server_name: &str,
    now: SystemTime,
) -> bool {
    verify(bundle, leaf, &[], server_name, now).is_ok()
}

/// Why a certificate is not accepted.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// None of the bundle has signed it.
    #[error("{}", words::certificate(&CertificateError::UnknownIssuer))]
    UnknownIssuer,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Verifies as the API server does; the error says why it would refuse.
///
/// Go checks the validity of roots too (`crypto/x509/verify.go`, `isValid`), webpki does not.
pub fn verify(
    bundle: &[CaCertificate],
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    server_name: &str,
    now: SystemTime,
) -> Result<(), VerifyError> {
    let other = |error: &(dyn std::error::Error + 'static)| VerifyError::Other(said(error));
    let mut roots = RootCertStore::empty();
    for ca in bundle.iter().filter(|ca| ca.is_valid_at(now)) {
        // One that cannot be an anchor verifies nothing.
        let _ = roots.add(ca.der.clone());
    }
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).map_err(|error| other(&error))?;
    let name = ServerName::try_from(server_name).map_err(|error| other(&error))?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    let verifier = verifier.map_err(|error| other(&error))?;
    let outcome =
        verifier.verify_server_cert(leaf, intermediates, &name, &[], UnixTime::since_unix_epoch(since_epoch));
    outcome.map(|_| ()).map_err(|error| match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => VerifyError::UnknownIssuer,
        error => other(&error),
    })
}
