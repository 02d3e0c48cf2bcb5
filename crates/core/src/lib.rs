//! The pure core of gomemlimit: admission reviews and pods in, decisions and RFC 6902 patches out.
//!
//! Nothing here does IO, reads a clock or the environment, spawns or awaits. The webhook, `inject`
//! and `explain` all go through [`decide::decide`], so they cannot disagree.
//!
//! Data flows one way:
//! `review` → `pod` → `settings` → `decide` (with `quantity`, `memlimit`, `existing`, `status`) → `patch`.

pub mod annotations;
pub mod coverage;
pub mod decide;
mod env;
pub mod existing;
mod json;
pub mod live;
pub mod memlimit;
pub mod names;
pub mod patch;
pub mod pod;
mod podlimit;
pub mod quantity;
pub mod reason;
mod resize;
pub mod review;
pub mod selection;
pub mod settings;
pub mod status;
mod text;
pub mod warning;

pub use annotations::NamespaceAnnotations;
pub use decide::{Decision, Verdict, decide};
pub use pod::Pod;
pub use reason::Reason;
pub use review::{Review, ReviewError};
pub use settings::{Policy, Settings};
