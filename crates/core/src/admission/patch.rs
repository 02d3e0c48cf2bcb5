//! From decisions to RFC 6902 operations.
//!
//! They touch env entries named GOMEMLIMIT and `GOMEMLIMIT_MIB` and the status annotation, nothing else, and are
//! computed from the very object received, so they always apply to it.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::{
    admission::{status::Status, warnings::warning_texts},
    decision::outcome::{AnnotationsState, ContainerDecision, EnvTarget, PodDecision},
    names::{GOMEMLIMIT, GOMEMLIMIT_MIB, LIMITS_MEMORY, MIB_DIVISOR, STATUS_ANNOTATION},
    pod::metadata::MAX_ANNOTATIONS_BYTES,
    settings::ValueKind,
    warning::{Warning, WarningKind},
};

/// The operations that carry out a decision.
#[derive(Debug)]
pub struct Patch {
    /// In the order in which they apply.
    pub operations: Vec<Operation>,
    /// Set if the pod's annotations have no room for the status; for [`PodDecision::warnings`].
    pub warning: Option<Warning>,
}

/// One operation of a JSON Patch.
#[derive(Debug, Serialize)]
pub struct Operation {
    /// `add`, `replace` or `remove`.
    pub op: &'static str,
    /// JSON pointer from the pod.
    pub path: String,
    /// The new value; none is needed to remove.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<PatchValue>,
}

impl Operation {
    fn add(path: String, value: PatchValue) -> Self {
        Self { op: "add", path, value: Some(value) }
    }

    fn replace(path: String, value: PatchValue) -> Self {
        Self { op: "replace", path, value: Some(value) }
    }

    fn remove(path: String) -> Self {
        Self { op: "remove", path, value: None }
    }
}

/// The value that an operation writes.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum PatchValue {
    /// The value of a variable or an annotation.
    Text(String),
    /// One entry of `env`.
    Variable(Variable),
    /// A new `env`.
    Env(Vec<Variable>),
    /// New `annotations`.
    Annotations(Annotations),
    /// A new `metadata`.
    Metadata {
        /// With the status annotation only.
        annotations: Annotations,
    },
}

/// An environment variable.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Variable {
    /// GOMEMLIMIT.
    Limit {
        /// Its name.
        name: &'static str,
        /// Its text.
        value: Cow<'static, str>,
    },
    /// `GOMEMLIMIT_MIB`.
    LimitInMib {
        /// Its name.
        name: &'static str,
        /// The source that kubelet takes it from.
        #[serde(rename = "valueFrom")]
        value_from: ValueFrom,
    },
}

impl Variable {
    fn mib() -> Self {
        let resource_field_ref = ResourceFieldRef { resource: LIMITS_MEMORY, divisor: MIB_DIVISOR };
        Self::LimitInMib { name: GOMEMLIMIT_MIB, value_from: ValueFrom { resource_field_ref } }
    }
}

/// The source of a variable.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValueFrom {
    resource_field_ref: ResourceFieldRef,
}

#[derive(Debug, Serialize)]
struct ResourceFieldRef {
    resource: &'static str,
    divisor: &'static str,
}

/// The status annotation alone.
#[derive(Debug)]
pub struct Annotations {
    status: String,
}

impl Serialize for Annotations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(STATUS_ANNOTATION, &self.status)])
    }
}

impl Patch {
    /// The operations that carry out the decision; none if nothing changes.
    #[must_use]
    pub fn new(decision: &PodDecision<'_>) -> Self {
        let changed = || decision.containers.iter().filter(|container| container.is_changed());
        let mut operations: Vec<_> = changed().flat_map(env_operations).collect();
        if changed().next().is_none() {
            return Patch { operations, warning: None };
        }
        let status = Status::new(decision, &warning_texts(&decision.warnings)).to_json();
        if decision.annotations.size + STATUS_ANNOTATION.len() + status.len() > MAX_ANNOTATIONS_BYTES {
            let text =
                format!("the pod's annotations leave no room for {STATUS_ANNOTATION}: it was not written");
            return Patch { operations, warning: Some(Warning::new(WarningKind::StatusOmitted, text)) };
        }
        operations.push(status_operation(decision.annotations, status));
        Patch { operations, warning: None }
    }
}

fn status_operation(state: AnnotationsState, status: String) -> Operation {
    let annotations = |status| Annotations { status };
    let (path, value) = if state.has_annotations {
        (format!("/metadata/annotations/{}", pointer_token(STATUS_ANNOTATION)), PatchValue::Text(status))
    } else if state.has_metadata {
        ("/metadata/annotations".to_owned(), PatchValue::Annotations(annotations(status)))
    } else {
        ("/metadata".to_owned(), PatchValue::Metadata { annotations: annotations(status) })
    };
    Operation::add(path, value)
}

/// The operations on one container's env, which its decision asks for.
fn env_operations(container: &ContainerDecision<'_>) -> Vec<Operation> {
    let Some(value) = container.outcome.value else { return Vec::new() };
    let env = format!("/spec/{}/{}/env", container.list.as_str(), container.index);
    let at = |index: usize| format!("{env}/{index}");
    let value_at = |index: usize| format!("{env}/{index}/value");
    let limit = || Variable::Limit { name: GOMEMLIMIT, value: value.text() };
    let text = || PatchValue::Text(value.text().into_owned());
    // GOMEMLIMIT expands the other one, which has to come before it.
    let mib = (value.kind == ValueKind::Track).then(Variable::mib);
    match &container.env {
        EnvTarget::NewList => {
            vec![Operation::add(env.clone(), PatchValue::Env(mib.into_iter().chain([limit()]).collect()))]
        }
        EnvTarget::End => {
            let append = |variable| Operation::add(format!("{env}/-"), PatchValue::Variable(variable));
            mib.into_iter().chain([limit()]).map(append).collect()
        }
        EnvTarget::Start => {
            let insert = |variable| Operation::add(at(0), PatchValue::Variable(variable));
            [limit()].into_iter().chain(mib).map(insert).collect()
        }
        EnvTarget::Own { index, mib: earlier } => match (mib, earlier) {
            (None, None) => vec![Operation::replace(value_at(*index), text())],
            (Some(mib), None) => vec![
                Operation::replace(value_at(*index), text()),
                Operation::add(at(*index), PatchValue::Variable(mib)),
            ],
            (None, Some(earlier)) => {
                vec![Operation::replace(value_at(*index), text()), Operation::remove(at(*earlier))]
            }
            // Both are there already; only the status changes.
            (Some(_), Some(_)) => Vec::new(),
        },
        EnvTarget::Repair { first, is_text, others } => {
            let whole = if *is_text {
                Operation::replace(value_at(*first), text())
            } else {
                Operation::replace(at(*first), PatchValue::Variable(limit()))
            };
            // From the end, so that the indexes of the others do not move.
            let removals = others.iter().rev().map(|index| Operation::remove(at(*index)));
            let mib = mib.map(|mib| Operation::add(at(*first), PatchValue::Variable(mib)));
            [whole].into_iter().chain(removals).chain(mib).collect()
        }
    }
}

/// Escapes one reference token of a JSON pointer (RFC 6901).
fn pointer_token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
