//! Callers: clients with a certificate that a CA in a file has signed, and with one of the required names.
//!
//! The handshake does not send the subjects of the CAs: a client with several certificates is configured for this server,
//! and its choice must not change if the CA is replaced.

use std::{path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use gomemlimit_files::{FileError, Kinds, MAX_PEM};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::{danger::HandshakeSignatureValid, verify_server_name},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::{
        ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use thiserror::Error;
use tracing::info;
use x509_cert::{Certificate, der::Decode};

use crate::{
    metrics::{Metrics, ReloadedFile},
    readiness::Degraded,
    reloaded::{Reloaded, Source},
};
use gomemlimit_tls::{explain, provider};

/// Why a file with the CA of callers cannot be used.
#[derive(Debug, Error)]
pub enum ClientCaError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: FileError,
    },
    /// It is not PEM.
    #[error("{path} is not PEM: {}", explain::pem(source), path = path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rustls::pki_types::pem::Error,
    },
    /// It is PEM without a certificate.
    #[error("there is no certificate in {path}", path = .0.display())]
    NoCertificate(PathBuf),
    /// A certificate in it cannot be used as a CA.
    #[error("cannot use a certificate of {path} as a CA: {}", explain::tls(source), path = path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Error,
    },
    /// rustls cannot make a verifier of it.
    #[error("cannot use {path}: {source}", path = path.display())]
    Verifier {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: VerifierBuilderError,
    },
}

/// Verifies callers by the CA in use, and by their names.
#[derive(Debug)]
struct Callers {
    current: ArcSwap<Verifier>,
    names: Vec<String>,
}

/// The verifier of a CA; a sized type for [`ArcSwap`].
#[derive(Debug)]
struct Verifier(Arc<dyn ClientCertVerifier>);

/// The CA of callers and its file.
pub struct ClientCa {
    file: Reloaded<ClientCaFile>,
    callers: Arc<Callers>,
}

impl ClientCa {
    /// Reads the file at start. `names` are common names or DNS names (RFC 5280, section 4.2.1.6), of which a caller needs
    /// one; if there are none, the CA is enough.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn open(path: PathBuf, names: Vec<String>, metrics: Metrics) -> Result<Self, ClientCaError> {
        let (file, verifier) = Reloaded::open(ClientCaFile(path), metrics)?;
        Ok(Self { file, callers: Arc::new(Callers { current: ArcSwap::from_pointee(verifier), names }) })
    }

    pub(crate) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.callers.clone()
    }

    /// What `/readyz` shows about the file.
    pub(crate) fn degraded(&self) -> Degraded {
        self.file.degraded()
    }

    /// Polls the file at every interval, until dropped. A new CA counts from the next handshake on.
    pub(crate) async fn poll_every(self, every: Duration) {
        self.file.poll_every(every, self.callers).await;
    }
}

struct ClientCaFile(PathBuf);

impl Source for ClientCaFile {
    type Content = Vec<u8>;
    type Value = Verifier;
    type Target = Arc<Callers>;
    type Error = ClientCaError;
    const FILE: ReloadedFile = ReloadedFile::ClientCa;

    fn read(&self) -> Result<Vec<u8>, ClientCaError> {
        let read = gomemlimit_files::read(&self.0, Kinds::Regular, MAX_PEM);
        read.map_err(|source| ClientCaError::Read { path: self.0.clone(), source })
    }

    fn parse(&self, pem: &Vec<u8>) -> Result<Verifier, ClientCaError> {
        let path = || self.0.clone();
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|source| ClientCaError::Pem { path: path(), source })?;
            roots.add(certificate).map_err(|source| ClientCaError::Certificate { path: path(), source })?;
        }
        if roots.is_empty() {
            return Err(ClientCaError::NoCertificate(path()));
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let verifier = builder.build().map_err(|source| ClientCaError::Verifier { path: path(), source })?;
        Ok(Verifier(verifier))
    }

    fn apply(&self, verifier: Verifier, callers: &Arc<Callers>, _: &Metrics) -> Result<(), ClientCaError> {
        info!(file = %self.0.display(), "a new CA of callers");
        callers.current.store(Arc::new(verifier));
        Ok(())
    }
}

impl Callers {
    fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.current.load().0.clone()
    }
}

/// Whether the certificate has one of these names: as its common name, byte by byte, or as a DNS name, like that of a
/// server (RFC 9525).
fn has_name(certificate: &CertificateDer<'_>, names: &[String]) -> Result<bool, Error> {
    let unreadable = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
    let parsed = ParsedCertificate::try_from(certificate)?;
    let is_dns_name =
        |name: &str| ServerName::try_from(name).is_ok_and(|name| verify_server_name(&parsed, &name).is_ok());
    if names.iter().any(|name| is_dns_name(name)) {
        return Ok(true);
    }
    let certificate = Certificate::from_der(certificate).map_err(unreadable)?;
    let common = certificate.tbs_certificate().subject().common_name().map_err(unreadable)?;
    Ok(common.is_some_and(|common| names.iter().any(|name| **name == *common.value())))
}

impl ClientCertVerifier for Callers {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.verifier().verify_client_cert(end_entity, intermediates, now)?;
        if self.names.is_empty() || has_name(end_entity, &self.names)? {
            return Ok(verified);
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidForName))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier().verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier().verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier().supported_verify_schemes()
    }
}
