//! The configuration of the TLS listener.

use std::sync::Arc;

use rustls::{
    ServerConfig,
    server::{NoServerSessionStorage, ResolvesServerCert},
};

use super::Callers;
pub use gomemlimit_tls::provider;

/// A TLS 1.2 and 1.3 server that speaks HTTP/1.1 only, as the API server does with webhooks.
pub(super) fn server_config(
    resolver: Arc<dyn ResolvesServerCert>,
    callers: Option<Arc<Callers>>,
) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let asks = callers.is_some();
    let mut config = match callers {
        None => builder.with_no_client_auth(),
        Some(callers) => builder.with_client_cert_verifier(callers),
    }
    .with_cert_resolver(resolver);
    if asks {
        // A session that is resumed (RFC 8446, section 4.6.1) is not verified again: it would outlive its certificate
        // and its CA.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
