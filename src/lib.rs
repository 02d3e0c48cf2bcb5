//! The program `gomemlimit` as a library, so that its tests can run it in their own process.

pub mod admission_policy;
mod asked;
mod causes;
pub mod cli;
pub mod cluster;
mod columns;
pub mod controller;
pub mod logging;
#[cfg(feature = "cli")]
pub mod observation;

/// The policy file, the certificates and the server are crates of their own.
pub use gomemlimit_certs as certs;
pub use gomemlimit_policy_file as policy_file;
pub use gomemlimit_serve as serve;
pub use gomemlimit_serve::metrics;
