//! The certificate that a pod of the webhook serves, read through a port-forward: outside of the cluster its addresses mean
//! nothing, or something else.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use gomemlimit_tls::provider;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{
    api::Cluster,
    portforward::{Forward, ForwardError},
};
use crate::{asked::ClientCertificateRequest, causes::with_causes};

/// Maximum duration of a handshake through the API server and the kubelet.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Reason for which no certificate was read.
#[derive(Debug, Error)]
pub enum ServedError {
    /// The port-forward was refused, which shows nothing about the webhook.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// Nobody listens, or not with TLS.
    #[error("port {port} does not answer with TLS: {problem}")]
    Handshake {
        /// The container's port.
        port: u16,
        /// The cause.
        problem: String,
    },
}

/// The certificate chain of a server, as a client without a certificate sees it.
#[derive(Debug)]
pub struct Served {
    /// The server's chain, its own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Whether it requests a client certificate.
    pub asks: bool,
}

/// Reads the certificate chain that the pod serves for `server_name`.
///
/// # Errors
/// [`ServedError`] if the port-forward or the handshake fails.
pub async fn served(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    port: u16,
    server_name: &str,
) -> Result<Served, ServedError> {
    let handshake = |problem: String| ServedError::Handshake { port, problem };
    let name = ServerName::try_from(server_name.to_owned()).map_err(|error| handshake(error.to_string()))?;
    let (stream, explanation) = Forward::open(&cluster.client, namespace, pod, port).await?.split();
    match timeout(HANDSHAKE_TIMEOUT, read_chain(stream, name)).await {
        Err(_) => Err(handshake(format!("no answer within {} s", HANDSHAKE_TIMEOUT.as_secs()))),
        Ok(Err(problem)) => {
            // The error of the kubelet is clearer than the end of a stream.
            let cause = explanation.get().await;
            Err(handshake(cause.map_or(problem, |cause| cause.trim().to_owned())))
        }
        Ok(Ok(served)) => Ok(served),
    }
}

/// Reads the certificate chain of a server over an open stream. A server that refuses a client without a certificate has
/// sent its own chain before.
///
/// # Errors
///
/// If the handshake ends without a chain: its causes on one line.
pub async fn read_chain(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    name: ServerName<'static>,
) -> Result<Served, String> {
    let verifier = Arc::new(ChainRecorder::default());
    let request = Arc::new(ClientCertificateRequest::default());
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_client_cert_resolver(request.clone());
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    match (connected, verifier.0.get()) {
        (Ok(_), Some(chain)) => Ok(Served { chain: chain.clone(), asks: request.is_received() }),
        // With TLS 1.2 the server refuses the client within the handshake.
        (Err(_), Some(chain)) if request.is_received() => Ok(Served { chain: chain.clone(), asks: true }),
        (Err(problem), _) => Err(with_causes(&problem)),
        (Ok(_), None) => Err("it shows no certificate".to_owned()),
    }
}

/// Accepts every certificate and keeps the chain, which is checked later; nothing is sent over the connection.
#[derive(Debug, Default)]
struct ChainRecorder(OnceLock<Vec<CertificateDer<'static>>>);

impl ServerCertVerifier for ChainRecorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).cloned();
        let _ = self.0.set(chain.map(CertificateDer::into_owned).collect());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
