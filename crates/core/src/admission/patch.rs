//! From decisions to RFC 6902 operations.
//!
//! They touch env entries named GOMEMLIMIT and `GOMEMLIMIT_MIB` and our status annotation, nothing else, and are
//! computed from the very object received, so they always apply to it.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::{
    admission::status::Status,
    decision::outcome::{ContainerVerdict, EnvPlace, Verdict},
    names::{GOMEMLIMIT, GOMEMLIMIT_MIB, LIMITS_MEMORY, MIB_DIVISOR, STATUS_ANNOTATION},
    pod::metadata::MOST_ANNOTATIONS,
    settings::ValueKind,
    warning::{Warning, WarningKind},
};

/// What carries out a verdict.
#[derive(Debug)]
pub struct Patch {
    /// In the order in which they apply.
    pub operations: Vec<Operation>,
    /// Set if the pod's annotations have no room for the status; for [`Verdict::warnings`].
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

/// What an operation writes.
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
        /// With our annotation only.
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
    Mib {
        /// Its name.
        name: &'static str,
        /// Where kubelet takes it from.
        #[serde(rename = "valueFrom")]
        value_from: ValueFrom,
    },
}

impl Variable {
    fn mib() -> Self {
        let resource_field_ref = ResourceFieldRef { resource: LIMITS_MEMORY, divisor: MIB_DIVISOR };
        Self::Mib { name: GOMEMLIMIT_MIB, value_from: ValueFrom { resource_field_ref } }
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

impl Verdict<'_> {
    /// The operations that carry out the verdict; none if nothing changes.
    #[must_use]
    pub fn patch(&self) -> Patch {
        let changed = || self.containers.iter().filter(|container| container.is_changed());
        let mut operations: Vec<_> = changed().flat_map(env_operations).collect();
        if changed().next().is_none() {
            return Patch { operations, warning: None };
        }
        let status = Status::new(self, &self.warning_texts()).to_json();
        if self.annotations.size + STATUS_ANNOTATION.len() + status.len() > MOST_ANNOTATIONS {
            let text =
                format!("the pod's annotations leave no room for {STATUS_ANNOTATION}: it was not written");
            return Patch { operations, warning: Some(Warning::new(WarningKind::StatusOmitted, text)) };
        }
        operations.push(self.status_operation(status));
        Patch { operations, warning: None }
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
        Operation::add(path, value)
    }
}

/// The operations on one container's env, which its decision asks for.
fn env_operations(container: &ContainerVerdict<'_>) -> Vec<Operation> {
    let Some(plan) = container.decision.plan else { return Vec::new() };
    let env = format!("/spec/{}/{}/env", container.list.as_str(), container.index);
    let at = |index: usize| format!("{env}/{index}");
    let value_at = |index: usize| format!("{env}/{index}/value");
    let limit = || Variable::Limit { name: GOMEMLIMIT, value: plan.text() };
    let text = || PatchValue::Text(plan.text().into_owned());
    // GOMEMLIMIT expands the other one, so that has to stand before it.
    let mib = (plan.kind == ValueKind::Track).then(Variable::mib);
    match &container.env {
        EnvPlace::NewList => {
            vec![Operation::add(env.clone(), PatchValue::Env(mib.into_iter().chain([limit()]).collect()))]
        }
        EnvPlace::End => {
            let append = |variable| Operation::add(format!("{env}/-"), PatchValue::Variable(variable));
            mib.into_iter().chain([limit()]).map(append).collect()
        }
        EnvPlace::Start => {
            let insert = |variable| Operation::add(at(0), PatchValue::Variable(variable));
            [limit()].into_iter().chain(mib).map(insert).collect()
        }
        EnvPlace::Own { index, mib: earlier } => match (mib, earlier) {
            (None, None) => vec![Operation::replace(value_at(*index), text())],
            (Some(mib), None) => vec![
                Operation::replace(value_at(*index), text()),
                Operation::add(at(*index), PatchValue::Variable(mib)),
            ],
            (None, Some(earlier)) => {
                vec![Operation::replace(value_at(*index), text()), Operation::remove(at(*earlier))]
            }
            // It is written already; only the status changes.
            (Some(_), Some(_)) => Vec::new(),
        },
        EnvPlace::Broken { first, is_text, others } => {
            let whole = if *is_text {
                Operation::replace(value_at(*first), text())
            } else {
                Operation::replace(at(*first), PatchValue::Variable(limit()))
            };
            // From the end, so that the places of the others do not move.
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
