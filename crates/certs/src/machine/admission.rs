//! Which of the CAs that are found stay trusted.
//!
//! Their form is checked before ([`crate::origin`]). This part drops CAs that are revoked or that end too late. Clocks
//! differ, and the lifetime of CAs can be changed, so "too late" is measured by the CA that signs as well as by the clock: a CA
//! that ends more than `ca_lifetime` after both is not one that replicas with right or slow clocks make beside it. A later one
//! (of a fast clock, or of an earlier and longer `ca_lifetime`) is kept for one `leaf_lifetime` if it has signed or is published,
//! since certificates that it signed may be served until then.

use std::{
    cmp::Reverse,
    time::{Duration, SystemTime},
};

use super::{live::LiveBundles, memory::Memory};
use crate::{
    ca_certificate::CaCertificate,
    changes::{Change, DropReason, Journal},
    contents::{Contents, MAX_RETIRED, RefusedCa},
    fingerprint::{Fingerprint, Revocations},
};

/// The reason why a CA of the right form is not trusted.
const ENDS_TOO_LATE: &str = "it ends later than any CA that is made here";

/// Revocations, CAs that were seen before, and the changes to log.
#[derive(Debug)]
pub(super) struct Admission {
    ca_lifetime: Duration,
    leaf_lifetime: Duration,
    /// The list of revoked CAs, as it was read last.
    annotation: Option<String>,
    revocations: Revocations,
    memory: Memory,
    journal: Journal,
}

impl Admission {
    pub(super) fn new(ca_lifetime: Duration, leaf_lifetime: Duration) -> Self {
        Self {
            ca_lifetime,
            leaf_lifetime,
            annotation: None,
            revocations: Revocations::default(),
            memory: Memory::default(),
            journal: Journal::default(),
        }
    }

    /// Takes over the list of revoked CAs. A CA of `known` that is on it stays revoked as long as this replica runs.
    pub(super) fn revoke<'c>(
        &mut self,
        annotation: Option<&str>,
        known: impl Iterator<Item = &'c CaCertificate>,
    ) {
        if self.annotation.as_deref() == annotation {
            return;
        }
        self.annotation = annotation.map(str::to_owned);
        for part in self.revocations.list(annotation) {
            self.journal.add(Change::Unreadable(part));
        }
        for ca in known {
            self.revocations.remember(ca);
        }
        for ca in &self.memory.signers {
            self.revocations.remember(ca);
        }
    }

    pub(super) fn is_revoked(&self, ca: &CaCertificate) -> bool {
        self.revocations.has(ca)
    }

    /// Fingerprints that the annotation has lost, or does not have yet.
    pub(super) fn unlisted(&self) -> impl Iterator<Item = &Fingerprint> {
        self.revocations.unlisted()
    }

    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        self.journal.take()
    }

    pub(super) fn refuse(&mut self, refused: Vec<RefusedCa>) {
        for (ca, why) in refused {
            self.journal.refuse(ca, why);
        }
    }

    /// Drops CAs that have expired, are revoked, end too late, or are too many; never the one that signs.
    pub(super) fn prune(&mut self, contents: &mut Contents, live: &LiveBundles, now: SystemTime) {
        contents.prune(now);
        for ca in contents.trusted() {
            self.revocations.remember(ca);
        }
        contents.next.take_if(|next| self.revocations.has(&next.certificate));
        contents.retired.retain(|ca| !self.revocations.has(ca));
        let latest = now.max(contents.current.certificate.not_after) + self.ca_lifetime;
        let ends_too_late = |ca: &CaCertificate| ca.not_after > latest;
        if let Some(next) = contents.next.take_if(|next| ends_too_late(&next.certificate)) {
            self.journal.refuse(next.certificate, ENDS_TOO_LATE);
        }
        if contents.retired.iter().any(ends_too_late) || contents.retired.len() > MAX_RETIRED {
            let mut retired = std::mem::take(&mut contents.retired);
            retired.retain(|ca| !ends_too_late(ca) || self.may_outlast(ca, live, now));
            // CAs first that may have signed what is served: whoever adds more does not push them out.
            retired.sort_by_cached_key(|ca| {
                let rank = self.memory.signers.iter().position(|signer| signer == ca);
                (rank.unwrap_or(MAX_RETIRED), !live.has(ca), Reverse(ca.not_after))
            });
            retired.truncate(MAX_RETIRED);
            contents.retired = retired;
        }
    }

    /// Whether certificates that this CA signed may still be served, although no CA that is made now ends so late.
    fn may_outlast(&mut self, ca: &CaCertificate, live: &LiveBundles, now: SystemTime) -> bool {
        if !self.memory.signers.contains(ca) && !live.has(ca) {
            self.journal.refuse(ca.clone(), ENDS_TOO_LATE);
            return false;
        }
        let kept = now.duration_since(self.memory.kept_since(ca, now)).unwrap_or_default();
        kept < self.leaf_lifetime
    }

    /// Notes that `after` are the CAs from now on, instead of `before`.
    pub(super) fn replace(&mut self, before: Option<&Contents>, after: &Contents, now: SystemTime) {
        self.memory.note_signer(&after.current.certificate);
        let revocations = &self.revocations;
        self.journal.compare(before, after, |ca| {
            if revocations.has(ca) {
                DropReason::Revoked
            } else if ca.not_after < now {
                DropReason::Expired
            } else {
                DropReason::Removed
            }
        });
    }
}
