//! Self-managed certificates, the pure part: no clock, no cluster, no files.
//!
//! One Secret holds a certificate authority (CA) that all replicas share. Each replica signs its own
//! short-lived certificate with it and keeps that in memory. The next CA is in the webhook configuration's
//! CA bundle well before anything is signed with it, and an old one stays there until it expires, so at no
//! instant does a replica serve a certificate that the API server does not trust. CAs that were not made here, or that
//! somebody revoked, are neither used nor published.
//!
//! [`Machine`] is told what the cluster looks like and says the next thing to do;
//! `cluster/certificates.rs` does it.

mod authority;
mod changes;
mod contents;
mod fingerprint;
mod machine;
mod origin;
mod trust;

pub use self::{
    authority::{Authority, AuthorityError, Leaf},
    changes::{Change, Dropped, Role},
    contents::{Contents, Data, KEYS, Refused, Unusable},
    fingerprint::{Fingerprint, NotAFingerprint, REVOKED_ANNOTATION},
    machine::{Entry, Machine, Settings, Step, Stored, Trouble},
    origin::NotOurs,
    trust::{CaCertificate, VerifyError, verify},
};
