//! Errors of TLS and PEM in words: many texts of rustls are names of its types.

mod certificate;
mod spelled_out;

use rustls::{AlertDescription, Error, InconsistentKeys, PeerIncompatible, pki_types::pem};

pub use self::certificate::certificate;
use self::spelled_out::spelled_out;

/// No version in common, as seen from either side.
const NO_VERSION: &str = "it has no version of TLS that this program has: 1.2 and 1.3";

/// What went wrong with TLS, as a sentence about the other side of the connection, or about a certificate or key.
#[must_use]
pub fn tls(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::AlertReceived(alert) => alert_received(*alert),
        Error::PeerIncompatible(incompatible) => no_common_way(incompatible),
        Error::InvalidMessage(_) => "it does not speak TLS".to_owned(),
        Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_)
        | Error::InvalidEncryptedClientHello(_) => "it does not keep to the protocol of TLS".to_owned(),
        Error::NoCertificatesPresented => "it has no certificate".to_owned(),
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            "the private key belongs to another certificate".to_owned()
        }
        Error::InconsistentKeys(_) => {
            "it is not known whether the private key belongs to the certificate".to_owned()
        }
        Error::InvalidCertRevocationList(error) => {
            format!("a revocation list cannot be used: {}", spelled_out(&format!("{error:?}")))
        }
        Error::General(text) => text.clone(),
        error => error.to_string(),
    }
}

/// RFC 8446, section 6.2.
fn alert_received(alert: AlertDescription) -> String {
    let not_accepted = |why: &str| format!("it does not accept the certificate that it was shown{why}");
    match alert {
        AlertDescription::CertificateRequired => "it asks for a client certificate".to_owned(),
        AlertDescription::UnknownCA => not_accepted(": it is signed by an authority that is unknown there"),
        AlertDescription::CertificateExpired => not_accepted(": it is not valid at this time"),
        AlertDescription::CertificateRevoked => not_accepted(": it has been revoked"),
        // As a certificate of another authority with the same name.
        AlertDescription::DecryptError => not_accepted(": a signature does not fit"),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown => not_accepted(""),
        AlertDescription::AccessDenied => "it denies access, or has no certificate of its own yet".to_owned(),
        AlertDescription::ProtocolVersion => NO_VERSION.to_owned(),
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            "it finds no algorithms of TLS in common, or asks for a client certificate".to_owned()
        }
        AlertDescription::UnrecognisedName => "it has no certificate for this server name".to_owned(),
        AlertDescription::Unknown(code) => format!("it ended the connection with the TLS alert {code}"),
        alert => {
            format!("it ended the connection with the TLS alert: {}", spelled_out(&format!("{alert:?}")))
        }
    }
}

fn no_common_way(incompatible: &PeerIncompatible) -> String {
    match incompatible {
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled => NO_VERSION.to_owned(),
        other => format!("it has no TLS that this program has: {}", spelled_out(&format!("{other:?}"))),
    }
}

/// What is wrong with PEM text.
#[must_use]
pub fn pem(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => {
            "a section does not end, as in a file half written".to_owned()
        }
        pem::Error::IllegalSectionStart { .. } => "a line that begins a section is broken".to_owned(),
        pem::Error::Base64Decode(_) => "a section is not base64".to_owned(),
        pem::Error::NoItemsFound => "it has no section of this kind".to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rustls::{CertRevocationListError, CertificateError, ContentType, InvalidMessage, PeerMisbehaved};

    use super::*;

    #[test]
    fn nothing_is_shown_as_debug() {
        use AlertDescription as A;
        let alert = Error::AlertReceived;
        let not_accepted = "it does not accept the certificate that it was shown";
        let message = Error::InappropriateMessage { expect_types: Vec::new(), got_type: ContentType::Alert };
        for (error, shown) in [
            (Error::InvalidCertificate(CertificateError::Expired), "its certificate has expired".to_owned()),
            (Error::InvalidMessage(InvalidMessage::InvalidContentType), "it does not speak TLS".to_owned()),
            (message, "it does not keep to the protocol of TLS".to_owned()),
            (
                Error::PeerMisbehaved(PeerMisbehaved::TooMuchEarlyDataReceived),
                "it does not keep to the protocol of TLS".to_owned(),
            ),
            (Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered), NO_VERSION.to_owned()),
            (
                Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
                "it has no TLS that this program has: no cipher suites in common".to_owned(),
            ),
            (alert(A::CertificateRequired), "it asks for a client certificate".to_owned()),
            (
                alert(A::UnknownCA),
                format!("{not_accepted}: it is signed by an authority that is unknown there"),
            ),
            (alert(A::CertificateUnknown), not_accepted.to_owned()),
            (alert(A::ProtocolVersion), NO_VERSION.to_owned()),
            (
                alert(A::InternalError),
                "it ended the connection with the TLS alert: internal error".to_owned(),
            ),
            (alert(A::Unknown(200)), "it ended the connection with the TLS alert 200".to_owned()),
            (Error::NoCertificatesPresented, "it has no certificate".to_owned()),
            (
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch),
                "the private key belongs to another certificate".to_owned(),
            ),
            (
                Error::InvalidCertRevocationList(CertRevocationListError::BadSignature),
                "a revocation list cannot be used: bad signature".to_owned(),
            ),
            (Error::General("no key".to_owned()), "no key".to_owned()),
            (Error::DecryptError, "cannot decrypt peer's message".to_owned()),
        ] {
            assert_eq!(tls(&error), shown);
        }
        for (error, shown) in [
            (
                pem::Error::MissingSectionEnd { end_marker: b"CERTIFICATE".to_vec() },
                "a section does not end, as in a file half written",
            ),
            (
                pem::Error::IllegalSectionStart { line: b"-----".to_vec() },
                "a line that begins a section is broken",
            ),
            (pem::Error::Base64Decode("InvalidCharacter(1)".to_owned()), "a section is not base64"),
            (pem::Error::NoItemsFound, "it has no section of this kind"),
        ] {
            assert_eq!(pem(&error), shown);
        }
    }
}
