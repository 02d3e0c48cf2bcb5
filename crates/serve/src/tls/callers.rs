//! Who may call: whoever has a client certificate of a CA in a file, and one of the names that are asked for.
//!
//! Polled like the server's own certificate. The subjects of the CAs are not named to clients: a client that has several
//! certificates is configured for this server, and a CA that is exchanged has no part in its choice.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

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

use super::{explain, provider::provider};
use crate::{
    last_good::LastGood,
    metrics::{Metrics, Reread},
    readiness::Trouble,
};

/// Why a file with the CA of callers cannot be used.
#[derive(Debug, Error)]
pub enum ClientCaError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: FileError,
    },
    /// It is not PEM.
    #[error("{path} is not PEM: {}", explain::pem(source), path = path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// It is PEM, and there is no certificate in it.
    #[error("there is no certificate in {path}", path = .0.display())]
    NoCertificate(PathBuf),
    /// A certificate in it is of no use as a CA.
    #[error("cannot use a certificate of {path} as a CA: {}", explain::tls(source), path = path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Error,
    },
    /// rustls makes no verifier of it.
    #[error("cannot use {path}: {source}", path = path.display())]
    Verifier {
        /// Which.
        path: PathBuf,
        /// Why.
        source: VerifierBuilderError,
    },
}

/// Verifies callers by what the file had last.
#[derive(Debug)]
pub struct Callers {
    current: ArcSwap<Trusted>,
    names: Vec<String>,
}

#[derive(Debug)]
struct Trusted(Arc<dyn ClientCertVerifier>);

/// The file with the CA; call [`ClientCa::poll`] at every interval.
pub struct ClientCa {
    path: PathBuf,
    in_use: Vec<u8>,
    state: LastGood,
    callers: Arc<Callers>,
}

impl ClientCa {
    /// Reads the file at start. `names` are common names or DNS names (RFC 5280, section 4.2.1.6) of which a caller
    /// has to have one; none: the CA is enough.
    pub fn open(path: PathBuf, names: Vec<String>, metrics: Metrics) -> Result<Self, ClientCaError> {
        let in_use = read(&path)?;
        let current = ArcSwap::from_pointee(Trusted(verifier(&path, &in_use)?));
        let callers = Arc::new(Callers { current, names });
        Ok(Self { path, in_use, state: LastGood::new(Reread::ClientCa, metrics), callers })
    }

    /// What `/readyz` shows about the file.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        self.state.trouble()
    }

    /// What verifies callers.
    #[must_use]
    pub fn callers(&self) -> Arc<Callers> {
        self.callers.clone()
    }

    /// Takes the file's content over if it changed and is good; from the next handshake on.
    pub fn poll(&mut self) {
        match self.changed() {
            Ok(None) => self.state.unchanged(),
            Ok(Some((trusted, content))) => {
                info!(file = %self.path.display(), "a new CA of callers");
                self.callers.current.store(Arc::new(trusted));
                self.in_use = content;
                self.state.loaded();
            }
            Err(error) => self.refuse(error.to_string()),
        }
    }

    /// What is in the file cannot be used, for this reason.
    pub fn refuse(&mut self, problem: String) {
        self.state.refuse(problem);
    }

    fn changed(&self) -> Result<Option<(Trusted, Vec<u8>)>, ClientCaError> {
        let content = read(&self.path)?;
        if content == self.in_use {
            return Ok(None);
        }
        Ok(Some((Trusted(verifier(&self.path, &content)?), content)))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ClientCaError> {
    let read = gomemlimit_files::read(path, Kinds::Regular, MAX_PEM);
    read.map_err(|source| ClientCaError::Read { path: path.to_owned(), source })
}

fn verifier(path: &Path, pem: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, ClientCaError> {
    let path = || path.to_owned();
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|source| ClientCaError::Pem { path: path(), source })?;
        roots.add(certificate).map_err(|source| ClientCaError::Certificate { path: path(), source })?;
    }
    if roots.is_empty() {
        return Err(ClientCaError::NoCertificate(path()));
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    builder.build().map_err(|source| ClientCaError::Verifier { path: path(), source })
}

impl Callers {
    fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.current.load().0.clone()
    }
}

/// Whether it is for one of these names. As common names they are compared as they are, as DNS names as those of a
/// server (RFC 9525).
fn is_for(certificate: &CertificateDer<'_>, names: &[String]) -> Result<bool, Error> {
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
        if self.names.is_empty() || is_for(end_entity, &self.names)? {
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
