//! The pure core of gomemlimit: admission reviews and pods in, decisions and RFC 6902 patches out.
//!
//! Nothing here does IO, reads a clock or the environment, spawns or awaits. The webhook, `inject`
//! and `explain` all go through [`decide`], so they cannot disagree.

pub mod addresses;
pub mod admission;
pub mod audit;
pub mod decision;
mod glob;
mod json;
pub mod names;
pub mod pod;
mod policy;
pub mod printable;
pub mod quantity;
mod quote;
pub mod reason;
pub mod settings;
pub mod units;
pub mod value;
pub mod warning;

pub use admission::{Review, ReviewError};
pub use decision::{PodContext, PodDecision, decide};
pub use pod::Pod;
pub use policy::Policy;
pub use reason::Reason;
pub use settings::{NamespaceAnnotations, Rules, Settings};
