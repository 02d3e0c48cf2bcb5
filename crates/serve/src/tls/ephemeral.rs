//! The certificate of `serve` without flags: self-signed, in memory only.

use std::{net::IpAddr, time::SystemTime};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;

use gomemlimit_tls::{Credentials, CredentialsError};

/// Validity in days: longer than any trial run.
const DAYS: i64 = 365;

/// Why no certificate was made.
#[derive(Debug, Error)]
pub enum EphemeralError {
    /// rcgen failed.
    #[error("cannot make a self-signed certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The certificate cannot be served.
    #[error("cannot use the self-signed certificate: {0}")]
    Use(#[from] CredentialsError),
}

/// Makes a self-signed certificate for localhost and `address`.
///
/// # Errors
/// If the library fails.
pub fn ephemeral(address: IpAddr) -> Result<Credentials, EphemeralError> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !address.is_loopback() && !address.is_unspecified() {
        names.push(address.to_string());
    }
    let now = SystemTime::now();
    let mut params = CertificateParams::new(names)?;
    // An hour of tolerance for clocks that run behind.
    params.not_before = time::OffsetDateTime::from(now) - time::Duration::hours(1);
    params.not_after = time::OffsetDateTime::from(now) + time::Duration::days(DAYS);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok(Credentials::new(vec![certificate.der().clone()], key, now)?)
}
