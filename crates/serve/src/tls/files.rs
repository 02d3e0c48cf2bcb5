//! Certificate and key from files. A pair that is torn (one file new, one old), unusable or expired is refused.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use gomemlimit_files::{FileError, Kinds, MAX_PEM};
use gomemlimit_tls::{Credentials, CredentialsError};
use thiserror::Error;
use tracing::info;

use super::serving::Serving;
use crate::{
    metrics::{Metrics, ReloadedFile},
    reloaded::Source,
};

/// Paths of the certificate and its key.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// PEM chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
}

/// Why the files cannot be used.
#[derive(Debug, Error)]
pub enum CertificateFilesError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: FileError,
    },
    /// Their content cannot be served.
    #[error("cannot use {certificate} with {key}: {source}", certificate = files.certificate.display(), key = files.key.display())]
    Use {
        /// The files.
        files: CertificateFiles,
        /// The cause.
        source: CredentialsError,
    },
}

impl CertificateFiles {
    fn unusable(&self, source: CredentialsError) -> CertificateFilesError {
        CertificateFilesError::Use { files: self.clone(), source }
    }
}

impl Source for CertificateFiles {
    /// The certificate and the key.
    type Content = (Vec<u8>, Vec<u8>);
    type Value = Credentials;
    type Target = Arc<Serving>;
    type Error = CertificateFilesError;
    const FILE: ReloadedFile = ReloadedFile::Certificate;

    fn read(&self) -> Result<Self::Content, CertificateFilesError> {
        let read = |path: &PathBuf| {
            let read = gomemlimit_files::read(path, Kinds::Regular, MAX_PEM);
            read.map_err(|source| CertificateFilesError::Read { path: path.clone(), source })
        };
        Ok((read(&self.certificate)?, read(&self.key)?))
    }

    fn parse(&self, (certificate, key): &Self::Content) -> Result<Credentials, CertificateFilesError> {
        Credentials::from_pem(certificate, key, SystemTime::now()).map_err(|source| self.unusable(source))
    }

    /// A certificate that is not valid yet does not replace one that is valid.
    fn apply(
        &self,
        credentials: Credentials,
        serving: &Arc<Serving>,
        _metrics: &Metrics,
    ) -> Result<(), CertificateFilesError> {
        let now = SystemTime::now();
        if serving.is_valid_at(now) && !credentials.is_valid_at(now) {
            return Err(self.unusable(CredentialsError::NotYetValid(credentials.not_before())));
        }
        let expires = humantime::format_rfc3339_seconds(credentials.not_after());
        info!(certificate = %self.certificate.display(), %expires, "serving a new certificate");
        serving.replace(credentials);
        Ok(())
    }
}
