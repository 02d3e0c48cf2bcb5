//! The program `gomemlimit` as a library, so that its tests can run it in their own process.

pub mod admission_policy;
pub mod certs;
pub mod cli;
pub mod cluster;
mod columns;
pub mod logging;
pub mod manifest;
pub mod metrics;
#[cfg(feature = "diagnose")]
pub mod observation;
pub mod policy_file;
pub mod serve;
