//! The findings as tables, JSON and metrics. The schema of the JSON is that of docs/audit.md.

use std::{collections::HashMap, fmt::Write};

use gomemlimit_core::{
    audit::{AuditFinding, ContainerCoverage, Coverage, UncoveredReason},
    pod::Workload,
};
use serde_json::{Value, json};

use super::{
    super::{
        output::{Cell, Colour, clean, paint, quantity, table},
        policy_resolver::PolicyResolver,
    },
    fleet::{Counts, Fleet, Row},
};
use crate::metrics::audit::{CONTAINERS, OOM_KILLED, SIGKILLED, Series};

/// Version of the schema; fields are added without a new one.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// How tables look.
pub(super) struct Style {
    /// All that is known in the rows, and exact bytes.
    pub(super) is_wide: bool,
    /// Headers, the summary, and what to do; else rows alone.
    pub(super) has_headers: bool,
    /// A column for the namespace, as kubectl prints it with `-A`.
    pub(super) has_namespaces: bool,
}

/// A row a container, a summary by namespace, and what to do.
pub(super) fn tables(fleet: &Fleet, style: &Style) -> String {
    if fleet.is_empty() {
        return String::new();
    }
    let rows = rows(fleet, style);
    if !style.has_headers {
        return rows;
    }
    let remedies = if style.is_wide { String::new() } else { remedies(&fleet.rows, style) };
    let parts = [rows, summary(fleet, style), remedies];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// The text of a table, without its first line if no headers are wanted.
fn body(table: String, style: &Style) -> String {
    if style.has_headers {
        return table;
    }
    table.split_once('\n').map(|(_, rows)| rows.to_owned()).unwrap_or_default()
}

fn rows(fleet: &Fleet, style: &Style) -> String {
    if fleet.rows.is_empty() {
        return String::new();
    }
    let mut header = vec!["POD", "CONTAINER", "LIMIT", "GOMEMLIMIT", "STATUS", "RESTARTS"];
    if style.has_namespaces {
        header.insert(0, "NAMESPACE");
    }
    if style.is_wide {
        header.extend(["WORKLOAD", "WHY"]);
    }
    body(table(&header, fleet.rows.iter().map(|row| cells(row, style))), style)
}

fn cells(row: &Row, style: &Style) -> Vec<Cell> {
    let found = &row.found;
    let bytes = |bytes: u64| if style.is_wide { bytes.to_string() } else { quantity(bytes) };
    let how = match &found.end {
        Some(_) if found.was_oom_killed() => " (OOMKilled)".to_owned(),
        Some(_) if found.was_sigkilled() => " (SIGKILL)".to_owned(),
        Some(end) if found.died_of_malformed_value() => format!(" (exit {})", end.exit_code),
        _ => String::new(),
    };
    let mut cells = vec![
        row.pod.clone().into(),
        found.name.clone().into(),
        found.limit.map_or_else(dash, |(limit, _)| bytes(limit)).into(),
        value(found, bytes).unwrap_or_else(dash).into(),
        painted_status(found),
        format!("{}{how}", found.restarts).into(),
    ];
    if style.has_namespaces {
        cells.insert(0, row.namespace.clone().into());
    }
    if style.is_wide {
        let workload = row.workload.as_ref();
        let name = |made_by: &Workload| format!("{}/{}", made_by.kind.to_ascii_lowercase(), made_by.name);
        cells.push(workload.map_or_else(dash, name).into());
        cells.push(why(found).into());
    }
    cells
}

fn dash() -> String {
    "-".to_owned()
}

/// The status with its reason; before it that the container was OOM-killed, since no value that it has was enough.
pub(in crate::cli) fn status(found: &ContainerCoverage) -> String {
    let killed = found.was_oom_killed().then_some(AuditFinding::OomKilled.as_str());
    let words =
        killed.into_iter().chain([found.status.as_str()]).chain(found.reason.map(UncoveredReason::as_str));
    words.collect::<Vec<_>>().join("/")
}

/// The same for a table on a terminal.
pub(in crate::cli) fn painted_status(found: &ContainerCoverage) -> Cell {
    let colour = match found.status {
        _ if found.was_oom_killed() => Colour::Red,
        Coverage::Malformed | Coverage::AboveLimit | Coverage::AtLimit => Colour::Red,
        Coverage::Stale | Coverage::TooLow | Coverage::Uncovered => Colour::Yellow,
        Coverage::Covered => Colour::Green,
        Coverage::Opaque | Coverage::Off => Colour::Cyan,
    };
    paint(status(found), colour)
}

/// The pods of the rows, each once, as kubectl names them.
pub(super) fn names(fleet: &Fleet) -> String {
    let mut names: Vec<_> = fleet.rows.iter().map(|row| (&row.namespace, &row.pod)).collect();
    names.dedup();
    names.into_iter().flat_map(|(_, pod)| ["pod/".into(), clean(pod), "\n".into()]).collect()
}

/// Containers by namespace. A word that holds for none has no column, unless it is one that everybody looks for.
pub(super) fn summary(fleet: &Fleet, style: &Style) -> String {
    if fleet.is_empty() {
        return String::new();
    }
    let words = [AuditFinding::OomKilled, AuditFinding::Sigkilled]
        .into_iter()
        .chain(Coverage::ALL.iter().copied().map(AuditFinding::Status));
    let is_looked_for = |word: AuditFinding| {
        matches!(
            word,
            AuditFinding::OomKilled | AuditFinding::Status(Coverage::Covered | Coverage::Uncovered)
        )
    };
    let total = fleet.total();
    let words: Vec<_> = words.filter(|word| is_looked_for(*word) || total.of_word(*word) > 0).collect();
    let header: Vec<_> = std::iter::once("NAMESPACE".to_owned())
        .chain(words.iter().map(|word| word.as_str().to_uppercase()))
        .collect();
    let named = fleet.namespaces.iter().map(|(name, counts)| (name.as_str(), counts));
    let all = named.chain((fleet.namespaces.len() > 1).then_some(("(all)", &total)));
    let rows = all.map(|(name, counts)| {
        let numbers = words.iter().map(|word| counts.of_word(*word).to_string());
        std::iter::once(name.to_owned()).chain(numbers).collect()
    });
    body(table(&header.iter().map(String::as_str).collect::<Vec<_>>(), rows), style)
}

/// How many remedies are printed.
const MAX_REMEDIES: usize = 20;

/// How long a line of names may become, characters.
const MAX_NAMES: usize = 90;

/// What to do: each remedy once, with the containers that it is for, those that were OOM-killed first.
fn remedies(rows: &[Row], style: &Style) -> String {
    let mut all: Vec<(u8, &str, Vec<String>)> = Vec::new();
    let mut places = HashMap::new();
    for row in rows.iter().filter(|row| !row.found.advice.is_empty()) {
        let name = format!("{}/{}", row.pod, row.found.name);
        let name = if style.has_namespaces { format!("{}/{name}", row.namespace) } else { name };
        let key = (urgency(&row.found), row.found.advice.as_str());
        let place = *places.entry(key).or_insert(all.len());
        match all.get_mut(place) {
            Some((_, _, names)) => names.push(name),
            None => all.push((key.0, key.1, vec![name])),
        }
    }
    if all.is_empty() {
        return String::new();
    }
    // Of the same urgency in the order of the rows.
    all.sort_by_key(|(urgency, ..)| *urgency);
    let mut text = "To fix:\n".to_owned();
    for (_, todo, names) in all.iter().take(MAX_REMEDIES) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {}\n    {}", clean(&some_of(names)), clean(todo));
    }
    match all.len().saturating_sub(MAX_REMEDIES) {
        0 => text,
        left => format!("{text}  … and {left} more: -o wide has all of them\n"),
    }
}

/// What has happened before what may happen; then what no value protects from.
fn urgency(found: &ContainerCoverage) -> u8 {
    match found.status {
        _ if found.was_oom_killed() => 0,
        Coverage::Malformed => 1,
        Coverage::AboveLimit | Coverage::AtLimit | Coverage::TooLow => 2,
        Coverage::Stale => 3,
        Coverage::Covered | Coverage::Opaque | Coverage::Off | Coverage::Uncovered => 4,
    }
}

/// As many names as a line has room for, and how many are left.
fn some_of(names: &[String]) -> String {
    let mut line = String::new();
    for (count, name) in names.iter().enumerate() {
        if count > 0 && line.len() + name.len() > MAX_NAMES {
            return format!("{line} and {} more", names.len() - count);
        }
        line += if count > 0 { ", " } else { "" };
        line += name;
    }
    line
}

/// GOMEMLIMIT: a number of bytes as `bytes` writes it, any other text as it stands in the pod.
pub(in crate::cli) fn value(found: &ContainerCoverage, bytes: impl Fn(u64) -> String) -> Option<String> {
    match &found.text {
        Some(text) if text.is_empty() => Some("\"\"".to_owned()),
        Some(text) => {
            let number = text.parse().ok().filter(|number: &u64| number.to_string() == *text);
            Some(number.map_or_else(|| text.clone(), bytes))
        }
        None => found.bytes.map(bytes),
    }
}

/// What it means, and what to do.
pub(in crate::cli) fn why(found: &ContainerCoverage) -> String {
    if found.advice.is_empty() {
        found.explanation.clone()
    } else {
        format!("{}; {}", found.explanation, found.advice)
    }
}

/// Everything as one object.
pub(super) fn json(fleet: &Fleet, resolver: &PolicyResolver, only_summary: bool) -> Value {
    let namespaces = fleet.namespaces.iter().map(|(name, counts)| (name.clone(), counts_json(counts)));
    let mut report = json!({
        "version": SCHEMA_VERSION,
        "settingsFrom": resolver.source,
        "unknown": resolver.cluster_state.unknown.iter().chain(fleet.unreadable().as_ref()).collect::<Vec<_>>(),
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
        "reason": found.reason.map(UncoveredReason::as_str),
        "limit": found.limit.map(|(bytes, _)| bytes),
        "limitFrom": found.limit.map(|(_, source)| source.as_str()),
        "value": found.text,
        "bytes": found.bytes,
        "ours": found.is_ours,
        "why": found.explanation,
        "advice": found.advice,
        "restarts": found.restarts,
        "lastTermination": found.end,
        "oomKilled": found.was_oom_killed(),
        "sigkilled": found.was_sigkilled(),
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
    object.insert("sigkilled".to_owned(), counts.sigkilled.into());
    object.insert("malformedCrashes".to_owned(), counts.malformed_crashes.into());
    object.into()
}

/// Counts in the text format of Prometheus. Every status of every namespace, so that nothing is absent.
pub(super) fn prometheus(fleet: &Fleet) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    head(&mut text, &CONTAINERS);
    for (namespace, counts) in &fleet.namespaces {
        for &status in Coverage::ALL {
            let (name, count) = (CONTAINERS.name, counts.of(status));
            let _ = writeln!(text, "{name}{{namespace=\"{namespace}\",status=\"{status}\"}} {count}");
        }
    }
    for (series, word) in [(OOM_KILLED, AuditFinding::OomKilled), (SIGKILLED, AuditFinding::Sigkilled)] {
        head(&mut text, &series);
        for (namespace, counts) in &fleet.namespaces {
            let (name, count) = (series.name, counts.of_word(word));
            let _ = writeln!(text, "{name}{{namespace=\"{namespace}\"}} {count}");
        }
    }
    text
}

/// What stands above the series of a name.
pub(super) fn head(text: &mut String, series: &Series) {
    let Series { name, kind, help, .. } = series;
    // Writing to a String cannot fail.
    let _ = write!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}\n");
}
