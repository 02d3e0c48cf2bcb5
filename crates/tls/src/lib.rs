//! Certificates with their keys, the provider of cryptography, and errors of TLS in words.
//!
//! PURE: no sockets, no files, no clock.

mod credentials;
pub mod explain;
mod provider;

pub use self::{
    credentials::{Credentials, CredentialsError},
    provider::provider,
};
