//! From decisions to RFC 6902 operations.
//!
//! They touch env entries named GOMEMLIMIT and our status annotation, nothing else, and are computed
//! from the very object received, so they always apply to it.

use serde::Serialize;

use crate::{
    decide::{ContainerVerdict, EnvPlace, Plan, Verdict},
    names::{GOMEMLIMIT, STATUS_ANNOTATION},
    status::Status,
    warning::{Warning, WarningKind},
};

/// `ValidateAnnotationsSize` of `k8s.io/apimachinery/pkg/api/validation`: 256 KiB for all keys and
/// values of an object; one byte more and the pod would be refused.
const MOST_ANNOTATION_BYTES: usize = 256 << 10;

/// One operation of a JSON Patch.
#[derive(Debug, Serialize)]
pub struct Operation {
    /// `add` or `replace`.
    pub op: &'static str,
    /// JSON pointer from the pod.
    pub path: String,
    /// The new value.
    pub value: PatchValue,
}

/// What an operation writes.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum PatchValue {
    /// The value of a variable or an annotation.
    Text(String),
    /// One entry of `env`.
    Variable(Variable),
    /// A new `env`.
    Env([Variable; 1]),
    /// New `annotations`.
    Annotations(Annotations),
    /// A new `metadata`.
    Metadata {
        /// With our annotation only.
        annotations: Annotations,
    },
}

/// An environment variable.
#[derive(Debug, Serialize)]
pub struct Variable {
    name: &'static str,
    value: String,
}

/// The status annotation alone.
#[derive(Debug, Serialize)]
pub struct Annotations {
    #[serde(rename = "gomemlimit.dev/status")]
    status: String,
}

impl Verdict<'_> {
    /// The operations that carry out the verdict; none where nothing changes. Adds a warning where the
    /// status annotation has no room.
    pub fn patch(&mut self) -> Vec<Operation> {
        let mut operations: Vec<_> = self.containers.iter().filter_map(env_operation).collect();
        if operations.is_empty() {
            return operations;
        }
        let status = Status::new(self, &self.warning_texts()).to_json();
        if self.annotations.size + STATUS_ANNOTATION.len() + status.len() > MOST_ANNOTATION_BYTES {
            self.warnings.push(Warning::new(
                WarningKind::StatusOmitted,
                format!("the pod's annotations leave no room for {STATUS_ANNOTATION}: it was not written"),
            ));
        } else {
            operations.push(self.status_operation(status));
        }
        operations
    }

    fn status_operation(&self, status: String) -> Operation {
        let place = self.annotations;
        let annotations = |status| Annotations { status };
        let (path, value) = if place.has_annotations {
            (format!("/metadata/annotations/{}", pointer_token(STATUS_ANNOTATION)), PatchValue::Text(status))
        } else if place.has_metadata {
            ("/metadata/annotations".to_owned(), PatchValue::Annotations(annotations(status)))
        } else {
            ("/metadata".to_owned(), PatchValue::Metadata { annotations: annotations(status) })
        };
        Operation { op: "add", path, value }
    }
}

/// The operation on one container's env, if its decision asks for one.
fn env_operation(container: &ContainerVerdict<'_>) -> Option<Operation> {
    let Plan { value, .. } = container.decision.plan.filter(|_| container.is_changed())?;
    let env = format!("/spec/{}/{}/env", container.list.as_str(), container.index);
    let value = value.to_string();
    let variable = |value| Variable { name: GOMEMLIMIT, value };
    let (op, path, value) = match container.env {
        EnvPlace::NewList => ("add", env, PatchValue::Env([variable(value)])),
        EnvPlace::End => ("add", format!("{env}/-"), PatchValue::Variable(variable(value))),
        EnvPlace::Replace(index) => ("replace", format!("{env}/{index}/value"), PatchValue::Text(value)),
    };
    Some(Operation { op, path, value })
}

/// Escapes one reference token of a JSON pointer (RFC 6901).
fn pointer_token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
