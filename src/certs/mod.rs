//! Self-managed certificates, the pure part: no clock, no cluster, no files.
//!
//! One Secret holds a certificate authority (CA). Each replica signs its own short-lived certificate with it and
//! keeps that in memory; or a separate keeper signs one for all replicas and keeps it in a second Secret, which they
//! mount. The next CA is in the webhook configuration's
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
mod leaf;
mod machine;
mod origin;
mod step;
mod trust;

pub use self::{
    authority::{Authority, AuthorityError},
    changes::{Change, Dropped, Role},
    contents::{Contents, Data, KEYS, Refused, Unusable},
    fingerprint::{Fingerprint, NotAFingerprint, REVOKED_ANNOTATION},
    leaf::{LEAF_KEYS, Leaf, Signed},
    machine::{Machine, Settings},
    origin::NotOurs,
    step::{Entry, Step, Stored, Target, Trouble},
    trust::{CaCertificate, VerifyError, verify},
};
