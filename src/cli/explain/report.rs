//! The JSON of a container, for programs.

use gomemlimit_core::decision::{ComputedValue, ContainerDecision, NotTracked};
use serde_json::{Value, json};

/// Version of the schema of `-o json`; fields are added without a new one.
pub(super) const SCHEMA_VERSION: u32 = 1;

pub(super) fn container_report(container: &ContainerDecision<'_>) -> Value {
    let outcome = container.outcome;
    json!({
        "name": container.name(),
        "list": container.list.as_str(),
        "decision": outcome.reason.decision(),
        "reason": outcome.reason.as_str(),
        "explanation": container.explanation(),
        "limit": outcome.limit,
        "value": outcome.value.map(|value| value.text()),
        "bytes": outcome.value.map(|value| value.bytes),
        "existing": container.existing,
        "rule": container.rule(),
        "repaired": container.repaired(),
        "basis": outcome.value.as_ref().map(basis),
    })
}

fn basis(value: &ComputedValue) -> Value {
    json!({
        "podLimit": value.from_pod_limit,
        "kind": value.kind.as_str(),
        "kindFrom": value.kind_level.as_str(),
        "notTracked": value.not_tracked.map(NotTracked::explanation),
        "ratio": value.ratio.to_string(),
        "ratioFrom": value.ratio_level.as_str(),
        "headroom": value.headroom,
        "headroomFrom": value.headroom_level.as_str(),
        "setting": value.made_by().as_str(),
    })
}
