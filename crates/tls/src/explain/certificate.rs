//! What is wrong with a certificate, in words.

use rustls::{CertificateError, ExtendedKeyPurpose};

use super::spelled_out::spelled_out;

/// What is wrong with the certificate of a server or a client, as a sentence about it.
#[must_use]
pub fn certificate(error: &CertificateError) -> String {
    let text = match error {
        // A cluster that was made anew has an authority of the same name, and with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "is signed by an unknown authority"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet",
        CertificateError::NotValidForNameContext { expected, presented } => {
            return for_other_names(&expected.to_str(), presented);
        }
        CertificateError::NotValidForName => "is for another name",
        CertificateError::InvalidPurposeContext { required: ExtendedKeyPurpose::ClientAuth, .. } => {
            "is not one of a client: it is for other purposes"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not one of a server: it is for other purposes"
        }
        CertificateError::UnhandledCriticalExtension => {
            "has a critical extension that this program does not know"
        }
        CertificateError::BadEncoding => "cannot be read",
        CertificateError::Revoked => "has been revoked",
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. }
        | CertificateError::InvalidOcspResponse => "may have been revoked: that is not known",
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is signed by an algorithm that this program does not support"
        }
        CertificateError::Other(error) => return other(&error.to_string()),
        // Variants without a text of their own, and those of a later rustls.
        error => return other(&format!("{error:?}")),
    };
    format!("its certificate {text}")
}

fn for_other_names(expected: &str, presented: &[String]) -> String {
    let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
    let names = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
    format!("its certificate is for {names}, not for {expected}")
}

/// The name in `DnsName("a")` or `IpAddress(::1)`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    inner.trim_end_matches(')').trim_matches('"')
}

/// An error of webpki that rustls has none for: all that it has is the name of a variant (`webpki::Error`).
fn other(variant: &str) -> String {
    let name = variant.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    if name == "CaUsedAsEndEntity" {
        return "its certificate is a certificate authority itself, which this program does not accept from a \
                server or a client"
            .to_owned();
    }
    format!("its certificate is not accepted: {}", spelled_out(variant))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{
        OtherError,
        pki_types::{ServerName, UnixTime},
    };

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{self:?}")]
    enum Webpki {
        PathLenConstraintViolated,
        TrailingData { at: u8 },
    }

    #[test]
    #[expect(deprecated, reason = "rustls may still give it")]
    fn nothing_is_told_as_debug() {
        use CertificateError as E;
        let (time, name) = (UnixTime::now(), ServerName::try_from("a.test").unwrap());
        let context = |presented| E::NotValidForNameContext { expected: name.clone(), presented };
        for (error, said) in [
            (E::BadEncoding, "cannot be read"),
            (E::Expired, "has expired"),
            (E::ExpiredContext { time, not_after: time }, "has expired"),
            (E::NotValidYet, "is not valid yet"),
            (E::NotValidYetContext { time, not_before: time }, "is not valid yet"),
            (E::Revoked, "has been revoked"),
            (E::UnhandledCriticalExtension, "has a critical extension that this program does not know"),
            (E::UnknownIssuer, "is signed by an unknown authority"),
            (E::BadSignature, "is signed by an unknown authority"),
            (E::UnknownRevocationStatus, "may have been revoked: that is not known"),
            (E::ExpiredRevocationList, "may have been revoked: that is not known"),
            (
                E::ExpiredRevocationListContext { time, next_update: time },
                "may have been revoked: that is not known",
            ),
            (E::InvalidOcspResponse, "may have been revoked: that is not known"),
            (E::UnsupportedSignatureAlgorithm, "is not accepted: unsupported signature algorithm"),
            (
                E::UnsupportedSignatureAlgorithmContext {
                    signature_algorithm_id: vec![1],
                    supported_algorithms: Vec::new(),
                },
                "is signed by an algorithm that this program does not support",
            ),
            (
                E::UnsupportedSignatureAlgorithmForPublicKeyContext {
                    signature_algorithm_id: vec![1],
                    public_key_algorithm_id: vec![2],
                },
                "is signed by an algorithm that this program does not support",
            ),
            (E::NotValidForName, "is for another name"),
            (context(vec!["DnsName(\"b.test\")".to_owned()]), "is for b.test, not for a.test"),
            (context(Vec::new()), "is for no name at all, not for a.test"),
            (
                E::InvalidPurposeContext {
                    required: ExtendedKeyPurpose::ClientAuth,
                    presented: vec![ExtendedKeyPurpose::ServerAuth],
                },
                "is not one of a client: it is for other purposes",
            ),
            (E::InvalidPurpose, "is not one of a server: it is for other purposes"),
            (E::ApplicationVerificationFailure, "is not accepted: application verification failure"),
            (
                E::Other(OtherError(Arc::new(Webpki::PathLenConstraintViolated))),
                "is not accepted: path len constraint violated",
            ),
            (
                E::Other(OtherError(Arc::new(Webpki::TrailingData { at: 1 }))),
                "is not accepted: trailing data",
            ),
        ] {
            assert_eq!(certificate(&error), format!("its certificate {said}"));
        }
    }
}
