//! The CAs of certificates that replicas may still serve, which must not leave the CA bundle before that.

use std::time::{Duration, SystemTime};

use crate::{ca_certificate::CaCertificate, contents::Contents};

/// Maximum number of CAs that are remembered after their certificates were replaced, the latest first.
const MAX_REPLACED: usize = 4;

/// A CA whose certificate was replaced in the Secret that replicas mount; kubelet may bring the new one later.
#[derive(Debug)]
struct Replaced {
    ca: CaCertificate,
    since: SystemTime,
    /// Whether the Secret had it when it was read last.
    is_there: bool,
    /// Whether somebody has taken it away once. Whoever does so twice is obeyed, such as a keeper by whose clock it has
    /// expired: the two would write for ever.
    was_taken: bool,
}

/// The CAs of certificates that are served, as far as this process knows.
#[derive(Debug, Default)]
pub(super) struct Served {
    by: Option<CaCertificate>,
    replaced: Vec<Replaced>,
}

impl Served {
    /// Notes that the certificate that is served now is signed by `ca`. If it is mounted, others may serve the one before
    /// it for a while.
    pub(super) fn note(&mut self, ca: &CaCertificate, is_mounted: bool, now: SystemTime) {
        if self.by.as_ref() == Some(ca) {
            return;
        }
        self.replaced.retain(|replaced| replaced.ca != *ca);
        if let Some(ca) = self.by.replace(ca.clone()).filter(|_| is_mounted) {
            self.replaced.insert(0, Replaced { ca, since: now, is_there: true, was_taken: false });
            self.replaced.truncate(MAX_REPLACED);
        }
    }

    /// The CAs that have to be put back into these contents, which were read from the Secret. Nothing is served for longer
    /// than `leaf_lifetime`.
    pub(super) fn missing_in(
        &mut self,
        contents: &Contents,
        leaf_lifetime: Duration,
        now: SystemTime,
    ) -> Vec<CaCertificate> {
        self.replaced.retain(|one| now.duration_since(one.since).unwrap_or_default() < leaf_lifetime);
        let has = |ca: &CaCertificate| contents.trusted().any(|one| one == ca);
        let mut missing: Vec<_> = self.by.iter().filter(|ca| !has(ca)).cloned().collect();
        self.replaced.retain_mut(|one| {
            let is_taken = one.is_there && !has(&one.ca);
            let is_kept = !(is_taken && one.was_taken);
            one.was_taken |= is_taken;
            one.is_there = has(&one.ca);
            if is_kept && !one.is_there {
                missing.push(one.ca.clone());
            }
            is_kept
        });
        missing
    }

    /// Every CA of a certificate that may be served.
    pub(super) fn all(&self) -> impl Iterator<Item = &CaCertificate> {
        self.by.iter().chain(self.replaced.iter().map(|one| &one.ca))
    }
}
