//! The program `gomemlimit` as a library, so that its tests can run it in their own process.

pub mod admission_policy;
pub mod certs;
pub mod cli;
pub mod cluster;
mod columns;
pub mod logging;
pub mod manifest;
#[cfg(feature = "diagnose")]
pub mod observation;

/// The server, which is a crate of its own.
pub use gomemlimit_serve as serve;
pub use gomemlimit_serve::{metrics, policy_file};
