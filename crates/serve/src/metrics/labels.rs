//! Labels of metrics that the core has no type for.

use std::fmt;

use strum::{Display, IntoStaticStr, VariantArray};

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum HandshakeFailure {
    /// The client was too slow or silent.
    Timeout,
    /// The client broke off or did not speak TLS.
    Tls,
    /// The client had no certificate that `--client-ca-file` and `--client-name` let in.
    ClientCertificate,
}

/// A file, or a pair of files, that is read again while it is in use.
#[derive(Clone, Copy, Debug, Display)]
#[strum(serialize_all = "lowercase")]
pub enum ReloadedFile {
    /// `--tls-cert` and `--tls-key`.
    Certificate,
    /// `--client-ca-file`.
    #[strum(to_string = "client CA")]
    ClientCa,
    /// `--policy-file`.
    Policy,
}

/// Result of reading a file that changed on disk.
#[derive(Clone, Copy, Debug, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum ReloadResult {
    /// It is in use.
    Loaded,
    /// It cannot be used; the earlier content stays.
    Refused,
}

/// A certificate that is replaced before it expires.
#[derive(Clone, Copy, Debug, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Rotation {
    /// The CA that all replicas share.
    Ca,
    /// The serving certificate.
    Leaf,
}

/// Objects of the API server that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Watch {
    /// The Secret of the CA.
    Secret,
    /// The Secret that replicas mount.
    ServingSecret,
    /// The webhook configuration.
    WebhookConfiguration,
    /// Opted-in namespaces.
    Namespaces,
}

/// The text for people; the label is in kebab case.
impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "Secret of the CA",
            Self::ServingSecret => "Secret that replicas mount",
            Self::WebhookConfiguration => "webhook configuration",
            Self::Namespaces => "namespaces",
        })
    }
}
