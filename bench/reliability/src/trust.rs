//! A CA that clients trust, and certificates of it in files that change as a mounted Secret does.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    pki_types::CertificateDer,
    version::{TLS12, TLS13},
};

/// The name that certificates are for.
pub const NAME: &str = "localhost";

/// What signs.
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// A client that trusts this CA and speaks HTTP/1.1. It resumes no session, so that each handshake is shown the
    /// certificate.
    pub fn client(&self) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider);
        let trusting = versions.with_protocol_versions(&[&TLS13, &TLS12])?.with_root_certificates(roots);
        let mut config = trusting.with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// A Secret as kubelet mounts it: files are links into `..data`, which is a link that is swapped.
pub struct Mount {
    folder: tempfile::TempDir,
    versions: u32,
}

impl Mount {
    pub fn new(authority: &Authority) -> Result<Self> {
        let mut mount = Self { folder: tempfile::tempdir()?, versions: 0 };
        mount.renew(authority)?;
        for file in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(file), mount.folder.path().join(file))?;
        }
        Ok(mount)
    }

    /// Puts a new certificate and its key in place of the present ones.
    pub fn renew(&mut self, authority: &Authority) -> Result<CertificateDer<'static>> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new([NAME.to_owned()])?.signed_by(&key, &authority.issuer)?;
        self.versions += 1;
        let (folder, name) = (self.folder.path(), format!("..{}", self.versions));
        fs::create_dir(folder.join(&name))?;
        fs::write(folder.join(&name).join("tls.crt"), certificate.pem())?;
        fs::write(folder.join(&name).join("tls.key"), key.serialize_pem())?;
        symlink(&name, folder.join("..data_tmp"))?;
        fs::rename(folder.join("..data_tmp"), folder.join("..data"))?;
        if self.versions > 1 {
            fs::remove_dir_all(folder.join(format!("..{}", self.versions - 1)))?;
        }
        Ok(certificate.der().clone())
    }

    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("tls.crt")
    }

    pub fn key(&self) -> PathBuf {
        self.folder.path().join("tls.key")
    }
}
