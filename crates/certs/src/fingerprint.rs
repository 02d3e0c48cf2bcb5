//! SHA-256 fingerprints of CA certificates, and the list of those that are revoked.

use std::{collections::BTreeSet, fmt, str::FromStr};

use ring::digest::{SHA256, digest};
use thiserror::Error;

use crate::ca_certificate::CaCertificate;

/// Annotation of the Secret with the fingerprints of CAs that must never be trusted again, separated by commas.
pub const REVOKED_ANNOTATION: &str = "gomemlimit.dev/revoked-cas";

/// Maximum number of revoked CAs that a replica remembers although the Secret no longer lists them.
const MAX_REMEMBERED: usize = 64;

/// SHA-256 of a certificate's DER bytes. Displayed as 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

/// Why a text is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons")]
pub struct NotAFingerprint;

impl Fingerprint {
    /// The fingerprint of this certificate.
    #[must_use]
    pub fn of(ca: &CaCertificate) -> Self {
        let mut bytes = [0; 32];
        for (byte, digest) in bytes.iter_mut().zip(digest(&SHA256, &ca.der).as_ref()) {
            *byte = *digest;
        }
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    /// Hexadecimal digits of either case; colons between them, as `openssl x509 -fingerprint` prints, are allowed.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut digits = text.chars().filter(|character| *character != ':');
        let mut bytes = [0; 32];
        for byte in &mut bytes {
            for _ in 0..2 {
                let digit = digits.next().and_then(|digit| digit.to_digit(16)).ok_or(NotAFingerprint)?;
                *byte = *byte << 4 | u8::try_from(digit).map_err(|_| NotAFingerprint)?;
            }
        }
        digits.next().is_none().then_some(Self(bytes)).ok_or(NotAFingerprint)
    }
}

/// The CAs that are revoked, as far as one replica knows.
#[derive(Debug, Default)]
pub(crate) struct Revocations {
    /// Fingerprints that the annotation lists now.
    listed: BTreeSet<Fingerprint>,
    /// Fingerprints of CAs that this replica has seen and that were listed at some time, the oldest first: neither a
    /// deleted nor a restored Secret brings such CAs back.
    remembered: Vec<Fingerprint>,
}

impl Revocations {
    /// Takes over the annotation as it is now. Returns the parts that are no fingerprints.
    pub(crate) fn list(&mut self, annotation: Option<&str>) -> Vec<String> {
        let parts = annotation.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty());
        let mut unreadable = Vec::new();
        self.listed.clear();
        for part in parts {
            match part.parse() {
                Ok(fingerprint) => drop(self.listed.insert(fingerprint)),
                Err(NotAFingerprint) => unreadable.push(part.to_owned()),
            }
        }
        unreadable
    }

    pub(crate) fn has(&self, ca: &CaCertificate) -> bool {
        if self.listed.is_empty() && self.remembered.is_empty() {
            return false;
        }
        let fingerprint = Fingerprint::of(ca);
        self.listed.contains(&fingerprint) || self.remembered.contains(&fingerprint)
    }

    /// Notes that this CA is or was in use: if it is revoked, it stays so as long as this replica runs.
    pub(crate) fn remember(&mut self, ca: &CaCertificate) {
        if self.has(ca) {
            let fingerprint = Fingerprint::of(ca);
            if !self.remembered.contains(&fingerprint) {
                self.remembered.push(fingerprint);
                let excess = self.remembered.len().saturating_sub(MAX_REMEMBERED);
                self.remembered.drain(..excess);
            }
        }
    }

    /// Fingerprints that the annotation has lost.
    pub(crate) fn unlisted(&self) -> impl Iterator<Item = &Fingerprint> {
        self.remembered.iter().filter(|fingerprint| !self.listed.contains(fingerprint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENSSL: &str =
        "DE:AD:BE:EF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB";

    #[test]
    fn a_fingerprint_is_read_as_openssl_prints_it_and_as_it_is_printed_here() {
        let fingerprint: Fingerprint = OPENSSL.parse().unwrap();
        let printed = fingerprint.to_string();
        assert_eq!(printed, OPENSSL.replace(':', "").to_lowercase());
        assert_eq!(printed.parse(), Ok(fingerprint));
        for bad in ["", "all", "+1", &printed[1..], &format!("{printed}0"), &printed.replace('d', "g"), "é"]
        {
            assert_eq!(bad.parse::<Fingerprint>(), Err(NotAFingerprint), "{bad}");
        }
    }

    #[test]
    fn what_is_no_fingerprint_does_not_hide_what_is_one() {
        let mut revocations = Revocations::default();
        let unreadable = revocations.list(Some(&format!(" all,, {OPENSSL} ,sha256:00,")));
        assert_eq!(unreadable, ["all", "sha256:00"]);
        assert_eq!(revocations.listed.iter().copied().collect::<Vec<_>>(), [OPENSSL.parse().unwrap()]);
        assert_eq!(revocations.list(None), [""; 0]);
        assert!(revocations.listed.is_empty());
    }
}
