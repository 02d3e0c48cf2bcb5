//! Whether a server asks for a client certificate, as a client that has none sees it.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustls::{AlertDescription, SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey};

use crate::causes::chain;

/// Answers that there is no certificate, and remembers the question.
#[derive(Debug, Default)]
pub(crate) struct Asked(AtomicBool);

impl Asked {
    /// Whether a handshake has come to the question (RFC 8446, section 4.3.2).
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Whether a server ended the connection because the client has no certificate (RFC 8446, section 6.2).
pub(crate) fn is_for_want_of_one(error: &(dyn Error + 'static)) -> bool {
    let wanted = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
    chain(error).any(|cause| cause.downcast_ref() == Some(&wanted))
}
