//! What the state machine wants done, and why.

use std::fmt;

use super::{contents::Data, leaf::Signed};
use crate::serve::tls::Credentials;

/// One entry of the webhook configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its CA bundle, PEM text.
    pub bundle: Vec<u8>,
}

/// The next thing to do.
#[derive(Clone, Debug)]
pub enum Step {
    /// Write this into the Secret, provided that nobody else did meanwhile.
    Store(Data, Stored),
    /// Write this CA bundle into the entries at these places, provided that they still have these names.
    Publish {
        /// Place and name.
        entries: Vec<(usize, String)>,
        /// PEM text.
        bundle: String,
    },
    /// Serve this from the next connection on.
    Serve(Credentials),
    /// Write this certificate into the serving Secret, provided that nobody else did meanwhile.
    Deposit(Data, Signed),
}

/// What a step writes in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The Secret of the CA.
    Authority,
    /// The Secret that replicas mount.
    Certificate,
    /// The webhook configuration.
    Bundle,
}

impl Step {
    /// What it writes; `None` if nothing.
    #[must_use]
    pub const fn target(&self) -> Option<Target> {
        match self {
            Self::Store(..) => Some(Target::Authority),
            Self::Publish { .. } => Some(Target::Bundle),
            Self::Deposit(..) => Some(Target::Certificate),
            Self::Serve(_) => None,
        }
    }
}

/// Why the Secret is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// There was no usable CA, for this reason: a new one.
    Minted(String),
    /// The Secret lost, in this way, what this replica still has.
    Restored(String),
    /// The CA is old: the next one, to be published first.
    Announced,
    /// The next CA has been published long enough and signs from now on.
    Promoted,
    /// What expired is dropped, and what replicas still serve is trusted.
    Tidied,
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minted(problem) => write!(f, "a new CA, since {problem}"),
            Self::Restored(problem) => write!(f, "the CA from memory, since {problem}"),
            Self::Announced => f.write_str("the next CA, to be trusted before it signs"),
            Self::Promoted => f.write_str("the next CA signs from now on"),
            Self::Tidied => f.write_str("the trusted CAs brought up to date"),
        }
    }
}

/// What keeps us from going on, though nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// We may not create Secrets.
    SecretMissing,
    /// Nor this one, without which no new replica starts.
    ServingSecretMissing,
    /// An uninstall, or somebody's emergency stop: never made anew.
    ConfigurationMissing,
}

impl fmt::Display for Trouble {
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
