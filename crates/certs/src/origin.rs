//! Which CAs are made by this program, for one server name.
//!
//! Whoever can write the Secret can put any certificate into it. Only CAs of exactly this form are used or published, so
//! what such a person plants is valid for this one name only, as what is made here.

use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use thiserror::Error;
use x509_cert::{
    Certificate, TbsCertificate,
    der::{
        Decode, Encode,
        asn1::{Ia5String, ObjectIdentifier, OctetString},
    },
    ext::pkix::{
        BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, NameConstraints,
        constraints::name::GeneralSubtree, name::GeneralName,
    },
};

use crate::ca_certificate::{CA_NAME, CaCertificate};

/// `id-kp-serverAuth`, RFC 5280, 4.2.1.12.
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");

/// Why a CA was not made by this program for this server name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OriginError {
    /// Not X.509.
    #[error("it cannot be read")]
    Unreadable,
    /// Another name, or another CA's signature.
    #[error("its subject or its issuer is not \"CN={CA_NAME}\"")]
    Name,
    /// It may sign for other names than the Service's, or for other CAs.
    #[error("it is not limited to the name of the Service")]
    Limits,
    /// The signature is not that of its own key, ECDSA P-256.
    #[error("it is not signed by its own key")]
    Signature,
}

/// Whether this program makes such a CA for `server_name`, whenever it begins and ends.
///
/// # Errors
/// [`OriginError`] if it does not.
pub fn check_origin(ca: &CaCertificate, server_name: &str) -> Result<(), OriginError> {
    let certificate = Certificate::from_der(&ca.der).map_err(|_| OriginError::Unreadable)?;
    let tbs = certificate.tbs_certificate();
    let name = format!("CN={CA_NAME}");
    if [tbs.subject(), tbs.issuer()].iter().any(|is| is.to_string() != name) {
        return Err(OriginError::Name);
    }
    if !is_limited(tbs, server_name) {
        return Err(OriginError::Limits);
    }
    is_self_signed(&certificate).then_some(()).ok_or(OriginError::Signature)
}

/// RFC 5280, 4.2.1.9 and 4.2.1.10: no intermediate CAs, and one name of a DNS only.
fn is_limited(tbs: &TbsCertificate, server_name: &str) -> bool {
    let subtree = |base| GeneralSubtree { base, minimum: 0, maximum: None };
    let any_address =
        |length| OctetString::new(vec![0; length]).map(|any| subtree(GeneralName::IpAddress(any)));
    let (Ok(name), Ok(any_v4), Ok(any_v6)) = (Ia5String::new(server_name), any_address(8), any_address(32))
    else {
        return false;
    };
    let constraints = NameConstraints {
        permitted_subtrees: Some(vec![subtree(GeneralName::DnsName(name))]),
        excluded_subtrees: Some(vec![any_v4, any_v6]),
    };
    let basic = BasicConstraints { ca: true, path_len_constraint: Some(0) };
    let usage = KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign);
    tbs.get_extension() == Ok(Some((true, basic)))
        && tbs.get_extension() == Ok(Some((true, constraints)))
        && tbs.get_extension() == Ok(Some((true, usage)))
        && matches!(tbs.get_extension(), Ok(Some((_, ExtendedKeyUsage(usages)))) if usages == [SERVER_AUTH])
}

fn is_self_signed(certificate: &Certificate) -> bool {
    let key = certificate.tbs_certificate().subject_public_key_info().subject_public_key.as_bytes();
    let (Some(key), Some(signature), Ok(signed)) =
        (key, certificate.signature().as_bytes(), certificate.tbs_certificate().to_der())
    else {
        return false;
    };
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key).verify(&signed, signature).is_ok()
}
