//! Steps that the state machine asks for, and their reasons.

use std::fmt;

use gomemlimit_tls::Credentials;

use crate::{data::SecretData, leaf::SignReason};

/// The CA bundle of one entry of the webhook configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryBundle {
    /// Name of the entry.
    pub name: String,
    /// CA bundle of the entry, PEM text.
    pub bundle: Vec<u8>,
}

/// The next thing to do.
#[derive(Clone, Debug)]
pub enum Step {
    /// Write this into the Secret, provided that nobody else did meanwhile.
    StoreCa(SecretData, StoreReason),
    /// Write this CA bundle into the entries at these indexes, provided that they still have these names.
    PublishBundle {
        /// Index and name.
        entries: Vec<(usize, String)>,
        /// PEM text.
        bundle: String,
    },
    /// Serve this from the next connection on.
    Serve(Credentials),
    /// Write this certificate into the serving Secret, provided that nobody else did meanwhile.
    StoreLeaf(SecretData, SignReason),
}

/// An object that a step writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WriteTarget {
    /// The Secret of the CA.
    CaSecret,
    /// The Secret that replicas mount.
    ServingSecret,
    /// The webhook configuration.
    WebhookConfiguration,
}

impl Step {
    /// The object that it writes; `None` if none.
    #[must_use]
    pub const fn target(&self) -> Option<WriteTarget> {
        match self {
            Self::StoreCa(..) => Some(WriteTarget::CaSecret),
            Self::PublishBundle { .. } => Some(WriteTarget::WebhookConfiguration),
            Self::StoreLeaf(..) => Some(WriteTarget::ServingSecret),
            Self::Serve(_) => None,
        }
    }
}

/// Why the Secret is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreReason {
    /// A new CA, since there was no usable one for this reason.
    Created(String),
    /// The CA from memory, since the Secret lost it in this way.
    Restored(String),
    /// The next CA, which is published before it signs: the current one is old.
    NextAdded,
    /// The next CA has been published long enough and signs from now on.
    Rotated,
    /// Expired CAs are dropped, and those of certificates that replicas still serve are trusted.
    Pruned,
}

impl fmt::Display for StoreReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created(problem) => write!(f, "a new CA, since {problem}"),
            Self::Restored(problem) => write!(f, "the CA from memory, since {problem}"),
            Self::NextAdded => f.write_str("the next CA, to be trusted before it signs"),
            Self::Rotated => f.write_str("the next CA signs from now on"),
            Self::Pruned => f.write_str("the trusted CAs brought up to date"),
        }
    }
}

/// A problem that only somebody else can fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The Secret of the CA does not exist, and this program has no right to create Secrets.
    SecretMissing,
    /// The Secret that replicas mount does not exist, without which no new replica starts.
    ServingSecretMissing,
    /// The webhook configuration does not exist: an uninstall, or an emergency stop. It is never created.
    ConfigurationMissing,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecretMissing => "the Secret of the CA does not exist; `helm upgrade --reset-then-reuse-values` restores it",
            Self::ServingSecretMissing => {
                "the Secret that replicas mount does not exist, so no new replica starts; `helm upgrade --reset-then-reuse-values` restores it"
            }
            Self::ConfigurationMissing => {
                "the webhook configuration does not exist, so no pod is sent here; `helm upgrade --reset-then-reuse-values` restores it"
            }
        })
    }
}
