//! One CA certificate.

use std::time::{Duration, SystemTime};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_cert::{Certificate, der::Decode};

/// The common name of every CA; key identifiers distinguish them.
pub(crate) const CA_NAME: &str = "gomemlimit CA";

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
    /// `None` if the bytes are not X.509.
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
pub(crate) fn to_pem(certificate: &CertificateDer<'_>) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("CERTIFICATE", certificate.to_vec()), config)
}
