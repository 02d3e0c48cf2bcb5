//! What the webhook counts things by, where the core has no word for it.

use std::fmt;

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HandshakeFailure {
    /// The client was too slow or said nothing.
    Timeout,
    /// The client broke off or spoke something else.
    Tls,
    /// The client had no certificate that `--client-ca-file` and `--client-name` let in.
    ClientCertificate,
}

impl HandshakeFailure {
    pub(super) const ALL: [Self; 3] = [Self::Timeout, Self::Tls, Self::ClientCertificate];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::ClientCertificate => "client-certificate",
        }
    }
}

/// A file, or a pair of files, that is read again while it is in use.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reread {
    /// `--tls-cert` and `--tls-key`.
    Certificate,
    /// `--client-ca-file`.
    ClientCa,
    /// `--policy-file`.
    Policy,
}

impl fmt::Display for Reread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::ClientCa => "client CA",
            Self::Policy => "policy",
        })
    }
}

/// What became of a file that changed on disk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reload {
    /// It is in use.
    Loaded,
    /// It was not usable; the earlier one stays.
    Refused,
}

impl Reload {
    pub(super) const ALL: [Self; 2] = [Self::Loaded, Self::Refused];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Refused => "refused",
        }
    }
}

/// What was replaced before it expired.
#[derive(Clone, Copy, Debug)]
pub enum Rotation {
    /// The CA that all replicas share.
    Ca,
    /// The certificate that is served.
    Leaf,
}

/// What is watched in the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

impl Watch {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::ServingSecret => "serving-secret",
            Self::WebhookConfiguration => "webhook-configuration",
            Self::Namespaces => "namespaces",
        }
    }
}

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

impl Rotation {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::Leaf => "leaf",
        }
    }
}
