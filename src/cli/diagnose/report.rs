//! The report: for people, in the order in which they ask, and as JSON.

use std::fmt::Write as _;

use gomemlimit_pprof::{Diagnosis, Gomemlimit, Limit, Statistics};
use serde_json::{Value, json};

use super::{
    super::output::{self, clean, quantity as size},
    store::Captured,
};

/// Functions of a stack that are shown.
const SHOWN_FRAMES: usize = 6;

pub(super) fn json(captured: &Captured, diagnosis: &Diagnosis) -> anyhow::Result<Value> {
    let mut report = json!({"target": captured.target, "saved": captured.saved});
    if let (Value::Object(report), Value::Object(diagnosis)) = (&mut report, serde_json::to_value(diagnosis)?)
    {
        report.extend(diagnosis);
    }
    Ok(report)
}

pub(super) fn text(captured: &Captured, diagnosis: &Diagnosis) -> String {
    let figures = &diagnosis.figures;
    let mut text = format!("{}: {}\n", diagnosis.verdict, clean(&diagnosis.sentence));
    if !diagnosis.also.is_empty() {
        let also: Vec<_> = diagnosis.also.iter().map(|verdict| verdict.as_str()).collect();
        let _ = writeln!(text, "Also seen: {}", also.join(", "));
    }
    section(&mut text, "What to do", diagnosis.advice.iter().cloned());
    section(&mut text, "Goroutines that were added", goroutines(figures));
    section(&mut text, "Growing stacks (memory in use, a minute)", growing(figures));
    section(&mut text, "Top functions (memory in use)", top_functions(figures));
    if figures.captures > 0 {
        section(&mut text, "Memory", memory(figures));
    }
    let saved = captured.saved.as_ref().map(|folder| {
        format!("The captures are in {0}; `go tool pprof {0}/heap-1.pb.gz` opens it.", folder.display())
    });
    section(&mut text, "To know", diagnosis.notes.iter().cloned().chain(saved));
    text
}

fn section(text: &mut String, title: &str, lines: impl IntoIterator<Item = String>) {
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    for line in lines {
        let _ = writeln!(text, "  {}", clean(&line));
    }
}

fn growing(figures: &Statistics) -> Vec<String> {
    // Where nothing grows, what grew by chance is no news.
    let news = figures.growing_stacks.iter().filter(|one| one.is_certain());
    news.flat_map(|one| {
        let stack = one.stack.iter().take(SHOWN_FRAMES).cloned().collect::<Vec<_>>().join(" ← ");
        [format!("+{}  {} ({})", size(one.per_minute), one.function, one.place), format!("    {stack}")]
    })
    .collect()
}

fn goroutines(figures: &Statistics) -> Vec<String> {
    let added = figures.added_goroutines.iter().filter(|one| one.added > 1);
    added
        .map(|one| {
            let place = one.group.place.rsplit('/').next().unwrap_or_default();
            format!("+{} to {}  {} ({place})", one.added, one.group.count, one.group.function())
        })
        .collect()
}

fn top_functions(figures: &Statistics) -> Vec<String> {
    let rows =
        figures.top_functions.iter().map(|one| vec![size(one.flat), size(one.cum), one.function.clone()]);
    table(&["FLAT", "CUM", "FUNCTION"], rows.collect())
}

/// Where the memory is, as figures of the last capture.
fn memory(figures: &Statistics) -> Vec<String> {
    let or_unknown = |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), size);
    let limit = match figures.limit {
        Limit::Bytes(bytes) => size(bytes),
        Limit::Unlimited => "none".to_owned(),
        Limit::Unknown => "?".to_owned(),
    };
    let gomemlimit = match &figures.gomemlimit {
        Gomemlimit::Bytes(bytes) => size(*bytes),
        Gomemlimit::Unset => "none".to_owned(),
        Gomemlimit::Unknown => "?".to_owned(),
        Gomemlimit::Malformed(text) => text.clone(),
    };
    let live = or_unknown(figures.live);
    let share = figures.gc_cpu.map_or_else(|| "?".to_owned(), |share| format!("{:.0} %", share * 100.0));
    let row = vec![
        limit,
        gomemlimit,
        live,
        or_unknown(figures.retained),
        or_unknown(figures.rss),
        or_unknown(figures.off_heap),
        share,
    ];
    let head = ["LIMIT", "GOMEMLIMIT", "LIVE HEAP", "SYS-RELEASED", "RSS", "OFF-HEAP", "GC CPU"];
    table(&head, vec![row])
}

fn table(head: &[&str], rows: Vec<Vec<String>>) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    output::table(head, rows).lines().map(str::to_owned).collect()
}
