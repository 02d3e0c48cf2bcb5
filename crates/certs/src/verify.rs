//! Verification of a certificate as the API server does it.

use std::{sync::Arc, time::SystemTime};

use gomemlimit_tls::{explain, provider};
use rustls::{
    CertificateError, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use thiserror::Error;

use crate::ca_certificate::CaCertificate;

/// Whether a client that trusts `bundle` accepts `leaf` for `server_name` at `now`.
#[must_use]
pub(crate) fn verifies(
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
    /// No CA of the bundle has signed it.
    #[error("{}", explain::certificate(&CertificateError::UnknownIssuer))]
    UnknownIssuer,
    /// Any other reason.
    #[error("{0}")]
    Other(String),
}

/// Verifies a certificate as the API server does.
///
/// Go checks the validity of roots too (`crypto/x509/verify.go`, `isValid`), webpki does not.
///
/// # Errors
/// Why the API server would refuse it.
pub fn verify(
    bundle: &[CaCertificate],
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    server_name: &str,
    now: SystemTime,
) -> Result<(), VerifyError> {
    let other = |error: &dyn std::error::Error| VerifyError::Other(error.to_string());
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
        error => VerifyError::Other(explain::tls(&error)),
    })
}
