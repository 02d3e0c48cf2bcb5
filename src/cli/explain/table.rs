//! The tables and warnings of `explain`, for people.

use gomemlimit_core::{
    PodDecision,
    decision::ContainerDecision,
    settings::{Level, ValueKind},
    warning::WarningKind,
};

use crate::cli::{format::Format, output};

/// Prints the warnings that the table does not show: problems of values are in their rows.
pub(super) fn warn(object: &str, decision: &PodDecision<'_>) {
    for warning in decision.warnings.iter().filter(|warning| warning.kind != WarningKind::BrokenValue) {
        output::warning(&format!("{object}: {}", warning.text));
    }
}

/// A pod in the table.
pub(super) struct Object<'d> {
    /// The file that it is in, if the table names files.
    pub(super) file: Option<&'d str>,
    pub(super) name: String,
    pub(super) decision: &'d PodDecision<'d>,
}

/// The table of the decisions about the containers of these objects.
pub(super) fn decisions(all: &[Object<'_>], format: Format) -> String {
    let dash = || "-".to_owned();
    let rows = all.iter().flat_map(|Object { file, name, decision }| {
        decision.containers.iter().map(move |container| {
            let outcome = container.outcome;
            let row = [
                name.clone(),
                container.label().into_owned(),
                outcome.limit.map_or_else(dash, |limit| format.bytes(limit)),
                gomemlimit(container, format).unwrap_or_else(dash),
                outcome.reason.to_string(),
                why(container) + &limit_range(container),
            ];
            file.map(str::to_owned).into_iter().chain(row).collect::<Vec<_>>()
        })
    });
    let has_files = all.iter().any(|object| object.file.is_some());
    let header = ["FILE", "OBJECT", "CONTAINER", "LIMIT", "GOMEMLIMIT", "REASON", "WHY"];
    output::table(header.get(usize::from(!has_files)..).unwrap_or_default(), rows)
}

/// The value to inject, or that of the user as it is written.
fn gomemlimit(container: &ContainerDecision<'_>, format: Format) -> Option<String> {
    if let Some(value) = container.outcome.value {
        return Some(format.bytes(value.bytes));
    }
    let existing = container.existing.as_ref()?;
    let exact = existing.bytes.filter(|_| format == Format::Wide).map(|bytes| bytes.to_string());
    let text = if existing.value.is_empty() { "\"\"" } else { &existing.value };
    Some(exact.unwrap_or_else(|| text.to_owned()))
}

/// The `LimitRange` that gives the limit, after the explanation.
fn limit_range(container: &ContainerDecision<'_>) -> String {
    container.limit_range.as_ref().map(|name| format!("; limit by LimitRange {name}")).unwrap_or_default()
}

/// The setting that made the value, or the explanation of the reason.
fn why(container: &ContainerDecision<'_>) -> String {
    let reason = container.outcome.reason;
    let Some(value) = container.outcome.value else {
        let rule = container.reason_rule.as_ref().map(|rule| format!(" (rule {rule})")).unwrap_or_default();
        let is_stale = container.existing.as_ref().is_some_and(|existing| existing.injected);
        let stays = if is_stale { "; its GOMEMLIMIT was injected earlier and stays" } else { "" };
        return format!("{}{rule}{stays}", container.explanation());
    };
    let level = level_text(value.level().as_str(), container.value_rule.as_deref());
    let by_rule =
        container.reason_rule.as_ref().map(|rule| format!("; {reason} by rule {rule}")).unwrap_or_default();
    let not_tracked = value.not_tracked.map(|cause| format!("; {}", cause.explanation())).unwrap_or_default();
    let limit = if value.from_pod_limit { "what is left of the pod's limit" } else { "the limit" };
    let made_by = match value.kind {
        ValueKind::Track => format!("tracks the limit: 95.37 % of it ({level})"),
        ValueKind::Literal => {
            format!("{} ({level}){not_tracked}", value.recipe.explanation(value.limit, limit))
        }
    };
    // The problem of the value that it replaces.
    let replaced = container.existing.as_ref().map(|_| format!("; {}", container.explanation()));
    made_by + &by_rule + &replaced.unwrap_or_default()
}

/// The level of a setting, for people, by the word of the status annotation.
pub(super) fn level_text(level: &str, rule: Option<&str>) -> String {
    if level == Level::Default.as_str() {
        level.to_owned()
    } else if level == Level::Rule.as_str() {
        format!("rule {}", rule.unwrap_or_default())
    } else {
        format!("{level} annotation")
    }
}
