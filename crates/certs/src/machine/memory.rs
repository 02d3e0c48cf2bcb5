//! The CAs that one replica has seen signing.

use std::time::SystemTime;

use crate::{ca_certificate::CaCertificate, contents::MAX_RETIRED};

/// CAs that this replica remembers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// CAs that this replica saw signing, the latest first.
    pub(super) signers: Vec<CaCertificate>,
    /// CAs that end too late, each with the time since which it has been kept; the latest first.
    kept_since: Vec<(CaCertificate, SystemTime)>,
}

impl Memory {
    pub(super) fn note_signer(&mut self, signer: &CaCertificate) {
        if self.signers.first() != Some(signer) {
            self.signers.retain(|ca| ca != signer);
            self.signers.insert(0, signer.clone());
            self.signers.truncate(MAX_RETIRED);
            self.kept_since.retain(|(ca, _)| ca != signer);
        }
    }

    /// The time since which `ca` has been kept. A clock that was set back starts the time again.
    pub(super) fn kept_since(&mut self, ca: &CaCertificate, now: SystemTime) -> SystemTime {
        if let Some((_, since)) = self.kept_since.iter_mut().find(|(kept, _)| kept == ca) {
            *since = now.min(*since);
            return *since;
        }
        self.kept_since.insert(0, (ca.clone(), now));
        self.kept_since.truncate(2 * MAX_RETIRED);
        now
    }
}
