//! The certificate that replicas serve: signed by a CA, and read back from the Secret that replicas mount.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use rustls::pki_types::CertificateDer;
use thiserror::Error;

use super::{
    contents::Data,
    trust::{CaCertificate, to_pem, verifies},
};
use crate::serve::tls::{Credentials, CredentialsError};

/// The keys of the serving Secret that are ours; others are left alone. They are those of `kubernetes.io/tls`.
pub const LEAF_KEYS: [&str; 2] = [CERTIFICATE, KEY];

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// What is served: a certificate signed by a CA.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// What to serve.
    pub credentials: Credentials,
    pub(super) certificate: CertificateDer<'static>,
    /// The CA that signed it.
    pub(super) signer: CaCertificate,
    /// From here on it should be renewed.
    pub(super) renew_at: SystemTime,
}

/// Why the certificate in the serving Secret cannot stay.
#[derive(Debug, Error)]
pub(super) enum Unfit {
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
pub enum Signed {
    /// There was none that can be served, for this reason.
    New(String),
    /// The present one has reached two thirds of its life.
    Renewed,
    /// Another CA signs from now on.
    OtherCa,
}

impl fmt::Display for Signed {
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
    /// It has no beginning that would tell its life, so it is renewed a third of `life` before its end.
    pub(super) fn from_data(
        data: &Data,
        mut signers: impl Iterator<Item = CaCertificate>,
        server_name: &str,
        now: SystemTime,
        life: Duration,
    ) -> Result<Self, Unfit> {
        let part = |key: &str| data.get(key).filter(|value| !value.is_empty()).ok_or(Unfit::Missing);
        let credentials = Credentials::from_pem(part(CERTIFICATE)?, part(KEY)?, now)?;
        let certificate = credentials.chain().first().ok_or(Unfit::Missing)?.clone();
        let has_signed =
            |ca: &CaCertificate| verifies(std::slice::from_ref(ca), &certificate, server_name, now);
        let signer = signers.find(has_signed).ok_or(Unfit::NotTrusted)?;
        let renew_at = credentials.not_after() - life / 3;
        Ok(Self { credentials, certificate, signer, renew_at })
    }

    /// Whether its time for renewal has come.
    pub(super) fn is_old(&self, now: SystemTime) -> bool {
        now >= self.renew_at || !self.credentials.is_valid_at(now)
    }

    /// The same, where the CA that signed it would sign a longer one. None lives longer than its CA, so at the end of a
    /// CA there is nothing to gain.
    pub(super) fn should_be_renewed(&self, now: SystemTime) -> bool {
        self.is_old(now) && self.credentials.not_after() < self.signer.not_after
    }

    /// As the serving Secret holds it, with this key in PEM text.
    pub(super) fn to_data(&self, key: &str) -> Data {
        let entry = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
        [entry(CERTIFICATE, &to_pem(&self.certificate)), entry(KEY, key)].into()
    }
}
