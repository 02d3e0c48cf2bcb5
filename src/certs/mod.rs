//! Self-managed certificates, the pure part: no clock, no cluster, no files.
//!
//! One Secret holds a certificate authority (CA). Each replica signs its own short-lived certificate with it and
//! keeps that in memory; or a separate keeper signs one for all replicas and keeps it in a second Secret, which they
//! mount. The next CA is in the webhook configuration's
//! CA bundle well before anything is signed with it, and an old one stays there until it expires, so at no
//! instant does a replica serve a certificate that the API server does not trust.
//!
//! [`Machine`] is told what the cluster looks like and says the next thing to do;
//! `cluster/certificates.rs` does it.

mod authority;
mod contents;
mod leaf;
mod machine;
mod step;
mod trust;

pub use self::{
    authority::{Authority, AuthorityError},
    contents::{Contents, Data, KEYS, Unusable},
    leaf::{LEAF_KEYS, Leaf, Signed},
    machine::{Machine, Settings},
    step::{Entry, Step, Stored, Target, Trouble},
    trust::{CaCertificate, VerifyError, verify},
};
