//! The certificate that a pod of the webhook really serves, through a port-forward: off the cluster its addresses
//! mean nothing, or something else.

use std::{sync::Arc, time::Duration};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use thiserror::Error;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{
    api::{ApiError, Cluster},
    portforward::{Forward, Unconnected},
};
use crate::serve::tls::provider::provider;

/// How long a handshake through the API server and the kubelet may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Why no certificate was seen.
#[derive(Debug, Error)]
pub enum ServedError {
    /// The port-forward was refused: this says nothing about the webhook.
    #[error("cannot forward a port: {0}")]
    Forward(#[from] ApiError),
    /// Nobody listens, or not with TLS.
    #[error("port {port} does not answer with TLS: {problem}")]
    Handshake {
        /// The container's port.
        port: u16,
        /// What happened.
        problem: String,
    },
}

/// The chain that the pod serves for `server_name`, its own certificate first.
pub async fn chain(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    port: u16,
    server_name: &str,
) -> Result<Vec<CertificateDer<'static>>, ServedError> {
    let handshake = |problem: String| ServedError::Handshake { port, problem };
    let name = ServerName::try_from(server_name.to_owned()).map_err(|error| handshake(error.to_string()))?;
    let forward = Forward::connect(&cluster.client, namespace, pod, port).await;
    let (stream, explanation) = forward
        .map_err(|error| match error {
            Unconnected::Kube(error) => cluster.told(error),
            Unconnected::Other(problem) => cluster.unreachable(problem),
        })?
        .split();
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| handshake(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(LookOnly))
        .with_no_client_auth();
    let connected = timeout(HANDSHAKE, TlsConnector::from(Arc::new(config)).connect(name, stream)).await;
    match connected {
        Err(_) => Err(handshake(format!("no answer within {} s", HANDSHAKE.as_secs()))),
        Ok(Err(problem)) => {
            // What the kubelet says is clearer than the end of a stream.
            let said = explanation.get().await;
            Err(handshake(said.map_or_else(|| problem.to_string(), |said| said.trim().to_owned())))
        }
        Ok(Ok(stream)) => {
            let (_, connection) = stream.get_ref();
            Ok(connection.peer_certificates().unwrap_or_default().to_vec())
        }
    }
}

/// Takes every certificate: it is judged afterwards, and nothing is sent over the connection.
#[derive(Debug)]
struct LookOnly;

impl ServerCertVerifier for LookOnly {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
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
