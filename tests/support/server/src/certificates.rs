//! Certificates of servers and of callers, and clients that trust or show them.

use std::{sync::Arc, time::SystemTime};

use gomemlimit_serve::tls::{Credentials, provider};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair,
};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsConnector;

/// A self-signed certificate and its key as PEM text.
#[derive(Clone)]
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Pair {
    pub fn new() -> Self {
        Self::valid(-1, 24)
    }

    /// Valid between these hours from now.
    pub fn valid(from: i64, until: i64) -> Self {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let now = time::OffsetDateTime::now_utc();
        params.not_before = now + time::Duration::hours(from);
        params.not_after = now + time::Duration::hours(until);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    pub fn credentials(&self) -> Credentials {
        Credentials::from_pem(self.certificate.as_bytes(), self.key.as_bytes(), SystemTime::now()).unwrap()
    }

    /// A client that trusts this certificate only; fresh, so that no session is resumed.
    pub fn client(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }
}

/// Signs callers.
pub struct Authority(pub Pair, Issuer<'static, KeyPair>);

/// What a caller's certificate is like.
#[derive(Clone, Copy)]
pub struct Caller {
    pub common: &'static str,
    pub dns: &'static [&'static str],
    pub purposes: &'static [ExtendedKeyUsagePurpose],
    /// From and until, in hours from now.
    pub hours: (i64, i64),
    pub is_ca: bool,
}

pub const CALLER: Caller = Caller {
    common: "front-proxy-client",
    dns: &["api.example.com"],
    purposes: &[ExtendedKeyUsagePurpose::ClientAuth],
    hours: (-1, 24),
    is_ca: false,
};

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "callers");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self(Pair { certificate, key: key.serialize_pem() }, Issuer::new(params, key))
    }

    pub fn pem(&self) -> &str {
        &self.0.certificate
    }

    pub fn sign(&self, caller: Caller) -> Pair {
        let dns: Vec<_> = caller.dns.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(dns).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, caller.common);
        params.extended_key_usages = caller.purposes.to_vec();
        if caller.is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let at = |hours| time::OffsetDateTime::now_utc() + time::Duration::hours(hours);
        (params.not_before, params.not_after) = (at(caller.hours.0), at(caller.hours.1));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.1).unwrap();
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// A client that trusts `server` only, and shows the certificate of `caller`.
pub fn connector(
    server: &Pair,
    caller: Option<&Pair>,
    version: &'static SupportedProtocolVersion,
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.certificate.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    let config = match caller {
        None => config.with_no_client_auth(),
        Some(pair) => {
            let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    TlsConnector::from(Arc::new(config))
}
