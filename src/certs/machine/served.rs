//! The CAs of certificates that replicas may still serve, which must not leave the CA bundle before that.

use std::time::{Duration, SystemTime};

use crate::certs::{contents::Contents, trust::CaCertificate};

/// So many CAs are remembered whose certificates were replaced, the latest first.
const MAX_REPLACED: usize = 4;

/// A CA whose certificate was replaced in the Secret that replicas mount; kubelet may bring the new one later.
#[derive(Debug)]
struct Replaced {
    ca: CaCertificate,
    since: SystemTime,
    /// It was among the CAs of the Secret when these were read last.
    is_there: bool,
    /// Somebody has taken it away once. Who does so twice is obeyed, such as a keeper whose clock says that it has expired:
    /// the two would write for ever.
    was_taken: bool,
}

/// What this process knows to be served.
#[derive(Debug, Default)]
pub(super) struct Served {
    by: Option<CaCertificate>,
    replaced: Vec<Replaced>,
}

impl Served {
    /// What is served now is signed by `ca`. Others may serve for a while what it replaces, if `is_mounted`.
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

    /// Those that have to be put back into these CAs, which were read from the Secret. `leaf_life` bounds how long
    /// anything may be served.
    pub(super) fn missing_in(
        &mut self,
        contents: &Contents,
        leaf_life: Duration,
        now: SystemTime,
    ) -> Vec<CaCertificate> {
        self.replaced.retain(|one| now.duration_since(one.since).unwrap_or_default() < leaf_life);
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

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &CaCertificate> {
        self.by.iter().chain(self.replaced.iter().map(|one| &one.ca))
    }
}
