//! TLS of the webhook port: the serving certificate, the CA of callers, the configuration.

mod callers;
mod ephemeral;
mod files;
mod serving;

pub use gomemlimit_tls::{Credentials, CredentialsError, explain, provider};

pub use self::{
    callers::{ClientCa, ClientCaError},
    ephemeral::{EphemeralError, ephemeral},
    files::{CertificateFiles, CertificateFilesError},
    serving::Serving,
};
