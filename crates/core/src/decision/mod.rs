//! The decision about each container of a pod.

mod compute;
mod container;
pub(crate) mod decide;
pub(crate) mod memory_volumes;
mod messages;
pub(crate) mod outcome;
pub(crate) mod owned_values;
mod resolver;
pub(crate) mod user_value;

pub use decide::{PodContext, decide};
pub use outcome::{ComputedValue, ContainerDecision, ContainerList, NotTracked, Outcome, PodDecision};
pub use owned_values::Repaired;
pub use user_value::ExistingValue;
