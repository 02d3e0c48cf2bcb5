//! The machine's report about itself: changes, times, problems.

use std::time::SystemTime;

use super::{Machine, observed::Observed};
use crate::{changes::Change, contents::Contents, fingerprint::Fingerprint, step::Problem};

impl Machine {
    /// Fingerprints that the annotation has lost, or does not have yet.
    pub fn unlisted_revocations(&self) -> impl Iterator<Item = &Fingerprint> {
        self.admission.unlisted()
    }

    /// What happened to CAs since the last call.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.admission.take_changes()
    }

    /// Number of CAs that the API server should trust.
    #[must_use]
    pub fn trusted(&self) -> usize {
        self.contents.iter().flat_map(Contents::trusted).count()
    }

    /// Whether the API server, as it is configured now, trusts the certificate that is served.
    #[must_use]
    pub fn is_verified(&self, now: SystemTime) -> bool {
        self.leaf.as_ref().is_some_and(|leaf| self.live.trust(leaf, &self.settings.server_name, now))
    }

    /// When the certificate that is served should be renewed.
    #[must_use]
    pub fn renew_at(&self) -> Option<SystemTime> {
        self.leaf.as_ref().map(|leaf| leaf.renew_at)
    }

    /// When the certificate that is served expires.
    #[must_use]
    pub fn leaf_expires(&self) -> Option<SystemTime> {
        self.leaf.as_ref().map(|leaf| leaf.credentials.not_after())
    }

    /// When the CA that signs expires.
    #[must_use]
    pub fn ca_expires(&self) -> Option<SystemTime> {
        self.contents.as_ref().map(|contents| contents.current.certificate.not_after)
    }

    /// Problems that only somebody else can fix.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let secret = matches!(self.secret, Observed::Missing).then_some(Problem::SecretMissing);
        let serving =
            matches!(self.serving_secret, Some(Observed::Missing)).then_some(Problem::ServingSecretMissing);
        let configuration =
            matches!(self.configuration, Observed::Missing).then_some(Problem::ConfigurationMissing);
        secret.into_iter().chain(serving).chain(configuration).collect()
    }
}
