//! Kubernetes manifests as text: reads them as `kubectl` does, and edits them in place. Comments and the formatting of
//! everything that an edit does not change stay as they are, byte for byte.
//!
//! PURE: text in, values and text out; no files, no clock, no network.
//!
//! ```
//! use gomemlimit_manifest::{AliasBudget, Change, Edit, Kinds, edit, pods, read};
//! use serde_json::json;
//!
//! let text = "\
//! ## The shop's API.
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: api, namespace: shop}
//! spec:
//!   template:
//!     spec:
//!       containers:
//!         - name: api   # the Go one
//!           image: registry.example/shop/api:1.4.2
//! ";
//! let document = read(text, &mut AliasBudget::default()).remove(0)?;
//! let template = pods(&document.value, &Kinds::default()).locations.remove(0);
//! assert_eq!((&*template.kind, &*template.name), ("Deployment", "api"));
//!
//! let mut path = template.path;
//! path.extend(["spec", "containers", "0", "env", "-"].map(String::from));
//! let variable = json!({"name": "GOMEMLIMIT", "value": "966367641"});
//! let edited = edit(text, &document, &[Edit { path, change: Change::Add(variable) }])?.text;
//! println!("{edited}");
//! assert_eq!(
//!     edited.strip_prefix(text),
//!     Some("          env:\n            - name: GOMEMLIMIT\n              value: \"966367641\"\n"),
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod alias_budget;
mod compose;
mod custom_kind;
mod documents;
mod edit;
mod error;
mod json_pointer;
mod json_text;
mod kind_table;
mod kinds;
mod kubectl;
mod pod_location;
mod position;
mod scalar;
mod template;
mod template_name;
mod template_path;
mod text;
mod tree;
mod unknown_kind;
mod workload_kind;

pub use alias_budget::AliasBudget;
pub use custom_kind::{CustomKind, CustomKindError};
pub use documents::{Document, UnreadableDocument, json_as_yaml, read};
pub use edit::{Change, Edit, Edited, edit};
pub use error::ManifestError;
pub use kinds::{AddedKind, Kinds};
pub use kubectl::NotRead;
pub use pod_location::{PodLocation, Pods, pods};
pub use position::{first_bad, key_position, position, positions};
pub use tree::KeyPosition;
pub use unknown_kind::UnknownKind;
pub use workload_kind::{PodTemplate, WorkloadKind};

#[cfg(test)]
mod kind_tests;
#[cfg(test)]
mod tests;
