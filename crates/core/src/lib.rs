//! The pure core of gomemlimit: admission reviews and pods in, decisions and RFC 6902 patches out.
//!
//! ```
//! use gomemlimit_core::{NamespaceAnnotations, Policy, Reason, admission::admit};
//!
//! let review = br#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
//!     "uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE", "object":
//!     {"spec": {"containers": [{"name": "app", "resources": {"limits": {"memory": "1Gi"}}}]}}}}"#;
//! let admission = admit(review, |_namespace| NamespaceAnnotations::new(), &Policy::default())?;
//! let app = admission.outcome.decision.containers.first().unwrap();
//! assert_eq!(app.outcome.reason, Reason::Injected);
//! assert_eq!(app.outcome.value.unwrap().bytes, 966_367_641);
//! assert!(String::from_utf8_lossy(&admission.response).contains(r#""allowed":true"#));
//! # Ok::<(), gomemlimit_core::ReviewError>(())
//! ```
//!
//! Nothing here does IO, reads a clock or the environment, spawns or awaits. The webhook (by
//! [`admit`](admission::admit)), `inject` and `explain` all go through [`decide`], so they cannot disagree.

pub mod addresses;
pub mod admission;
pub mod audit;
pub mod decision;
mod glob;
mod json;
pub mod limit_range;
pub mod names;
pub mod pod;
mod policy;
pub mod printable;
pub mod quantity;
mod quote;
pub mod reason;
pub mod settings;
pub mod units;
pub mod value;
pub mod warning;

pub use admission::{Review, ReviewError};
pub use decision::{PodContext, PodDecision, decide};
pub use limit_range::LimitRanges;
pub use pod::Pod;
pub use policy::Policy;
pub use reason::Reason;
pub use settings::{NamespaceAnnotations, Rules, Settings};
