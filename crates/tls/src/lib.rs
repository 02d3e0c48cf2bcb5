//! Certificates with their keys, the provider of cryptography, and errors of TLS in words.
//!
//! PURE: no sockets, no files, no clock.
//!
//! ```
//! use std::time::SystemTime;
//!
//! use gomemlimit_tls::{Credentials, explain};
//!
//! let error = Credentials::from_pem(b"", b"", SystemTime::UNIX_EPOCH).unwrap_err();
//! assert!(error.to_string().contains("private key"), "{error}");
//! assert_eq!(explain::tls(&rustls::Error::NoCertificatesPresented), "it has no certificate");
//! ```

mod credentials;
pub mod explain;
mod provider;

pub use self::{
    credentials::{Credentials, CredentialsError},
    provider::provider,
};
