//! One input with the decisions about its pods.

use std::{fs::Metadata, ops::Range};

use gomemlimit_core::{
    Pod, PodContext, PodDecision, Policy,
    admission::{Operation, Patch},
    decide,
    limit_range::DefaultLimit,
};
use gomemlimit_manifest::{AddedKind, Change, Document, Edit, PodLocation, UnknownKind, positions};
use serde_json::Value;

use super::{surroundings::Surroundings, unreadable_pod::UnreadablePod};
use crate::cli::manifest_files::{Encoding, Problem, Source};

/// One input: its documents, in their order, and what is wrong with it.
pub(in crate::cli) struct DecidedInput {
    pub(in crate::cli) source: Source,
    /// The file that it was read from; none for stdin.
    pub(in crate::cli) file: Option<Metadata>,
    /// Empty if it could not be read.
    pub(in crate::cli) text: String,
    pub(in crate::cli) encoding: Encoding,
    /// Their ranges are the whole text, without gaps.
    pub(in crate::cli) documents: Vec<DecidedDocument>,
    /// Printed before the next input.
    pub(in crate::cli) problems: Vec<Problem>,
    /// Objects of the kinds that `--kind` adds.
    pub(super) added_kinds: Vec<AddedKind>,
    /// Whether there are other inputs.
    pub(in crate::cli) is_one_of_several: bool,
}

impl DecidedInput {
    /// All decisions, in their order.
    pub(in crate::cli) fn decided(&self) -> impl Iterator<Item = &Decided> {
        self.documents.iter().flat_map(|document| &document.decided)
    }

    /// The name of an object in a message, with that of the input if there are several.
    pub(in crate::cli) fn object(&self, one: &Decided) -> String {
        let object = one.object();
        if self.is_one_of_several { format!("{}: {object}", self.source) } else { object }
    }

    /// Line and column, both from 1, of the values at paths of a document.
    pub(in crate::cli) fn positions(
        &self,
        document: &Document,
        paths: &[Vec<String>],
    ) -> Vec<(usize, usize)> {
        let positions = positions(&self.text, document, paths).into_iter();
        positions.map(|position| position.unwrap_or((document.line, 1))).collect()
    }
}

/// A document of an input.
pub(in crate::cli) struct DecidedDocument {
    pub(in crate::cli) range: Range<usize>,
    /// None if it cannot be read: a problem of the input shows why.
    pub(in crate::cli) document: Option<Document>,
    pub(in crate::cli) decided: Vec<Decided>,
    /// Objects with containers that are not looked at.
    pub(in crate::cli) unknown_kinds: Vec<UnknownKind>,
}

impl DecidedDocument {
    /// A document in which nothing is decided.
    pub(super) fn unreadable(range: Range<usize>) -> Self {
        Self { range, document: None, decided: Vec::new(), unknown_kinds: Vec::new() }
    }
}

/// The decision about one pod or pod template.
pub(in crate::cli) struct Decided {
    pub(in crate::cli) location: PodLocation,
    pub(in crate::cli) namespace: String,
    pub(in crate::cli) decision: PodDecision<'static>,
    /// Two `LimitRange` objects that give its containers different memory limits.
    rivals: Option<(String, String)>,
    /// What changes the pod, as a JSON Patch of it.
    pub(in crate::cli) operations: Vec<Operation>,
}

impl Decided {
    /// `Deployment shop/api`.
    pub(in crate::cli) fn object(&self) -> String {
        self.location.title(&self.namespace)
    }

    /// Notes which `LimitRange` objects gave containers their memory limits.
    pub(super) fn note_limit_ranges(&mut self, given: &[DefaultLimit]) {
        for container in &mut self.decision.containers {
            let place = (container.list, container.index);
            let limit = given.iter().find(|limit| (limit.list, limit.index) == place);
            container.limit_range = limit.map(|limit| limit.limit_range.clone());
        }
        self.rivals = given.iter().find_map(|limit| Some((limit.limit_range.clone(), limit.rival.clone()?)));
    }

    /// The warning about two `LimitRange` objects with different memory limits.
    pub(super) fn rival_limit_ranges(&self, surroundings: &Surroundings) -> Option<String> {
        let (smaller, other) = self.rivals.as_ref()?;
        let [one, two] = [smaller, other].map(|name| surroundings.limit_range(&self.namespace, name));
        Some(format!(
            "LimitRanges {one}, and {two}, give containers in namespace {} different memory limits, and Kubernetes applies any \
             of them; the smaller limit, of {smaller}, counts here",
            self.namespace
        ))
    }

    /// The operations as edits of the document.
    ///
    /// # Errors
    ///
    /// If a value has no JSON, which does not happen.
    pub(in crate::cli) fn edits(&self) -> Result<Vec<Edit>, serde_json::Error> {
        let edits = self.operations.iter().map(|operation| {
            let tokens =
                operation.path.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"));
            let value = serde_json::to_value(&operation.value)?;
            let change = match operation.op {
                "replace" => Change::Replace(value),
                "remove" => Change::Remove,
                _ => Change::Add(value),
            };
            Ok(Edit { path: self.location.path.iter().cloned().chain(tokens).collect(), change })
        });
        edits.collect()
    }
}

/// Decides about one pod of an object, which `pod` is with the defaults of its namespace.
pub(super) fn decide_one(
    pod: &Value,
    location: PodLocation,
    context: PodContext<'_>,
    policy: &Policy,
) -> Result<Decided, UnreadablePod> {
    let mut decision = decide_pod(pod, &location, context, policy)?;
    decision.containers.retain(|container| {
        let list = pod.get("spec").and_then(|spec| spec.get(container.list.as_str()));
        !list.and_then(|list| list.get(container.index)).is_some_and(is_directive)
    });
    let Patch { operations, warning } = Patch::new(&decision);
    decision.warnings.extend(warning);
    Ok(Decided { location, namespace: context.namespace.to_owned(), decision, rivals: None, operations })
}

/// Whether this is no container, or none that will be there: a directive of a strategic merge patch, as in a source of
/// kustomize.
fn is_directive(container: &Value) -> bool {
    let directive = container.get("$patch").and_then(Value::as_str);
    directive == Some("delete") || directive.is_some() && container.get("name").is_none()
}

/// Decides about the pod at `location` of an object.
///
/// # Errors
///
/// If the pod has a value of another type than its field.
pub(in crate::cli) fn decide_at(
    object: &Value,
    location: &PodLocation,
    context: PodContext<'_>,
    policy: &Policy,
) -> Result<PodDecision<'static>, UnreadablePod> {
    decide_pod(object.pointer(&location.pointer()).unwrap_or(&Value::Null), location, context, policy)
}

fn decide_pod(
    pod: &Value,
    location: &PodLocation,
    context: PodContext<'_>,
    policy: &Policy,
) -> Result<PodDecision<'static>, UnreadablePod> {
    let json = pod.to_string();
    let parsed = Pod::parse(&json).map_err(|error| UnreadablePod::new(location, pod, &error))?;
    Ok(decide(&parsed, context, policy).into_owned())
}
