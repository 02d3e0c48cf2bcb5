//! Settings of a kubeconfig about the API server's certificate.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rstest::rstest;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use serde_json::{Value, json};

use super::server::{Home, Server, is_audited, text};

/// A certificate authority.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for `name` and its key, as PEM.
    pub(crate) fn sign(&self, name: &str) -> (String, String) {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    pub(crate) fn data(&self) -> String {
        BASE64_STANDARD.encode(&self.pem)
    }

    /// A server with a certificate for `name`, which asks clients for certificates of `clients`.
    pub(crate) fn server(&self, name: &str, clients: Option<&Self>) -> Server {
        let (certificate, key) = self.sign(name);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(clients.pem.as_bytes()).unwrap()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        Server::tls(builder.with_single_cert(chain, key).unwrap())
    }
}

fn url(server: &Server) -> String {
    format!("https://127.0.0.1:{}", server.port)
}

#[test]
fn the_authority_is_data_or_a_file_and_the_name_another_one() {
    let (authority, home) = (Authority::new(), Home::new());
    let server = authority.server("127.0.0.1", None);
    home.write("ca.pem", &authority.pem);
    for mut cluster in [
        json!({"certificate-authority-data": authority.data()}),
        // Relative to the kubeconfig.
        json!({"certificate-authority": "ca.pem"}),
        json!({"insecure-skip-tls-verify": true}),
    ] {
        cluster["server"] = json!(url(&server));
        home.kubeconfig(&cluster, &json!({}));
        is_audited(&home.audit(&[]));
    }
    // The authorities of the machine, as OpenSSL finds them.
    home.kubeconfig(&json!({"server": url(&server)}), &json!({}));
    is_audited(&home.audit(&[("SSL_CERT_FILE", text(&home.path("ca.pem")))]));
    let server = authority.server("kubernetes.test", None);
    let cluster = json!({"server": url(&server), "tls-server-name": "kubernetes.test",
                         "certificate-authority-data": authority.data()});
    home.kubeconfig(&cluster, &json!({}));
    is_audited(&home.audit(&[]));
}

#[rstest]
#[case::unknown(json!({}), "its certificate is signed by an unknown authority; see certificate-authority-data")]
#[case::other_name(json!({"tls-server-name": "other.test"}), "its certificate is for 127.0.0.1, not for other.test; see")]
fn an_untrusted_certificate_is_not_a_server_that_is_away(#[case] more: Value, #[case] wanted: &str) {
    let (authority, home) = (Authority::new(), Home::new());
    let server = authority.server("127.0.0.1", None);
    let ca = if more["tls-server-name"].is_null() { Authority::new().data() } else { authority.data() };
    let mut cluster = more;
    cluster["server"] = json!(url(&server));
    cluster["certificate-authority-data"] = json!(ca);
    home.kubeconfig(&cluster, &json!({}));
    let outcome = home.audit(&[]);
    outcome.is_refused(&format!("error: the API server at {} is not trusted: ", url(&server)));
    outcome.is_refused(wanted);
    // Neither Rust's Debug nor names of its types.
    assert!(!outcome.stderr.contains(['{', '(']), "{}", outcome.stderr);
    assert_eq!(server.count(), 0, "nothing was sent");
}

/// A certificate that signs itself for 127.0.0.1, of a server and for its clients to trust.
fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> (Server, String) {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let config =
        builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    (Server::tls(config), BASE64_STANDARD.encode(certificate.pem()))
}

#[rstest]
#[case::authority(
    |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
    "its certificate is a certificate authority itself, which this program does not accept from a server or a client;"
)]
#[case::for_clients(
    |params: &mut CertificateParams| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
    "its certificate is not one of a server: it is for other purposes;"
)]
fn what_is_wrong_with_a_certificate_is_told_in_words(
    #[case] change: fn(&mut CertificateParams),
    #[case] wanted: &str,
) {
    let home = Home::new();
    let (server, ca) = self_signed(change);
    home.kubeconfig(&json!({"server": url(&server), "certificate-authority-data": ca}), &json!({}));
    let outcome = home.audit(&[]);
    outcome.is_refused(&format!("is not trusted: {wanted}"));
    assert!(!outcome.stderr.contains(['{', '(']), "{}", outcome.stderr);
}

#[test]
fn a_server_without_tls_is_said_to_be_one() {
    let (server, home) = (Server::http(), Home::new());
    home.kubeconfig(&json!({"server": url(&server)}), &json!({}));
    home.audit(&[]).is_refused("does not answer: it does not speak TLS; check the context");
}

#[test]
fn a_client_certificate_is_shown() {
    let (authority, clients, home) = (Authority::new(), Authority::new(), Home::new());
    let server = authority.server("127.0.0.1", Some(&clients));
    let cluster = json!({"server": url(&server), "certificate-authority-data": authority.data()});
    let (certificate, key) = clients.sign("somebody");
    let data = |pem: &str| BASE64_STANDARD.encode(pem);
    home.kubeconfig(
        &cluster,
        &json!({"client-certificate-data": data(&certificate), "client-key-data": data(&key)}),
    );
    is_audited(&home.audit(&[]));
    home.kubeconfig(&cluster, &json!({}));
    let wanted =
        format!("error: no credentials for the API server at {}: it accepts no client without", url(&server));
    home.audit(&[]).is_refused(&wanted);
    // The same from a credential plugin.
    let credential = json!({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1",
                            "status": {"clientCertificateData": certificate, "clientKeyData": key}});
    home.write("credential", &credential.to_string());
    let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": "cat",
                      "args": [home.path("credential")], "interactiveMode": "Never"});
    home.kubeconfig(&cluster, &json!({"exec": exec}));
    is_audited(&home.audit(&[]));
    home.kubeconfig(&cluster, &json!({"client-certificate-data": "-", "client-key-data": data(&key)}));
    home.audit(&[]).is_refused("error: the user of the kubeconfig: its client certificate is not base64: ");
    home.kubeconfig(&cluster, &json!({"client-certificate": "cert.pem", "client-key-data": data(&key)}));
    let wanted = format!(
        "error: the user of the kubeconfig: cannot read its client certificate {}: No such file or directory (os error 2)\n",
        home.path("cert.pem").display(),
    );
    assert_eq!(home.audit(&[]).stderr, wanted);
}
