//! Running pods: what the GOMEMLIMIT of each container means against the memory limit that applies. The webhook does
//! not use it.

mod assess;
mod coverage;
mod effective;
mod selection;

pub use assess::assess;
pub use coverage::{AuditFinding, ContainerCoverage, Coverage, LimitSource, UncoveredReason};
pub use effective::{Effective, EffectiveGomemlimit, EffectiveLimit, effective};
pub use selection::{EntrySelectors, LabelSelector, Labels, Mismatch, Selected, Selection};
