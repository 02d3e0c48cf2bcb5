//! The pure core of gomemlimit: admission reviews and pods in, decisions and RFC 6902 patches out.
//!
//! Nothing here does IO, reads a clock or the environment, spawns or awaits. The webhook, `inject`
//! and `explain` all go through [`decide::decide`], so they cannot disagree.
//!
//! Data flows one way:
//! `review` → `pod` → `settings` and `rules` → `decide` (with `quantity`, `memlimit`, `existing`, `status`) → `patch`.

pub mod addresses;
pub mod annotations;
pub mod builtin;
pub mod coverage;
pub mod decide;
pub mod effective;
mod env;
pub mod existing;
mod expansion;
mod glob;
mod json;
pub mod live;
pub mod memlimit;
mod memory_volumes;
pub mod names;
pub mod patch;
pub mod pod;
mod podlimit;
pub mod printable;
pub mod quantity;
pub mod reason;
mod remarks;
mod resize;
mod resources;
pub mod review;
pub mod rules;
pub mod selection;
pub mod settings;
pub mod status;
mod text;
pub mod units;
mod verdict;
pub mod warning;

pub use annotations::NamespaceAnnotations;
pub use decide::{Decision, Surroundings, Verdict, decide};
pub use pod::Pod;
pub use reason::Reason;
pub use review::{Review, ReviewError};
pub use rules::Rules;
pub use settings::{Policy, Settings};
