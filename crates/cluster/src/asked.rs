//! The request of a TLS server for a client certificate.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustls::{AlertDescription, SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey};

use crate::causes::chain;

/// A client without a certificate, which records whether the server requests one.
#[derive(Debug, Default)]
pub struct ClientCertificateRequest(AtomicBool);

impl ClientCertificateRequest {
    /// Whether the server has sent a `CertificateRequest` (RFC 8446, section 4.3.2).
    pub fn is_received(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for ClientCertificateRequest {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Whether the server ended the connection because the client has no certificate (RFC 8446, section 6.2).
pub fn is_certificate_required(error: &(dyn Error + 'static)) -> bool {
    let expected = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
    chain(error).any(|cause| cause.downcast_ref() == Some(&expected))
}
