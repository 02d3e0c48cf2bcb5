//! Kubernetes manifests as text: reading them as `kubectl` does and editing them in place, so that comments
//! and formatting of everything not changed stay as they are, byte for byte.

mod documents;
mod edit;
mod error;
mod kubectl;
mod position;
mod scalar;
mod text;
mod tree;
mod workload;

pub use documents::{Document, parse, parse_within};
pub use edit::{Change, Edit, apply};
pub use error::ManifestError;
pub use position::{first_bad, position};
pub use tree::AliasBudget;
pub use workload::{PodLocation, pod_locations};

#[cfg(test)]
mod tests;
