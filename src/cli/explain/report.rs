//! The JSON of a container, for programs.

use gomemlimit_core::decision::{ComputedValue, ContainerDecision, NotTracked};
use gomemlimit_core::settings::Setting;
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
    let mut basis = json!({
        "podLimit": value.from_pod_limit,
        "kind": value.kind.as_str(),
        "kindFrom": value.levels.of(Setting::Value).as_str(),
        "notTracked": value.not_tracked.map(NotTracked::explanation),
        "setting": value.made_by().as_str(),
    });
    // Each number of the recipe has the name of its setting.
    for (name, number) in json!(value.recipe).as_object().into_iter().flatten() {
        let level = name.parse().map(|setting| value.levels.of(setting).as_str());
        basis[format!("{name}From")] = level.ok().into();
        basis[name] = number.clone();
    }
    basis
}
