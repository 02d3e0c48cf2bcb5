//! One line for each CA that the API server should trust from now on, or not any more: who keeps the log of these lines
//! knows every CA that ever was trusted.

use tracing::{info, warn};

use crate::certs::{CaCertificate, Change, DropReason, Fingerprint};

/// Logs what happened to CAs.
pub(super) fn log(changes: Vec<Change>) {
    for change in changes {
        match change {
            Change::Trusted { ca, role, unexpected } => {
                let (sha256, expires) = describe(&ca);
                if unexpected {
                    warn!(%sha256, %expires, why = %role, "a CA that somebody else added is trusted");
                } else {
                    info!(%sha256, %expires, why = %role, "a CA is trusted");
                }
            }
            Change::Dropped { ca, why: why @ DropReason::Expired } => {
                let (sha256, expires) = describe(&ca);
                info!(%sha256, %expires, %why, "a CA is not trusted any more");
            }
            Change::Dropped { ca, why } => {
                let (sha256, expires) = describe(&ca);
                warn!(%sha256, %expires, %why, "a CA is not trusted any more");
            }
            Change::Refused { ca, why } => {
                let (sha256, expires) = describe(&ca);
                warn!(%sha256, %expires, %why, "a CA in the Secret is not used and is removed");
            }
            Change::Unreadable(part) => {
                warn!(
                    ?part,
                    "a part of the list of revoked CAs is not a SHA-256 fingerprint; the others count"
                );
            }
        }
    }
}

fn describe(ca: &CaCertificate) -> (Fingerprint, humantime::Rfc3339Timestamp) {
    (Fingerprint::of(ca), humantime::format_rfc3339_seconds(ca.not_after))
}
