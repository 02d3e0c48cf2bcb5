//! The decision about each container of a pod.

pub(crate) mod decide;
pub(crate) mod memory_volumes;
mod messages;
pub(crate) mod outcome;
pub(crate) mod owned_values;
mod resolver;
pub(crate) mod user_value;

pub use decide::{Surroundings, decide};
pub use outcome::{ContainerList, ContainerVerdict, Decision, NotTracked, Plan, Verdict};
pub use owned_values::Repaired;
pub use user_value::ExistingValue;
