//! The JSON of a container, for programs.

use gomemlimit_core::decision::{ComputedValue, ContainerDecision, NotTracked};
use gomemlimit_core::settings::Setting;
use serde_json::{Value, json};

/// Version of the schema of `-o json`; fields are added without a new one.
pub(super) const SCHEMA_VERSION: u32 = 1;

pub(super) fn container_report(container: &ContainerDecision<'_>) -> Value {
    let decision = container.outcome;
    json!({
        "name": container.name(),
        "list": container.list.as_str(),
        "decision": decision.reason.decision(),
        "reason": decision.reason.as_str(),
        "explanation": container.explanation(),
        "limit": decision.limit,
        "value": decision.value.map(|plan| plan.text()),
        "bytes": decision.value.map(|plan| plan.bytes),
        "existing": container.existing,
        "rule": container.rule(),
        "repaired": container.repaired(),
        "basis": decision.value.as_ref().map(basis),
    })
}

fn basis(plan: &ComputedValue) -> Value {
    let mut basis = json!({
        "podLimit": plan.from_pod_limit,
        "kind": plan.kind.as_str(),
        "kindFrom": plan.levels.of(Setting::Value).as_str(),
        "notTracked": plan.not_tracked.map(NotTracked::explanation),
        "setting": plan.made_by().as_str(),
    });
    // Each number of the recipe has the name of its setting.
    for (name, number) in json!(plan.recipe).as_object().into_iter().flatten() {
        let level = name.parse().map(|setting| plan.levels.of(setting).as_str());
        basis[format!("{name}From")] = level.ok().into();
        basis[name] = number.clone();
    }
    basis
}
