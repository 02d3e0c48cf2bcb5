//! Requests of the keepers, and what happens to them.

use std::io;

pub const NAMESPACE: &str = "gomemlimit";
pub const SECRET: &str = "gomemlimit-ca";
/// What a separate keeper writes certificates into.
pub const SERVING_SECRET: &str = "gomemlimit-serving";
pub const CONFIGURATION: &str = "gomemlimit";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    Secrets,
    ServingSecrets,
    Configurations,
}

impl Resource {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Secrets => SECRET,
            Self::ServingSecrets => SERVING_SECRET,
            Self::Configurations => CONFIGURATION,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    List,
    Watch,
    Update,
    Patch,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Number of the replica, if the test knows it; else 0.
    pub replica: usize,
    pub verb: Verb,
    pub resource: Resource,
    /// How many such requests there were before, of all replicas.
    pub before: usize,
}

/// What happens to a request instead of what should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not done, and answered with this failure.
    Refused(u16, &'static str),
    /// It is done, and answered with this failure.
    AnswerLost(u16, &'static str),
    /// It is not done, and no answer comes.
    Silence,
    /// It is not done, and the connection breaks.
    Broken(io::ErrorKind),
    /// A watch that ends at once.
    Ended,
}
