//! The CAs of the shared Secret, read and written.

use std::{collections::HashSet, fmt, fmt::Write as _, time::SystemTime};

use thiserror::Error;

use crate::{
    authority::{Authority, AuthorityError},
    ca_certificate::CaCertificate,
    data::SecretData,
    fingerprint::Fingerprint,
    origin::{OriginError, check_origin},
};

/// Keys of the Secret that this program writes. Others are left alone.
pub const KEYS: [&str; 5] = [CA_CERTIFICATE, CA_KEY, NEXT_CERTIFICATE, NEXT_KEY, BUNDLE];

const CA_CERTIFICATE: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const NEXT_CERTIFICATE: &str = "next.crt";
const NEXT_KEY: &str = "next.key";
const BUNDLE: &str = "bundle.crt";

/// Maximum number of old CAs in the bundle. There is one at a time unless somebody adds more.
pub(crate) const MAX_RETIRED: usize = 16;

/// What a trusted CA does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It signs.
    Current,
    /// It will sign.
    Next,
    /// It signed earlier.
    Retired,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "it signs",
            Self::Next => "it is the next to sign",
            Self::Retired => "it signed earlier",
        })
    }
}

/// The CAs that all replicas share.
#[derive(Clone, Debug)]
pub struct Contents {
    /// Signs what replicas serve.
    pub current: Authority,
    /// Will sign, once the API server trusts it.
    pub next: Option<Authority>,
    /// Signed earlier, and what they signed may still be served.
    pub retired: Vec<CaCertificate>,
}

/// Why a Secret cannot be used.
#[derive(Debug, Error)]
pub enum UnusableSecret {
    /// There is nothing in it yet, or somebody emptied it.
    #[error("it is empty")]
    Empty,
    /// One of the two parts of the CA is missing.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// The CA is of no use.
    #[error("its CA cannot be used: {0}")]
    Authority(#[from] AuthorityError),
    /// The CA is on the list of revoked ones.
    #[error("its CA {0} is revoked")]
    Revoked(Fingerprint),
}

/// A CA of the Secret that this program did not make, and how that is known.
pub type RefusedCa = (CaCertificate, OriginError);

impl Contents {
    /// Reads the Secret. A next CA or an old one that cannot be used is left out; those of them that this program did not
    /// make for `server_name` are returned besides.
    ///
    /// # Errors
    /// If the CA that signs is missing or cannot be used.
    pub fn parse(
        data: &SecretData,
        server_name: &str,
        now: SystemTime,
    ) -> Result<(Self, Vec<RefusedCa>), UnusableSecret> {
        let part = |key: &'static str| {
            data.get(key).filter(|value| !value.is_empty()).ok_or(UnusableSecret::Missing(key))
        };
        if KEYS.iter().all(|key| part(key).is_err()) {
            return Err(UnusableSecret::Empty);
        }
        let current = Authority::from_pem(part(CA_CERTIFICATE)?, part(CA_KEY)?, server_name, now)?;
        let next = match (part(NEXT_CERTIFICATE), part(NEXT_KEY)) {
            (Ok(certificate), Ok(key)) => Authority::from_pem(certificate, key, server_name, now).ok(),
            _ => None,
        };
        let all = |key| part(key).map(|pem| CaCertificate::all_from_pem(pem)).unwrap_or_default();
        let (mut retired, mut refused) = (Vec::new(), Vec::new());
        for (ca, is_old) in std::iter::chain(
            all(NEXT_CERTIFICATE).into_iter().map(|ca| (ca, false)),
            all(BUNDLE).into_iter().map(|ca| (ca, true)),
        ) {
            match check_origin(&ca, server_name) {
                Ok(()) if is_old => retired.push(ca),
                Ok(()) => {}
                Err(why) => refused.push((ca, why)),
            }
        }
        let mut contents = Self { current, next, retired };
        contents.prune(now);
        Ok((contents, refused))
    }

    pub(crate) fn is_usable_at(&self, now: SystemTime) -> bool {
        std::iter::once(&self.current).chain(&self.next).all(|ca| ca.certificate.is_valid_at(now))
    }

    /// Drops old CAs that expired, that are there twice, or that are not old.
    pub(crate) fn prune(&mut self, now: SystemTime) {
        let mut seen = HashSet::from([self.current.certificate.der.clone()]);
        seen.extend(self.next.iter().map(|next| next.certificate.der.clone()));
        self.retired.retain(|ca| now <= ca.not_after && seen.insert(ca.der.clone()));
    }

    /// Every CA that the API server should trust.
    pub fn trusted(&self) -> impl Iterator<Item = &CaCertificate> {
        self.roles().map(|(ca, _)| ca)
    }

    /// Every CA that the API server should trust, with its role.
    pub(crate) fn roles(&self) -> impl Iterator<Item = (&CaCertificate, Role)> {
        let next = self.next.iter().map(|next| (&next.certificate, Role::Next));
        let retired = self.retired.iter().map(|ca| (ca, Role::Retired));
        std::iter::once((&self.current.certificate, Role::Current)).chain(next).chain(retired)
    }

    /// The CA bundle, in one order whoever writes it and whichever of them signs.
    #[must_use]
    pub fn bundle(&self) -> String {
        let mut trusted: Vec<_> = self.trusted().collect();
        trusted.sort_by(|a, b| b.not_after.cmp(&a.not_after).then_with(|| a.der.cmp(&b.der)));
        trusted.into_iter().fold(String::new(), |mut bundle, ca| {
            let _ = bundle.write_str(&ca.to_pem());
            bundle
        })
    }

    /// The data of the Secret that holds them.
    #[must_use]
    pub fn to_data(&self) -> SecretData {
        let mut data = SecretData::new();
        let mut put = |key: &str, value: String| data.insert(key.to_owned(), value.into_bytes());
        put(CA_CERTIFICATE, self.current.certificate.to_pem());
        put(CA_KEY, self.current.key_pem());
        if let Some(next) = &self.next {
            put(NEXT_CERTIFICATE, next.certificate.to_pem());
            put(NEXT_KEY, next.key_pem());
        }
        put(BUNDLE, self.bundle());
        data
    }

    /// Whether the Secret has exactly these values at [`KEYS`].
    #[must_use]
    pub fn is_stored_in(&self, data: &SecretData) -> bool {
        let wanted = self.to_data();
        KEYS.iter().all(|key| data.get(*key).filter(|value| !value.is_empty()) == wanted.get(*key))
    }

    /// The next CA signs from now on; the present one stays trusted until it expires.
    #[must_use]
    pub(crate) fn rotated(&self, now: SystemTime) -> Option<Self> {
        let current = self.next.clone()?;
        Some(Self::with_current(current, self.trusted().cloned().collect(), now))
    }

    /// A CA that signs beside CAs that are still trusted.
    #[must_use]
    pub(crate) fn with_current(current: Authority, retired: Vec<CaCertificate>, now: SystemTime) -> Self {
        let mut contents = Self { current, next: None, retired };
        contents.prune(now);
        contents
    }
}
