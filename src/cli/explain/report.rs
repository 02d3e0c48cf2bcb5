//! The JSON of a container, for programs.

use gomemlimit_core::{
    decision::{ComputedValue, ContainerDecision, NotTracked},
    settings::{Level, Setting},
};
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
        "limitRange": container.limit_range,
        "value": outcome.value.map(|value| value.text()),
        "bytes": outcome.value.map(|value| value.bytes),
        "existing": container.existing,
        "rule": container.rule(),
        "repaired": container.repaired(),
        "basis": outcome.value.as_ref().map(basis),
    })
}

fn basis(chosen: &ComputedValue) -> Value {
    let fields = [
        ("podLimit", json!(chosen.from_pod_limit)),
        ("kind", json!(chosen.kind.as_str())),
        ("kindFrom", json!(chosen.levels.of(Setting::Value).as_str())),
        ("notTracked", json!(chosen.not_tracked.map(NotTracked::explanation))),
        ("setting", json!(chosen.made_by().as_str())),
    ];
    // Each number of the recipe has the name of its setting.
    let recipe = json!(chosen.recipe);
    let numbers = recipe.as_object().into_iter().flatten().flat_map(|(name, number)| {
        let level = name.parse().map_or(Level::Default, |setting| chosen.levels.of(setting));
        [(name.clone(), number.clone()), (format!("{name}From"), json!(level.as_str()))]
    });
    fields.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(numbers).collect()
}
