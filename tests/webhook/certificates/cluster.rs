//! The objects of a modelled API server, and who trusts what in it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use gomemlimit::{
    certs::{CaCertificate, CertificateSettings, Fingerprint, SecretData, WebhookEntry},
    serve::tls::{Credentials, provider},
};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::{ServerName, UnixTime},
};

pub const NAME: &str = "gomemlimit.gomemlimit.svc";
pub const HOUR: Duration = Duration::from_hours(1);
pub const TICK: Duration = Duration::from_mins(1);
pub const PUBLISH_DELAY: Duration = Duration::from_mins(3);

pub fn settings() -> CertificateSettings {
    CertificateSettings {
        server_name: NAME.to_owned(),
        ca_life: HOUR,
        leaf_life: Duration::from_mins(10),
        publish_delay: PUBLISH_DELAY,
    }
}

pub fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

/// A client that trusts `bundle`; `None` where nothing in it is valid.
pub fn client_of(bundle: &[u8], now: SystemTime) -> Option<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    // Go asks for the validity of roots, webpki does not.
    for ca in CaCertificate::all_from_pem(bundle).into_iter().filter(|ca| ca.is_valid_at(now)) {
        roots.add(ca.der).unwrap();
    }
    WebPkiServerVerifier::builder_with_provider(roots.into(), provider()).build().ok()
}

pub fn verifies(
    client: &WebPkiServerVerifier,
    name: &str,
    credentials: &Credentials,
    now: SystemTime,
) -> bool {
    let name = ServerName::try_from(name).unwrap();
    let now = UnixTime::since_unix_epoch(now.duration_since(SystemTime::UNIX_EPOCH).unwrap());
    client.verify_server_cert(&credentials.chain()[0], &credentials.chain()[1..], &name, &[], now).is_ok()
}

pub fn accepts(bundle: &[u8], name: &str, credentials: &Credentials, now: SystemTime) -> bool {
    client_of(bundle, now).is_some_and(|client| verifies(&client, name, credentials, now))
}

/// The objects in the API server.
pub struct Cluster {
    pub now: SystemTime,
    /// Counts every change of either object.
    pub version: u64,
    pub secret: (u64, Option<SecretData>),
    pub configuration: (u64, Option<Vec<WebhookEntry>>),
    /// What replicas mount, where they do.
    pub serving: (u64, Option<SecretData>),
    /// What the Secret held at earlier times.
    pub backups: Vec<SecretData>,
    /// The annotation of the Secret with revoked CAs.
    pub revoked: Option<String>,
    /// CAs that must never be in the CA bundle.
    pub planted: Vec<CaCertificate>,
}

impl Cluster {
    pub fn write_secret(&mut self, data: Option<SecretData>) {
        self.version += 1;
        self.backups.extend(self.secret.1.clone());
        if data.is_none() {
            self.revoked = None;
        }
        self.secret = (self.version, data);
    }

    pub fn write_serving(&mut self, data: Option<SecretData>) {
        self.version += 1;
        self.serving = (self.version, data);
    }

    /// `kubectl annotate secret`.
    pub fn annotate(&mut self, revoked: Option<String>) {
        if self.secret.1.is_some() {
            self.version += 1;
            self.secret.0 = self.version;
            self.revoked = revoked;
        }
    }

    pub fn is_revoked(&self, ca: &CaCertificate) -> bool {
        let listed = self.revoked.iter().flat_map(|list| list.split(','));
        listed.filter_map(|part| part.trim().parse().ok()).any(|one: Fingerprint| one == Fingerprint::of(ca))
    }

    /// A replica has written this: nothing that is planted or revoked is in it.
    pub fn check_written(&self, bundle: &[u8]) {
        if self.planted.is_empty() && self.revoked.is_none() {
            return;
        }
        for ca in CaCertificate::all_from_pem(bundle) {
            assert!(!self.planted.contains(&ca), "a planted CA is published: {:?}", Fingerprint::of(&ca));
            assert!(!self.is_revoked(&ca), "a revoked CA is published: {:?}", Fingerprint::of(&ca));
        }
    }

    pub fn write_bundles(&mut self, bundle: &[u8]) {
        self.version += 1;
        let entries = ["namespaces", "resize"]
            .map(|entry| WebhookEntry { name: format!("{entry}.gomemlimit.dev"), bundle: bundle.to_vec() });
        self.configuration = (self.version, Some(entries.to_vec()));
    }
}
