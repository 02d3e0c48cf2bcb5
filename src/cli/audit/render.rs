//! An audit as tables, JSON and metrics. docs/audit.md describes the JSON.

use std::{collections::HashMap, fmt::Write};

use gomemlimit_core::{
    audit::{AuditFinding, ContainerCoverage, Coverage, UncoveredReason},
    pod::Workload,
};
use gomemlimit_manifest::WorkloadKind;
use serde_json::{Value, json};

use super::{
    super::{
        output::{Cell, Colour, Line, clean, paint, quantity, table},
        policy_resolver::PolicyResolver,
    },
    audit_report::{AuditReport, Counts, Finding},
};
use crate::metrics::audit::{CONTAINERS, OOM_KILLED, SIGKILLED, Series};

/// Version of the schema; fields are added without a new one.
const SCHEMA_VERSION: u32 = 1;

/// Style of the tables.
pub(super) struct Style {
    /// Whether rows have all columns, and exact bytes.
    pub(super) is_wide: bool,
    /// Whether there are headers, a summary and advice; else only rows.
    pub(super) has_headers: bool,
    /// Whether there is a column for the namespace, as in kubectl's output with `-A`.
    pub(super) has_namespaces: bool,
}

/// The lines on stderr beside the data: what could not be read, and the origin of the settings.
pub(super) fn notes(report: &AuditReport, resolver: &PolicyResolver) -> Vec<Line> {
    let unknown = resolver.cluster_state.unknown.iter().cloned().chain(report.unreadable());
    let unknown = unknown.map(|unknown| Line::warning(&unknown));
    let source = Line::message(&format!("Decided by {}.", resolver.source));
    unknown.chain([source]).collect()
}

/// A table of the containers, a summary by namespace, and advice.
pub(super) fn tables(report: &AuditReport, style: &Style) -> String {
    if report.is_empty() {
        return String::new();
    }
    let rows = rows(report, style);
    if !style.has_headers {
        return rows;
    }
    let remedies = if style.is_wide { String::new() } else { remedies(&report.rows, style) };
    let parts = [rows, summary(report, style), remedies];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// The text of a table, without its first line if the style has no headers.
fn body(table: String, style: &Style) -> String {
    if style.has_headers {
        return table;
    }
    table.split_once('\n').map(|(_, rows)| rows.to_owned()).unwrap_or_default()
}

fn rows(report: &AuditReport, style: &Style) -> String {
    if report.rows.is_empty() {
        return String::new();
    }
    let mut header = vec!["POD", "CONTAINER", "LIMIT", "GOMEMLIMIT", "STATUS", "RESTARTS"];
    if style.has_namespaces {
        header.insert(0, "NAMESPACE");
    }
    if style.is_wide {
        header.extend(["WORKLOAD", "WHY"]);
    }
    body(table(&header, report.rows.iter().map(|row| cells(row, style))), style)
}

fn cells(row: &Finding, style: &Style) -> Vec<Cell> {
    let coverage = &row.coverage;
    let bytes = |bytes: u64| if style.is_wide { bytes.to_string() } else { quantity(bytes) };
    let how = match &coverage.end {
        Some(_) if coverage.was_oom_killed() => " (OOMKilled)".to_owned(),
        Some(_) if coverage.was_sigkilled() => " (SIGKILL)".to_owned(),
        Some(end) if coverage.died_of_malformed_value() => format!(" (exit {})", end.exit_code),
        _ => String::new(),
    };
    let mut cells = vec![
        row.pod.clone().into(),
        coverage.name.clone().into(),
        coverage.limit.map_or_else(dash, |(limit, _)| bytes(limit)).into(),
        value(coverage, bytes).unwrap_or_else(dash).into(),
        painted_status(coverage),
        format!("{}{how}", coverage.restarts).into(),
    ];
    if style.has_namespaces {
        cells.insert(0, row.namespace.clone().into());
    }
    if style.is_wide {
        cells.push(row.workload.as_ref().map_or_else(dash, type_and_name).into());
        cells.push(why(coverage).into());
    }
    cells
}

/// `TYPE/NAME` of a workload, by the shortest type that names it on the command line.
fn type_and_name(Workload { group, kind, name }: &Workload) -> String {
    let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    let resource = match WorkloadKind::of_object(kind, &version) {
        Some(known) => known.short_resource(),
        None if group.contains('.') => format!("{}.{group}", kind.to_ascii_lowercase()),
        None => kind.to_ascii_lowercase(),
    };
    format!("{resource}/{name}")
}

fn dash() -> String {
    "-".to_owned()
}

/// The status with its reason, after `oom-killed` if the container was OOM-killed: its value was not low enough.
fn status(coverage: &ContainerCoverage) -> String {
    let killed = coverage.was_oom_killed().then_some(AuditFinding::OomKilled.as_str());
    let words = killed
        .into_iter()
        .chain([coverage.status.as_str()])
        .chain(coverage.reason.map(UncoveredReason::as_str));
    words.collect::<Vec<_>>().join("/")
}

/// The status as a cell with a colour.
pub(in crate::cli) fn painted_status(coverage: &ContainerCoverage) -> Cell {
    let colour = match coverage.status {
        _ if coverage.was_oom_killed() => Colour::Red,
        Coverage::Malformed | Coverage::AboveLimit | Coverage::AtLimit => Colour::Red,
        Coverage::Stale | Coverage::TooLow | Coverage::Uncovered => Colour::Yellow,
        Coverage::Covered => Colour::Green,
        Coverage::Opaque | Coverage::Off => Colour::Cyan,
    };
    paint(status(coverage), colour)
}

/// The pods of the rows, each once, as `pod/NAME`.
pub(super) fn names(report: &AuditReport) -> String {
    let mut names: Vec<_> = report.rows.iter().map(|row| (&row.namespace, &row.pod)).collect();
    names.dedup();
    names.into_iter().flat_map(|(_, pod)| ["pod/".into(), clean(pod), "\n".into()]).collect()
}

/// Counts by namespace. A finding that no container has gets no column, unless it is one that everybody looks for.
pub(super) fn summary(report: &AuditReport, style: &Style) -> String {
    if report.is_empty() {
        return String::new();
    }
    let findings = [AuditFinding::OomKilled, AuditFinding::Sigkilled]
        .into_iter()
        .chain(Coverage::ALL.iter().copied().map(AuditFinding::Status));
    let is_looked_for = |finding: AuditFinding| {
        matches!(
            finding,
            AuditFinding::OomKilled | AuditFinding::Status(Coverage::Covered | Coverage::Uncovered)
        )
    };
    let total = report.total();
    let findings: Vec<_> =
        findings.filter(|finding| is_looked_for(*finding) || total.with_finding(*finding) > 0).collect();
    let header: Vec<_> = std::iter::once("NAMESPACE".to_owned())
        .chain(findings.iter().map(|finding| finding.as_str().to_uppercase()))
        .collect();
    let named = report.namespaces.iter().map(|(name, counts)| (name.as_str(), counts));
    let all = named.chain((report.namespaces.len() > 1).then_some(("(all)", &total)));
    let rows = all.map(|(name, counts)| {
        let numbers = findings.iter().map(|finding| counts.with_finding(*finding).to_string());
        std::iter::once(name.to_owned()).chain(numbers).collect()
    });
    body(table(&header.iter().map(String::as_str).collect::<Vec<_>>(), rows), style)
}

/// Maximum number of remedies that are printed.
const MAX_REMEDIES: usize = 20;

/// Maximum length of a line of names, in characters.
const MAX_NAMES: usize = 90;

/// The advice, each sentence once with its containers, the most urgent first.
fn remedies(rows: &[Finding], style: &Style) -> String {
    let mut all: Vec<(u8, &str, Vec<String>)> = Vec::new();
    let mut indexes = HashMap::new();
    for row in rows.iter().filter(|row| !row.coverage.advice.is_empty()) {
        let name = format!("{}/{}", row.pod, row.coverage.name);
        let name = if style.has_namespaces { format!("{}/{name}", row.namespace) } else { name };
        let key = (urgency(&row.coverage), row.coverage.advice.as_str());
        let index = *indexes.entry(key).or_insert(all.len());
        match all.get_mut(index) {
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
    for (_, advice, names) in all.iter().take(MAX_REMEDIES) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {}\n    {}", clean(&some_of(names)), clean(advice));
    }
    match all.len().saturating_sub(MAX_REMEDIES) {
        0 => text,
        left => format!("{text}  … and {left} more: -o wide has all of them\n"),
    }
}

/// Rank of the advice for a container: 0 for an OOM kill, which has happened; higher for what may happen.
fn urgency(coverage: &ContainerCoverage) -> u8 {
    match coverage.status {
        _ if coverage.was_oom_killed() => 0,
        Coverage::Malformed => 1,
        Coverage::AboveLimit | Coverage::AtLimit | Coverage::TooLow => 2,
        Coverage::Stale => 3,
        Coverage::Covered | Coverage::Opaque | Coverage::Off | Coverage::Uncovered => 4,
    }
}

/// The names that fit into a line, and the number of the others.
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

/// The text of GOMEMLIMIT: a number of bytes as `bytes` writes it, any other text as it is in the pod.
pub(in crate::cli) fn value(coverage: &ContainerCoverage, bytes: impl Fn(u64) -> String) -> Option<String> {
    match &coverage.text {
        Some(text) if text.is_empty() => Some("\"\"".to_owned()),
        Some(text) => {
            let number = text.parse().ok().filter(|number: &u64| number.to_string() == *text);
            Some(number.map_or_else(|| text.clone(), bytes))
        }
        None => coverage.bytes.map(bytes),
    }
}

/// The explanation of the status, with the advice.
pub(in crate::cli) fn why(coverage: &ContainerCoverage) -> String {
    if coverage.advice.is_empty() {
        coverage.explanation.clone()
    } else {
        format!("{}; {}", coverage.explanation, coverage.advice)
    }
}

/// The report as one object; without the containers if `only_summary`.
pub(super) fn json(report: &AuditReport, resolver: &PolicyResolver, only_summary: bool) -> Value {
    let namespaces = report.namespaces.iter().map(|(name, counts)| (name.clone(), counts_json(counts)));
    let mut json = json!({
        "version": SCHEMA_VERSION,
        "settingsFrom": resolver.source,
        "unknown": resolver.cluster_state.unknown.iter().chain(report.unreadable().as_ref()).collect::<Vec<_>>(),
        "summary": {
            "total": counts_json(&report.total()),
            "namespaces": namespaces.collect::<serde_json::Map<_, _>>(),
        },
    });
    if let (false, Some(object)) = (only_summary, json.as_object_mut()) {
        object.insert("containers".to_owned(), report.rows.iter().map(finding_json).collect());
    }
    json
}

/// One container.
fn finding_json(row: &Finding) -> Value {
    let coverage = &row.coverage;
    json!({
        "namespace": row.namespace,
        "pod": row.pod,
        "workload": row.workload,
        "container": coverage.name,
        "list": coverage.list.as_str(),
        "status": coverage.status.as_str(),
        "reason": coverage.reason.map(UncoveredReason::as_str),
        "limit": coverage.limit.map(|(bytes, _)| bytes),
        "limitFrom": coverage.limit.map(|(_, source)| source.as_str()),
        "value": coverage.text,
        "bytes": coverage.bytes,
        "ours": coverage.is_ours,
        "why": coverage.explanation,
        "advice": coverage.advice,
        "restarts": coverage.restarts,
        "lastTermination": coverage.end,
        "oomKilled": coverage.was_oom_killed(),
        "sigkilled": coverage.was_sigkilled(),
        "malformedCrash": coverage.died_of_malformed_value(),
    })
}

fn counts_json(counts: &Counts) -> Value {
    let mut object: serde_json::Map<_, _> = Coverage::ALL
        .iter()
        .map(|status| (status.as_str().to_owned(), counts.with_status(*status).into()))
        .collect();
    let reasons: serde_json::Map<_, _> = counts
        .uncovered_reasons
        .iter()
        .map(|(reason, count)| (reason.as_str().to_owned(), (*count).into()))
        .collect();
    object.insert("reasons".to_owned(), reasons.into());
    object.insert("oomKilled".to_owned(), counts.oom_killed.into());
    object.insert("sigkilled".to_owned(), counts.sigkilled.into());
    object.insert("malformedCrashes".to_owned(), counts.malformed_crashes.into());
    object.into()
}

/// Counts in the text format of Prometheus. Every status of every namespace, so that nothing is absent.
pub(super) fn prometheus(report: &AuditReport) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    head(&mut text, &CONTAINERS);
    for (namespace, counts) in &report.namespaces {
        for &status in Coverage::ALL {
            let (name, count) = (CONTAINERS.name, counts.with_status(status));
            let _ = writeln!(text, "{name}{{namespace=\"{namespace}\",status=\"{status}\"}} {count}");
        }
    }
    for (series, word) in [(OOM_KILLED, AuditFinding::OomKilled), (SIGKILLED, AuditFinding::Sigkilled)] {
        head(&mut text, &series);
        for (namespace, counts) in &report.namespaces {
            let (name, count) = (series.name, counts.with_finding(word));
            let _ = writeln!(text, "{name}{{namespace=\"{namespace}\"}} {count}");
        }
    }
    text
}

/// Appends the lines HELP and TYPE of a metric.
pub(super) fn head(text: &mut String, series: &Series) {
    let Series { name, kind, help, .. } = series;
    // Writing to a String cannot fail.
    let _ = write!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}\n");
}
