//! The findings as tables, JSON and metrics. The schema of the JSON is that of docs/audit.md.

use std::fmt::Write;

use gomemlimit_core::coverage::{ContainerCoverage, Coverage, Gap};
use serde_json::{Value, json};

use super::{
    super::{
        judge::Judge,
        output::{quantity, table},
    },
    fleet::{Counts, Fleet, Row},
};
use crate::metrics::audit::{CONTAINERS, OOM_KILLED, Series};

/// Version of the schema; fields are added without a new one.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// A line a container, and a summary by namespace.
pub(super) fn tables(fleet: &Fleet, only_summary: bool) -> String {
    if fleet.namespaces.is_empty() {
        return "No pods.\n".to_owned();
    }
    let mut text = String::new();
    if !only_summary && !fleet.rows.is_empty() {
        let header =
            ["NAMESPACE", "POD", "CONTAINER", "LIMIT", "GOMEMLIMIT", "STATUS", "REASON", "RESTARTS", "WHY"];
        text = table(&header, fleet.rows.iter().map(cells)) + "\n";
    }
    let statuses = Coverage::ALL.map(|status| status.as_str().to_uppercase());
    let header: Vec<&str> = std::iter::once("NAMESPACE")
        .chain(statuses.iter().map(String::as_str))
        .chain(["OOM-KILLED"])
        .collect();
    let total = fleet.total();
    let named = fleet.namespaces.iter().map(|(name, counts)| (name.as_str(), counts));
    let all = named.chain((fleet.namespaces.len() > 1).then_some(("(all)", &total)));
    text + &table(&header, all.map(|(name, counts)| counts_cells(name, counts)))
}

fn cells(row: &Row) -> Vec<String> {
    let found = &row.found;
    let dash = || "-".to_owned();
    let restarts = match &found.end {
        Some(end) if found.was_oom_killed() || found.died_of_malformed_value() => {
            let how = if end.reason == "OOMKilled" {
                end.reason.clone()
            } else {
                format!("exit {}", end.exit_code)
            };
            format!("{} ({how})", found.restarts)
        }
        _ => found.restarts.to_string(),
    };
    vec![
        row.namespace.clone(),
        row.pod.clone(),
        found.name.clone(),
        found.limit.map_or_else(dash, |(bytes, _)| quantity(bytes)),
        value(found).unwrap_or_else(dash),
        found.status.to_string(),
        found.gap.map_or_else(dash, |gap| gap.to_string()),
        restarts,
        why(found),
    ]
}

/// GOMEMLIMIT as it stands in the pod, or in bytes where it is a reference.
fn value(found: &ContainerCoverage) -> Option<String> {
    match &found.text {
        Some(text) if text.is_empty() => Some("\"\"".to_owned()),
        Some(text) => Some(text.clone()),
        None => found.bytes.map(|bytes| bytes.to_string()),
    }
}

/// What it means, and what to do.
pub(in crate::cli) fn why(found: &ContainerCoverage) -> String {
    if found.todo.is_empty() { found.why.clone() } else { format!("{}; {}", found.why, found.todo) }
}

fn counts_cells(name: &str, counts: &Counts) -> Vec<String> {
    let numbers = Coverage::ALL.map(|status| counts.of(status).to_string());
    std::iter::once(name.to_owned()).chain(numbers).chain([counts.oom_killed.to_string()]).collect()
}

/// Everything as one object.
pub(super) fn json(fleet: &Fleet, judge: &Judge, only_summary: bool) -> Value {
    let namespaces = fleet.namespaces.iter().map(|(name, counts)| (name.clone(), counts_json(counts)));
    let mut report = json!({
        "version": SCHEMA_VERSION,
        "decidedBy": judge.source,
        "unknown": judge.surroundings.unknown.iter().chain(fleet.unreadable().as_ref()).collect::<Vec<_>>(),
        "summary": {
            "total": counts_json(&fleet.total()),
            "namespaces": namespaces.collect::<serde_json::Map<_, _>>(),
        },
    });
    if let (false, Some(object)) = (only_summary, report.as_object_mut()) {
        object.insert("containers".to_owned(), fleet.rows.iter().map(row_json).collect());
    }
    report
}

/// One container.
pub(super) fn row_json(row: &Row) -> Value {
    let found = &row.found;
    json!({
        "namespace": row.namespace,
        "pod": row.pod,
        "workload": row.workload,
        "container": found.name,
        "list": found.list.as_str(),
        "status": found.status.as_str(),
        "reason": found.gap.map(Gap::as_str),
        "limit": found.limit.map(|(bytes, _)| bytes),
        "limitFrom": found.limit.map(|(_, source)| source.as_str()),
        "value": found.text,
        "bytes": found.bytes,
        "ours": found.is_ours,
        "why": found.why,
        "todo": found.todo,
        "restarts": found.restarts,
        "lastTermination": found.end,
        "oomKilled": found.was_oom_killed(),
        "malformedCrash": found.died_of_malformed_value(),
    })
}

fn counts_json(counts: &Counts) -> Value {
    let mut object: serde_json::Map<_, _> =
        Coverage::ALL.iter().map(|status| (status.as_str().to_owned(), counts.of(*status).into())).collect();
    let reasons: serde_json::Map<_, _> =
        counts.gaps.iter().map(|(gap, count)| (gap.as_str().to_owned(), (*count).into())).collect();
    object.insert("reasons".to_owned(), reasons.into());
    object.insert("oomKilled".to_owned(), counts.oom_killed.into());
    object.insert("malformedCrashes".to_owned(), counts.malformed_crashes.into());
    object.into()
}

/// Counts in the text format of Prometheus. Every status of every namespace, so that nothing is absent.
pub(super) fn prometheus(fleet: &Fleet) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    head(&mut text, &CONTAINERS);
    for (namespace, counts) in &fleet.namespaces {
        for status in Coverage::ALL {
            let (name, count) = (CONTAINERS.name, counts.of(status));
            let _ = writeln!(text, "{name}{{namespace=\"{namespace}\",status=\"{status}\"}} {count}");
        }
    }
    head(&mut text, &OOM_KILLED);
    for (namespace, counts) in &fleet.namespaces {
        let (name, count) = (OOM_KILLED.name, counts.oom_killed);
        let _ = writeln!(text, "{name}{{namespace=\"{namespace}\"}} {count}");
    }
    text
}

/// What stands above the series of a name.
pub(super) fn head(text: &mut String, series: &Series) {
    let Series { name, kind, help, .. } = series;
    // Writing to a String cannot fail.
    let _ = write!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}\n");
}
