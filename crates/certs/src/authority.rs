//! A certificate authority: made, read back, and used to sign.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use gomemlimit_tls::{Credentials, CredentialsError};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use thiserror::Error;
use time::OffsetDateTime;

use crate::{
    ca_certificate::{CA_NAME, CaCertificate},
    data::SecretData,
    fingerprint::Fingerprint,
    leaf::Leaf,
    origin::{OriginError, check_origin},
    verify::verifies,
};

/// `notBefore` of every certificate: the epoch. A later time protects nothing, since whoever has the key may write any. A
/// replica whose clock is behind could not use such a CA, nor could the others if one clock was ahead: each would make
/// another in its place.
const VALID_FROM: SystemTime = SystemTime::UNIX_EPOCH;

/// Life of a certificate that a CA signs on trial.
const TRIAL: Duration = Duration::from_hours(1);

/// Why a CA cannot be made or used.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// The library refused.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// What was signed cannot be served.
    #[error("cannot use a certificate that was made: {0}")]
    Leaf(#[from] CredentialsError),
    /// The certificate is not PEM or not X.509.
    #[error("its certificate cannot be read")]
    Certificate,
    /// The key is not PEM or not PKCS #8.
    #[error("its key cannot be read: {0}")]
    Key(#[source] rcgen::Error),
    /// Expired, or not yet valid.
    #[error("it is not valid now")]
    NotValid,
    /// Not made by this program, or for another Service.
    #[error("{0} was not made by this program for this Service: {1}")]
    Foreign(Fingerprint, OriginError),
    /// The key belongs to another certificate, or the certificate may not sign for this service.
    #[error("what it signs for {0} is not trusted by its own certificate")]
    SignsNothing(String),
}

/// A CA with its key.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The certificate.
    pub certificate: CaCertificate,
    key: Arc<KeyPair>,
}

impl Authority {
    /// Makes a CA for this server name only. ECDSA P-256.
    ///
    /// # Errors
    /// If the library refuses.
    pub fn generate(server_name: &str, now: SystemTime, lifetime: Duration) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = ca_params();
        params.not_before = OffsetDateTime::from(VALID_FROM);
        params.not_after = OffsetDateTime::from(now + lifetime);
        // RFC 5280, 4.2.1.10: a stolen key is of no use for any other name.
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName(server_name.to_owned())],
            excluded_subtrees: vec![
                GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(Ipv4Addr::UNSPECIFIED.into(), 0)),
                GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(Ipv6Addr::UNSPECIFIED.into(), 0)),
            ],
        });
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let der = params.self_signed(&key)?.der().clone();
        let certificate = CaCertificate::from_der(der).ok_or(AuthorityError::Certificate)?;
        Ok(Self { certificate, key: Arc::new(key) })
    }

    /// Reads a CA and tries it: a certificate signed by it has to be trusted for `server_name`.
    ///
    /// # Errors
    /// [`AuthorityError`]; the CA cannot be used.
    pub fn from_pem(
        certificate: &[u8],
        key: &[u8],
        server_name: &str,
        now: SystemTime,
    ) -> Result<Self, AuthorityError> {
        let der = CertificateDer::from_pem_slice(certificate).map_err(|_| AuthorityError::Certificate)?;
        let certificate = CaCertificate::from_der(der).ok_or(AuthorityError::Certificate)?;
        check_origin(&certificate, server_name)
            .map_err(|why| AuthorityError::Foreign(Fingerprint::of(&certificate), why))?;
        let key =
            std::str::from_utf8(key).map_err(|_| AuthorityError::Key(rcgen::Error::CouldNotParseKeyPair))?;
        let key = KeyPair::from_pem(key).map_err(AuthorityError::Key)?;
        let authority = Self { certificate, key: Arc::new(key) };
        if !authority.certificate.is_valid_at(now) {
            return Err(AuthorityError::NotValid);
        }
        let trial = authority.sign(server_name, now, TRIAL)?;
        if !verifies(std::slice::from_ref(&authority.certificate), &trial.certificate, server_name, now) {
            return Err(AuthorityError::SignsNothing(server_name.to_owned()));
        }
        Ok(authority)
    }

    /// Signs a certificate with a new key, which never outlives the CA.
    ///
    /// # Errors
    /// If the library refuses, or what it makes cannot be served.
    pub fn sign(
        &self,
        server_name: &str,
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<Leaf, AuthorityError> {
        self.sign_key(&KeyPair::generate()?, server_name, now, lifetime)
    }

    /// Signs a certificate with a new key; both as the data of the serving Secret.
    pub(crate) fn sign_as_data(
        &self,
        server_name: &str,
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<SecretData, AuthorityError> {
        let key = KeyPair::generate()?;
        let leaf = self.sign_key(&key, server_name, now, lifetime)?;
        Ok(leaf.to_data(&key.serialize_pem()))
    }

    fn sign_key(
        &self,
        key: &KeyPair,
        server_name: &str,
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<Leaf, AuthorityError> {
        let mut params = CertificateParams::new(vec![server_name.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "gomemlimit");
        params.not_before = OffsetDateTime::from(VALID_FROM);
        let not_after = (now + lifetime).min(self.certificate.not_after);
        params.not_after = OffsetDateTime::from(not_after);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let ca = ca_params();
        let certificate = params.signed_by(key, &Issuer::from_params(&ca, &*self.key))?.der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let credentials = Credentials::new(vec![certificate.clone()], key, now)?;
        let remaining = not_after.duration_since(now).unwrap_or_default();
        Ok(Leaf {
            credentials,
            certificate,
            signer: self.certificate.clone(),
            renew_at: not_after - remaining / 3,
        })
    }

    /// The time from which another CA should take over: after two thirds of a CA's `lifetime`.
    #[must_use]
    pub fn replace_at(&self, lifetime: Duration) -> SystemTime {
        self.certificate.not_after - lifetime / 3
    }

    /// The private key as PEM text (PKCS #8).
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }
}

/// Parameters that all CAs have in common. An issuer needs no others beside the key.
fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, CA_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
