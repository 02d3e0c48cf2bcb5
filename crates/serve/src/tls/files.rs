//! Certificate and key from files, reloaded when their content changes.
//!
//! Polled, not watched: kubelet replaces a mounted Secret by swapping the symlink `..data`, after
//! which a watch on the file itself never fires again. Comparing content survives every way of
//! replacing a file. A pair that is torn (one file new, one old), unusable or expired is refused and
//! tried again at the next poll; what was served before stays.

use std::{path::PathBuf, time::SystemTime};

use gomemlimit_files::{FileError, Kinds, MAX_PEM};
use thiserror::Error;
use tracing::info;

use super::{Credentials, CredentialsError, Serving};
use crate::{
    last_good::LastGood,
    metrics::{Metrics, Reread},
    readiness::Trouble,
};

/// The two files.
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
    /// One of them cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: FileError,
    },
    /// What they hold cannot be served.
    #[error("cannot use {certificate} with {key}: {source}", certificate = files.certificate.display(), key = files.key.display())]
    Use {
        /// Which files.
        files: CertificateFiles,
        /// Why.
        source: CredentialsError,
    },
}

/// The content of both files.
#[derive(PartialEq, Eq)]
pub struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl CertificateFiles {
    fn read(&self) -> Result<Content, CertificateFilesError> {
        let read = |path: &PathBuf| {
            let read = gomemlimit_files::read(path, Kinds::Regular, MAX_PEM);
            read.map_err(|source| CertificateFilesError::Read { path: path.clone(), source })
        };
        Ok(Content { certificate: read(&self.certificate)?, key: read(&self.key)? })
    }

    fn check(&self, content: &Content, now: SystemTime) -> Result<Credentials, CertificateFilesError> {
        Credentials::from_pem(&content.certificate, &content.key, now)
            .map_err(|source| CertificateFilesError::Use { files: self.clone(), source })
    }

    /// Reads and checks the files at start.
    pub fn load(&self, now: SystemTime) -> Result<(Credentials, Content), CertificateFilesError> {
        let content = self.read()?;
        Ok((self.check(&content, now)?, content))
    }
}

/// Looks for changes; call [`Reloader::poll`] at every interval.
pub struct Reloader {
    files: CertificateFiles,
    served: Content,
    state: LastGood,
}

impl Reloader {
    /// Goes on from what [`CertificateFiles::load`] gave.
    #[must_use]
    pub fn new(files: CertificateFiles, served: Content, metrics: Metrics) -> Self {
        Self { files, served, state: LastGood::new(Reread::Certificate, metrics) }
    }

    /// What `/readyz` shows about the files.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        self.state.trouble()
    }

    /// Serves the files' content if it changed and is good.
    pub fn poll(&mut self, serving: &Serving, now: SystemTime) {
        match self.changed(serving, now) {
            Ok(None) => self.state.unchanged(),
            Ok(Some((credentials, content))) => {
                let expires = humantime::format_rfc3339_seconds(credentials.not_after());
                info!(certificate = %self.files.certificate.display(), %expires, "serving a new certificate");
                serving.replace(credentials);
                self.served = content;
                self.state.loaded();
            }
            Err(error) => self.refuse(error.to_string()),
        }
    }

    /// What is in the files cannot be used, for this reason.
    pub fn refuse(&mut self, problem: String) {
        self.state.refuse(problem);
    }

    fn changed(
        &self,
        serving: &Serving,
        now: SystemTime,
    ) -> Result<Option<(Credentials, Content)>, CertificateFilesError> {
        let content = self.files.read()?;
        if content == self.served {
            return Ok(None);
        }
        let credentials = self.files.check(&content, now)?;
        if serving.is_valid_at(now) && !credentials.is_valid_at(now) {
            let source = CredentialsError::NotYetValid(credentials.not_before());
            return Err(CertificateFilesError::Use { files: self.files.clone(), source });
        }
        Ok(Some((credentials, content)))
    }
}
