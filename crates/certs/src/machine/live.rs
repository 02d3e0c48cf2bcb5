//! The CA bundles of the webhook configuration, as the API server has them now.

use std::time::SystemTime;

use crate::{
    ca_certificate::CaCertificate, leaf::Leaf, origin::check_origin, step::EntryBundle, verify::verifies,
};

/// One CA bundle per entry of the webhook configuration.
#[derive(Debug, Default)]
pub(super) struct LiveBundles(Vec<Vec<CaCertificate>>);

impl LiveBundles {
    pub(super) fn of(entries: &[EntryBundle]) -> Self {
        Self(entries.iter().map(|entry| CaCertificate::all_from_pem(&entry.bundle)).collect())
    }

    /// Every CA of every bundle.
    pub(super) fn all(&self) -> impl Iterator<Item = &CaCertificate> {
        self.0.iter().flatten()
    }

    /// Every CA that this program makes for `server_name`.
    pub(super) fn made_for<'s>(&'s self, server_name: &str) -> impl Iterator<Item = &'s CaCertificate> {
        self.all().filter(move |ca| check_origin(ca, server_name).is_ok())
    }

    /// Whether any entry has this CA.
    pub(super) fn has(&self, ca: &CaCertificate) -> bool {
        self.all().any(|one| one == ca)
    }

    /// Whether every entry has this CA; no, if there is no entry.
    pub(super) fn all_have(&self, ca: &CaCertificate) -> bool {
        self.every(|bundle| bundle.contains(ca))
    }

    /// Whether every entry verifies `leaf`; no, if there is no entry.
    pub(super) fn trust(&self, leaf: &Leaf, server_name: &str, now: SystemTime) -> bool {
        self.every(|bundle| verifies(bundle, &leaf.certificate, server_name, now))
    }

    fn every(&self, holds: impl Fn(&[CaCertificate]) -> bool) -> bool {
        !self.0.is_empty() && self.0.iter().all(|bundle| holds(bundle))
    }
}
