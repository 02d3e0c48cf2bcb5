//! Which of the CAs that are found stay trusted.
//!
//! Contents are of our own making as to their form ([`crate::certs::origin`]). Here it is asked whether they are revoked,
//! and whether they end too late. Clocks differ, and the life of CAs can be changed, so "too late" is measured by the CA
//! that signs as well as by the clock: a CA that ends more than `ca_life` after both is none that replicas with clocks that
//! are right or behind make beside it. One that ends later (of a clock that was ahead, or of an earlier and longer
//! `ca_life`) is kept for one `leaf_life` if it has signed or is published, since what it signed may be served until then.

use std::{cmp::Reverse, time::SystemTime};

use super::{Contents, Machine};
use crate::certs::{
    changes::{Change, Dropped},
    contents::MAX_RETIRED,
    fingerprint::Fingerprint,
    trust::CaCertificate,
};

/// Why a CA that is made as ours are is not trusted.
const ENDS_TOO_LATE: &str = "it ends later than any CA that is made here";

/// What a replica remembers about CAs that sign no more.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// CAs that this replica saw signing, the latest first.
    signers: Vec<CaCertificate>,
    /// Since when a CA has been kept that ends too late, the latest first.
    kept_since: Vec<(CaCertificate, SystemTime)>,
}

impl Memory {
    fn note_signer(&mut self, signer: &CaCertificate) {
        if self.signers.first() != Some(signer) {
            self.signers.retain(|ca| ca != signer);
            self.signers.insert(0, signer.clone());
            self.signers.truncate(MAX_RETIRED);
            self.kept_since.retain(|(ca, _)| ca != signer);
        }
    }

    /// Since when `ca` has been kept. A clock that was set back starts the time again.
    fn kept_since(&mut self, ca: &CaCertificate, now: SystemTime) -> SystemTime {
        if let Some((_, since)) = self.kept_since.iter_mut().find(|(kept, _)| kept == ca) {
            *since = now.min(*since);
            return *since;
        }
        self.kept_since.insert(0, (ca.clone(), now));
        self.kept_since.truncate(2 * MAX_RETIRED);
        now
    }
}

impl Machine {
    /// The list of revoked CAs as it is in the Secret's annotation now; `None` if there is none.
    ///
    /// What cannot be read of it is left out, and reported among the changes.
    pub fn see_revoked(&mut self, annotation: Option<&str>) {
        if self.annotation.as_deref() == annotation {
            return;
        }
        self.annotation = annotation.map(str::to_owned);
        for part in self.revocations.list(annotation) {
            self.journal.add(Change::Unreadable(part));
        }
        let held = self.held.iter().flat_map(Contents::trusted);
        let live = self.live.iter().flatten();
        for ca in held.chain(live).chain(self.served.all()).chain(&self.memory.signers) {
            self.revocations.remember(ca);
        }
    }

    /// Fingerprints that the annotation has lost, or has not got yet.
    pub fn unlisted_revocations(&self) -> impl Iterator<Item = &Fingerprint> {
        self.revocations.unlisted()
    }

    /// What happened to CAs since this was asked last.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.journal.take()
    }

    /// How many CAs the API server should trust.
    #[must_use]
    pub fn trusted(&self) -> usize {
        self.held.iter().flat_map(Contents::trusted).count()
    }

    /// Drops CAs that have expired, are revoked, end too late, or are too many; never the one that signs.
    pub(super) fn sift(&mut self, contents: &mut Contents, now: SystemTime) {
        contents.tidy(now);
        for ca in contents.trusted() {
            self.revocations.remember(ca);
        }
        contents.next.take_if(|next| self.revocations.has(&next.certificate));
        contents.retired.retain(|ca| !self.revocations.has(ca));
        let latest = now.max(contents.signer.certificate.not_after) + self.settings.ca_life;
        let ends_too_late = |ca: &CaCertificate| ca.not_after > latest;
        if let Some(next) = contents.next.take_if(|next| ends_too_late(&next.certificate)) {
            self.journal.refuse(next.certificate, ENDS_TOO_LATE);
        }
        if contents.retired.iter().any(ends_too_late) || contents.retired.len() > MAX_RETIRED {
            let mut retired = std::mem::take(&mut contents.retired);
            retired.retain(|ca| !ends_too_late(ca) || self.may_outlast(ca, now));
            // Those first that may have signed what is served: whoever adds more does not push them out.
            retired.sort_by_cached_key(|ca| {
                let place = self.memory.signers.iter().position(|signer| signer == ca);
                (place.unwrap_or(MAX_RETIRED), !self.is_live(ca), Reverse(ca.not_after))
            });
            retired.truncate(MAX_RETIRED);
            contents.retired = retired;
        }
    }

    /// Whether what this CA signed may still be served, although no CA that is made now ends so late.
    fn may_outlast(&mut self, ca: &CaCertificate, now: SystemTime) -> bool {
        if !self.memory.signers.contains(ca) && !self.is_live(ca) {
            self.journal.refuse(ca.clone(), ENDS_TOO_LATE);
            return false;
        }
        let kept = now.duration_since(self.memory.kept_since(ca, now)).unwrap_or_default();
        kept < self.settings.leaf_life
    }

    /// Whether the API server trusts it, as it is configured now.
    fn is_live(&self, ca: &CaCertificate) -> bool {
        self.live.iter().flatten().any(|one| one == ca)
    }

    /// These are the CAs from now on.
    pub(super) fn hold(&mut self, contents: Contents, now: SystemTime) {
        self.memory.note_signer(&contents.signer.certificate);
        let revocations = &self.revocations;
        self.journal.compare(self.held.as_ref(), &contents, |ca| {
            if revocations.has(ca) {
                Dropped::Revoked
            } else if ca.not_after < now {
                Dropped::Expired
            } else {
                Dropped::Removed
            }
        });
        self.held = Some(contents);
    }

    /// What is held, unless the CA that signs is revoked, and nothing is there to replace it yet.
    pub(super) fn usable(&self) -> Option<&Contents> {
        self.held.as_ref().filter(|held| !self.revocations.has(&held.signer.certificate))
    }
}
