//! Which CAs enter and leave the set that the API server should trust, for the log.

use std::{collections::BTreeSet, fmt};

use crate::{
    ca_certificate::CaCertificate,
    contents::{Contents, Role},
    fingerprint::Fingerprint,
};

/// Maximum number of changes that wait to be logged. Further ones are dropped.
const MAX_PENDING: usize = 32;

/// Maximum number of refused CAs that are remembered, so that each is logged once.
const MAX_REFUSED: usize = 256;

/// What happened to one CA, or to the list of revoked ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is trusted from now on.
    Trusted {
        /// The CA.
        ca: CaCertificate,
        /// Its role.
        role: Role,
        /// Whether somebody else wrote it: nothing that this replica has seen explains it.
        unexpected: bool,
    },
    /// It is not trusted any more.
    Dropped {
        /// The CA.
        ca: CaCertificate,
        /// Why.
        why: DropReason,
    },
    /// It was in the Secret, and is not used.
    Refused {
        /// The CA.
        ca: CaCertificate,
        /// Why.
        why: String,
    },
    /// This part of the list of revoked CAs is no fingerprint.
    Unreadable(String),
}

/// Why a CA is not trusted any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// Past `notAfter`.
    Expired,
    /// Revoked by the annotation.
    Revoked,
    /// Not in the Secret any more, or not kept: what it signed is not served any more.
    Removed,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "it expired",
            Self::Revoked => "it is revoked",
            Self::Removed => "the Secret does not have it any more",
        })
    }
}

/// Changes that nobody has logged yet.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pending: Vec<Change>,
    refused: BTreeSet<Fingerprint>,
}

impl Journal {
    pub(crate) fn take(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.pending)
    }

    pub(crate) fn add(&mut self, change: Change) {
        if self.pending.len() < MAX_PENDING {
            self.pending.push(change);
        }
    }

    /// Each CA once: what is refused may be seen again and again.
    pub(crate) fn refuse(&mut self, ca: CaCertificate, why: impl fmt::Display) {
        if self.refused.len() >= MAX_REFUSED {
            self.refused.clear();
        }
        if self.refused.insert(Fingerprint::of(&ca)) {
            self.add(Change::Refused { ca, why: why.to_string() });
        }
    }

    /// The difference between what was trusted `before` and what is trusted `after`.
    pub(crate) fn compare(
        &mut self,
        before: Option<&Contents>,
        after: &Contents,
        why: impl Fn(&CaCertificate) -> DropReason,
    ) {
        let was_trusted =
            |ca: &CaCertificate| before.is_some_and(|before| before.trusted().any(|one| one == ca));
        for (ca, role) in after.roles().filter(|(ca, _)| !was_trusted(ca)) {
            let unexpected = before.is_some() && role == Role::Retired;
            self.add(Change::Trusted { ca: ca.clone(), role, unexpected });
        }
        let gone = before.into_iter().flat_map(Contents::trusted);
        for ca in gone.filter(|ca| !after.trusted().any(|one| one == *ca)) {
            self.add(Change::Dropped { ca: ca.clone(), why: why(ca) });
        }
    }
}
