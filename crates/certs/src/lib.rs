//! Self-managed certificates, the pure part: no clock, no cluster, no files.
//!
//! One Secret holds a certificate authority (CA). Each replica signs its own short-lived certificate with it and
//! keeps that in memory; or a separate keeper signs one for all replicas and keeps it in a second Secret, which they
//! mount. The next CA is in the CA bundle of the webhook configuration well before anything is signed with it, and an old one stays there until it expires, so at no
//! instant does a replica serve a certificate that the API server does not trust. CAs that were not made here, or that
//! somebody revoked, are neither used nor published.
//!
//! PURE: the caller passes the state of the cluster and the time to [`Machine`], and does the next [`Step`].
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use gomemlimit_certs::{CertificateSettings, Machine, SecretData, Step, StoreReason, EntryBundle};
//!
//! let now = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
//! let mut machine = Machine::new(CertificateSettings {
//!     server_name: "gomemlimit.gomemlimit.svc".to_owned(),
//!     ca_lifetime: Duration::from_hours(8760),
//!     leaf_lifetime: Duration::from_hours(168),
//!     publish_delay: Duration::from_mins(10),
//! });
//! // As `helm install` leaves it: an empty Secret, and a webhook configuration without a CA bundle.
//! machine.observe_secret(Some(SecretData::new()));
//! let entry = EntryBundle { name: "pods.gomemlimit.dev".to_owned(), bundle: Vec::new() };
//! machine.observe_configuration(Some(vec![entry]));
//! let Ok(Some(Step::StoreCa(data, StoreReason::Created(_)))) = machine.step(now) else { unreachable!() };
//! machine.observe_secret(Some(data));
//! assert!(matches!(machine.step(now), Ok(Some(Step::Serve(_)))));
//! assert!(matches!(machine.step(now), Ok(Some(Step::PublishBundle { .. }))));
//! ```

mod authority;
mod ca_certificate;
mod changes;
mod contents;
mod data;
mod fingerprint;
mod leaf;
mod machine;
mod origin;
mod step;
mod verify;

pub use self::{
    authority::{Authority, AuthorityError},
    ca_certificate::CaCertificate,
    changes::{Change, DropReason},
    contents::{Contents, KEYS, RefusedCa, Role, UnusableSecret},
    data::SecretData,
    fingerprint::{Fingerprint, NotAFingerprint, REVOKED_ANNOTATION},
    leaf::{LEAF_KEYS, Leaf, SignReason},
    machine::{CertificateSettings, Machine},
    origin::{OriginError, check_origin},
    step::{EntryBundle, Problem, Step, StoreReason, WriteTarget},
    verify::{VerifyError, verify},
};
