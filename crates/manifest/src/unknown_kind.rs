//! Containers in objects of unknown kinds: they are not looked at, which a report shows.

use std::{collections::BTreeSet, fmt};

use serde_json::Value;

use crate::{
    custom_kind::CONTAINERS_OF_POD,
    workload_kind::{group_of, takes_annotations},
};

/// Something with containers in an object of a kind that is not known. Its operator may make pods of it in another way
/// than the template shows, so it is not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKind {
    /// API version of the object, such as `monitoring.coreos.com/v1`.
    pub api_version: String,
    /// Kind of the object, such as `Prometheus`.
    pub kind: String,
    /// Name of the object, or its `generateName`; empty if it has neither.
    pub name: String,
    /// Namespace of the object, if it has one.
    pub namespace: Option<String>,
    /// Path of the containers, or of their resources, with `[*]` for the items of lists:
    /// `spec.nodeSets[*].podTemplate.spec.containers`.
    pub path: String,
    /// JSON pointer tokens, in the document, of the first list of containers at that path.
    pub tokens: Vec<String>,
}

/// Lists of containers in an object.
pub(crate) struct FoundContainers {
    /// Their path, with `[*]` for the items of lists.
    pub(crate) path: String,
    /// Tokens of the JSON pointer of the first one in the object.
    pub(crate) tokens: Vec<String>,
}

impl UnknownKind {
    /// `GROUP/KIND=PATH` of the pod template, as [`CustomKind`](crate::CustomKind) reads it; `None` if the containers are
    /// not in the `spec` of one, or if it takes no annotation.
    #[must_use]
    pub fn custom_kind(&self) -> Option<String> {
        let path = self.path.strip_suffix(CONTAINERS_OF_POD).filter(|path| !path.is_empty())?;
        let group = group_of(&self.api_version);
        takes_annotations(group, &self.kind).then(|| format!("{group}/{}={path}", self.kind))
    }
}

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is not looked at: the kind {} ({}) is not known",
            self.path, self.kind, self.api_version
        )
    }
}

/// Groups of objects whose `containers` are no pods to be made: schemas, patterns of policies, messages of the API server
/// and measurements. A group stands for those below it, too.
const GROUPS_WITHOUT_PODS: [&str; 8] = [
    "admission.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "audit.k8s.io",
    "gatekeeper.sh",
    "kyverno.io",
    "metrics.k8s.io",
    "softwarecomposition.kubescape.io",
];

/// Keys of what is rendered, such as the values of a chart in a `HelmRelease`, before anything of it is a pod.
const KEYS_OF_VALUES: [&str; 2] = ["values", "valuesObject"];

/// Whether an API group may have pods that are not known here. All kinds of Kubernetes itself are known, and the groups
/// with pods have no dot.
fn may_have_pods(group: &str) -> bool {
    let is_in =
        |other: &&str| group.strip_suffix(*other).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    group.contains('.') && !GROUPS_WITHOUT_PODS.iter().any(is_in)
}

/// The containers in an object of an unknown kind that `is_reached` does not have: each path once, in their order.
pub(crate) fn containers(
    object: &Value,
    api_version: &str,
    is_reached: impl Fn(&[Step<'_>]) -> bool,
) -> Vec<FoundContainers> {
    if !api_version.split_once('/').is_some_and(|(group, _)| may_have_pods(group)) {
        return Vec::new();
    }
    let mut scan = Scan { steps: Vec::new(), is_reached, seen: BTreeSet::new(), found: Vec::new() };
    for (key, value) in object.as_object().into_iter().flatten() {
        // What the controller of an object writes about it is not what makes pods.
        if key != "metadata" && key != "status" {
            scan.below(Step::Key(key), value);
        }
    }
    scan.found
}

/// One step from a value to a value within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step<'v> {
    Key(&'v str),
    Item(usize),
}

impl Step<'_> {
    fn token(&self) -> String {
        match self {
            Self::Key(key) => (*key).to_owned(),
            Self::Item(index) => index.to_string(),
        }
    }
}

struct Scan<'v, R> {
    steps: Vec<Step<'v>>,
    is_reached: R,
    seen: BTreeSet<String>,
    found: Vec<FoundContainers>,
}

impl<'v, R: Fn(&[Step<'_>]) -> bool> Scan<'v, R> {
    fn below(&mut self, step: Step<'v>, value: &'v Value) {
        self.steps.push(step);
        if has_containers(step, value) {
            self.report();
        } else if !(self.is_reached)(&self.steps) {
            match value {
                Value::Array(items) => {
                    for (index, item) in items.iter().enumerate() {
                        self.below(Step::Item(index), item);
                    }
                }
                Value::Object(map) => {
                    for (key, value) in map.iter().filter(|(key, _)| !KEYS_OF_VALUES.contains(&key.as_str()))
                    {
                        self.below(Step::Key(key), value);
                    }
                }
                _ => {}
            }
        }
        self.steps.pop();
    }

    fn report(&mut self) {
        let path = path(&self.steps);
        if !(self.is_reached)(&self.steps) && self.seen.insert(path.clone()) {
            let tokens = self.steps.iter().map(Step::token).collect();
            self.found.push(FoundContainers { path, tokens });
        }
    }
}

/// Whether a value has containers, in one of the forms that operators take: a list of containers; a list of steps or
/// sidecars (Tekton, Argo Workflows); one container (Argo Workflows, Numaflow); or only the memory limit of containers that
/// the operator adds (Strimzi, Prometheus, `OpenTelemetry`).
fn has_containers(step: Step<'_>, value: &Value) -> bool {
    let is_text = |item: &Value, key: &str| item.get(key).is_some_and(Value::is_string);
    match (step, value) {
        (Step::Key("containers"), Value::Array(items)) => {
            !items.is_empty() && items.iter().all(|item| is_text(item, "name") || is_text(item, "image"))
        }
        (Step::Key("steps" | "sidecars"), Value::Array(items)) => {
            items.iter().any(|item| is_text(item, "image"))
        }
        (Step::Key("container" | "script"), Value::Object(_)) => is_text(value, "image"),
        (Step::Key(key), Value::Object(_)) if key == "resources" || key.ends_with("Resources") => {
            value.pointer("/limits/memory").is_some_and(|memory| memory.is_string() || memory.is_number())
        }
        _ => false,
    }
}

fn path(steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            Step::Item(_) => path.push_str("[*]"),
        }
    }
    path
}
