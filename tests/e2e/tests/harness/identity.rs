//! Certificates of the test's own: a CA, and what it signs for servers.

use base64::{Engine, prelude::BASE64_STANDARD};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use time::{Duration, OffsetDateTime};

/// A CA.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, both PEM, and when it expires (seconds since 1970).
pub struct Identity {
    pub certificate: String,
    pub key: String,
    pub expires: i64,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// For a host name or an address.
    pub fn sign(&self, name: &str, hours: i64) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = OffsetDateTime::now_utc() - Duration::HOUR;
        params.not_after =
            (OffsetDateTime::now_utc() + Duration::hours(hours)).replace_nanosecond(0).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            expires: params.not_after.unix_timestamp(),
        }
    }
}

/// The CA bundle of a webhook configuration.
pub fn bundle(authorities: &[&Authority]) -> String {
    let pem: String = authorities.iter().map(|authority| authority.pem()).collect();
    BASE64_STANDARD.encode(pem)
}
