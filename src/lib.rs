//! The program `gomemlimit` as a library, so that its tests can run it in their own process.

pub mod admission_policy;
pub mod cli;
pub mod controller;
pub mod logging;

/// Crates of their own.
pub use gomemlimit_certs as certs;
pub use gomemlimit_cluster as cluster;
pub(crate) use gomemlimit_cluster::{asked, causes};
#[cfg(feature = "cli")]
pub use gomemlimit_observation as observation;
pub use gomemlimit_policy_file as policy_file;
pub use gomemlimit_serve as serve;
pub use gomemlimit_serve::metrics;
