//! The certificate that replicas serve: signed by a CA, and read back from the Secret that replicas mount.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use gomemlimit_tls::{Credentials, CredentialsError};
use rustls::pki_types::CertificateDer;
use thiserror::Error;

use crate::{
    ca_certificate::{CaCertificate, to_pem},
    data::SecretData,
    verify::verifies,
};

/// Keys of the serving Secret that this program writes, those of `kubernetes.io/tls`. Others are left alone.
pub const LEAF_KEYS: [&str; 2] = [CERTIFICATE, KEY];

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// A certificate that is served, signed by a CA.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The certificate with its key.
    pub credentials: Credentials,
    pub(crate) certificate: CertificateDer<'static>,
    /// The CA that signed it.
    pub(crate) signer: CaCertificate,
    /// The time from which it should be renewed.
    pub(crate) renew_at: SystemTime,
}

/// Why the certificate in the serving Secret cannot stay.
#[derive(Debug, Error)]
pub(crate) enum UnusableLeaf {
    /// There is nothing in it yet, or somebody emptied it.
    #[error("there is none")]
    Missing,
    /// Torn, expired or unusable.
    #[error("{0}")]
    Credentials(#[from] CredentialsError),
    /// Somebody else's, or for another name.
    #[error("no trusted CA has signed it for this name")]
    NotTrusted,
}

/// Why a certificate is written into the serving Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignReason {
    /// There was no certificate that can be served, for this reason.
    New(String),
    /// The current one has reached two thirds of its lifetime.
    Renewed,
    /// Another CA signs from now on.
    OtherCa,
}

impl fmt::Display for SignReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New(problem) => write!(f, "a new certificate, since {problem}"),
            Self::Renewed => f.write_str("the certificate is renewed"),
            Self::OtherCa => f.write_str("another CA signs from now on"),
        }
    }
}

impl Leaf {
    /// Reads the serving Secret. One of `signers` has to have signed the certificate for `server_name`.
    ///
    /// It has no beginning that would show its lifetime, so it is renewed a third of `lifetime` before its end.
    pub(crate) fn from_data(
        data: &SecretData,
        mut signers: impl Iterator<Item = CaCertificate>,
        server_name: &str,
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<Self, UnusableLeaf> {
        let part = |key: &str| data.get(key).filter(|value| !value.is_empty()).ok_or(UnusableLeaf::Missing);
        let credentials = Credentials::from_pem(part(CERTIFICATE)?, part(KEY)?, now)?;
        let certificate = credentials.chain().first().ok_or(UnusableLeaf::Missing)?.clone();
        let has_signed =
            |ca: &CaCertificate| verifies(std::slice::from_ref(ca), &certificate, server_name, now);
        let signer = signers.find(has_signed).ok_or(UnusableLeaf::NotTrusted)?;
        let renew_at = credentials.not_after() - lifetime / 3;
        Ok(Self { credentials, certificate, signer, renew_at })
    }

    /// Whether its time for renewal has come.
    pub(crate) fn is_old(&self, now: SystemTime) -> bool {
        now >= self.renew_at || !self.credentials.is_valid_at(now)
    }

    /// Whether it is old and the CA that signed it would sign one that ends later. None ends after its CA, so at the end of
    /// a CA there is nothing to gain.
    pub(crate) fn should_be_renewed(&self, now: SystemTime) -> bool {
        self.is_old(now) && self.credentials.not_after() < self.signer.not_after
    }

    /// The data of the serving Secret, with this key in PEM text.
    pub(crate) fn to_data(&self, key: &str) -> SecretData {
        let entry = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
        [entry(CERTIFICATE, &to_pem(&self.certificate)), entry(KEY, key)].into()
    }
}
