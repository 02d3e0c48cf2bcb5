//! TLS of the webhook port: the serving certificate, the CA of callers, the configuration.

mod callers;
mod credentials;
mod ephemeral;
mod files;
pub mod provider;
mod serving;
pub mod words;

pub use self::{
    callers::{ClientCa, ClientCaError},
    credentials::{Credentials, CredentialsError},
    ephemeral::{EphemeralError, ephemeral},
    files::{CertificateFiles, CertificateFilesError},
    serving::Serving,
    words as explain,
};
