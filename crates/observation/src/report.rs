//! Figures as text: of one observation, and before → after.

use std::fmt::Write as _;

use gomemlimit_core::units::human;
use serde::Serialize;

use super::{
    figures::{Figures, GcShare, figures},
    record::{CpuBase, EndKind, Ended, Observation},
};
use gomemlimit_table::{clean, columns};

/// Observations that differ by more than this share of the shorter one are of different length.
const SAME_LENGTH: f64 = 0.1;

/// One observation: a line for each container of each pod.
#[must_use]
pub fn report(observation: &Observation) -> String {
    let mut text = format!("{}\n", clean(&heading(observation)));
    let rows = observation.containers.iter().map(|record| {
        let one = Figures::of(&[record]);
        vec![
            record.pod.clone(),
            record.container.clone(),
            limit(&one),
            gomemlimit(&one),
            restarts(&one),
            peak(&one),
            size(one.live_heap),
            gc(one.gc),
        ]
    });
    let head = [
        "POD",
        "CONTAINER",
        "LIMIT",
        "GOMEMLIMIT",
        "RESTARTS",
        "MOST MEMORY",
        "LIVE HEAP",
        gc_head(observation),
    ];
    text += &columns(&head, rows);
    notes(&mut text, observation.notes.iter().cloned());
    text
}

/// The figures of the containers that are the same in both.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// Of the baseline; `None` if it was not there.
    pub before: Option<Figures>,
    /// Of this observation; `None` if it is not there any more.
    pub after: Option<Figures>,
}

/// Puts the containers of two observations side by side, by their names; if each has but one, that.
#[must_use]
pub fn compare(before: &Observation, after: &Observation) -> Vec<Compared> {
    let (mut before, after) = (figures(before), figures(after));
    if let ([_], [_]) = (before.as_slice(), after.as_slice()) {
        return vec![Compared { before: before.pop(), after: after.into_iter().next() }];
    }
    let mut all: Vec<_> = Vec::new();
    for now in after {
        let place = before.iter().position(|then| then.container == now.container);
        all.push(Compared { before: place.map(|place| before.remove(place)), after: Some(now) });
    }
    all.extend(before.into_iter().map(|then| Compared { before: Some(then), after: None }));
    all
}

/// Before → after.
#[must_use]
pub fn comparison(before: &Observation, after: &Observation) -> String {
    let mut text = format!("before: {}\nafter:  {}\n", clean(&heading(before)), clean(&heading(after)));
    let all = compare(before, after);
    for one in &all {
        let name = one.after.as_ref().or(one.before.as_ref()).map_or("", |figures| &figures.container);
        text.push('\n');
        if all.len() > 1 {
            let _ = writeln!(text, "container {}", clean(name));
        }
        text += &columns(&["", "BEFORE", "AFTER", "CHANGE"], rows(one));
    }
    let mut said: Vec<_> = before.notes.iter().map(|note| format!("before: {note}")).collect();
    said.extend(after.notes.iter().map(|note| format!("after: {note}")));
    if (before.seconds - after.seconds).abs() > SAME_LENGTH * before.seconds.min(after.seconds) {
        said.push(
            "the two were observed for different times: restarts and OOM kills do not compare".to_owned(),
        );
    }
    notes(&mut text, said);
    text
}

fn heading(observation: &Observation) -> String {
    let pods = figures(observation).iter().map(|one| one.pods).max().unwrap_or(0);
    let ended = match observation.ended {
        Ended::Time => "",
        Ended::Interrupted => ", interrupted",
        Ended::Gone => ", until the pod was gone",
    };
    let plural = if pods == 1 { "" } else { "s" };
    format!(
        "{} in namespace {}, {pods} pod{plural} for {}{ended}",
        observation.target,
        observation.namespace,
        time(observation.seconds)
    )
}

fn time(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}

fn notes(text: &mut String, notes: impl IntoIterator<Item = String>) {
    for (place, note) in notes.into_iter().enumerate() {
        let _ = writeln!(text, "{}To know: {}", if place == 0 { "\n" } else { "" }, clean(&note));
    }
}

type Cell = fn(&Figures) -> String;
type Number = fn(&Figures) -> Option<u64>;

/// The rows that at least one side has something for.
fn rows(one: &Compared) -> Vec<Vec<String>> {
    let sides = [one.before.as_ref(), one.after.as_ref()];
    let mut rows = Vec::new();
    let mut texts = |name: &str, cell: Cell| {
        rows.push(
            [name.to_owned()].into_iter().chain(sides.map(|side| side.map_or_else(dash, cell))).collect(),
        );
    };
    texts("GOMEMLIMIT", gomemlimit);
    texts("memory limit", limit);
    let mut counts = |name: &str, number: Number, is_optional: bool| {
        let numbers = sides.map(|side| side.and_then(number));
        if !is_optional || numbers.iter().flatten().any(|count| *count > 0) {
            let [before, after] = numbers.map(|count| count.map_or_else(dash, |count| count.to_string()));
            rows.push(vec![name.to_owned(), before, after, change(numbers)]);
        }
    };
    counts("OOMKilled", |one| Some(one.oom_kills.into()), false);
    counts("restarts", |one| Some(one.restarts.into()), false);
    counts("  by SIGKILL", |one| Some(one.sigkills.into()), true);
    counts("  malformed GOMEMLIMIT", |one| Some(one.malformed.into()), true);
    counts("  failed", |one| Some(one.failed.into()), true);
    counts("  completed", |one| Some(one.completed.into()), true);
    counts("  for a reason not seen", |one| Some(one.unseen.into()), true);
    let mut bytes_row = |name: &str, number: Number| {
        let numbers = sides.map(|side| side.and_then(number));
        if numbers.iter().any(Option::is_some) {
            let [before, after] = numbers.map(size);
            rows.push(vec![name.to_owned(), before, after, change(numbers)]);
        }
    };
    bytes_row("most memory", |one| one.peak);
    bytes_row("live heap, median", |one| one.live_heap);
    if sides.iter().flatten().any(|one| one.live_heap.is_none()) {
        bytes_row("heap with garbage, most", |one| one.heap);
    }
    let shares = sides.map(|side| side.and_then(|one| one.peak_share));
    if shares.iter().any(Option::is_some) {
        let [before, after] = shares.map(|share| share.map_or_else(dash, percent));
        // Under the size that it is a share of.
        let place = rows.iter().position(|row| row.first().is_some_and(|name| name == "most memory"));
        let row = vec!["  of the limit".to_owned(), before, after, points(shares)];
        rows.insert(place.map_or(rows.len(), |place| place + 1), row);
    }
    rows.extend(gc_rows(sides));
    rows
}

/// One row if both are of the same base, else one for each.
fn gc_rows(sides: [Option<&Figures>; 2]) -> Vec<Vec<String>> {
    let shares = sides.map(|side| side.and_then(|one| one.gc));
    let bases = [CpuBase::Used, CpuBase::Available];
    let bases = bases.into_iter().filter(|base| shares.iter().flatten().any(|gc| gc.of == *base));
    bases
        .map(|base| {
            let shares = shares.map(|gc| gc.filter(|gc| gc.of == base).map(|gc| gc.share));
            let [before, after] = shares.map(|share| share.map_or_else(dash, percent));
            let name = match base {
                CpuBase::Used => "garbage collection, of the CPU used",
                CpuBase::Available => "garbage collection, of all CPU",
            };
            vec![name.to_owned(), before, after, points(shares)]
        })
        .collect()
}

fn gc_head(observation: &Observation) -> &'static str {
    let mut cpu = observation.containers.iter().filter_map(|record| record.cpu);
    if cpu.any(|cpu| cpu.of == CpuBase::Available) { "GC, OF ALL CPU" } else { "GC, OF CPU USED" }
}

/// Relative, in percent. From nothing there is no percentage.
#[allow(clippy::cast_precision_loss)]
fn change(numbers: [Option<u64>; 2]) -> String {
    match numbers {
        [Some(before), Some(after)] if before == after => "=".to_owned(),
        [Some(0), Some(after)] => format!("+{after}"),
        [Some(before), Some(after)] => {
            format!("{:+.0} %", (after as f64 - before as f64) / before as f64 * 100.0).replace("-0 %", "0 %")
        }
        _ => String::new(),
    }
}

/// The difference of two shares.
fn points(shares: [Option<f64>; 2]) -> String {
    let [Some(before), Some(after)] = shares.map(|share| share.map(|share| (share * 100.0).round())) else {
        return String::new();
    };
    if (after - before).abs() < 0.5 { "=".to_owned() } else { format!("{:+.0} points", after - before) }
}

fn dash() -> String {
    "-".to_owned()
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn size(bytes: Option<u64>) -> String {
    bytes.map_or_else(dash, human)
}

fn gc(share: Option<GcShare>) -> String {
    share.map_or_else(dash, |gc| percent(gc.share))
}

fn limit(one: &Figures) -> String {
    let limits: Vec<_> = one.limits.iter().map(|bytes| human(*bytes)).collect();
    if limits.is_empty() { "none".to_owned() } else { limits.join(", ") }
}

fn gomemlimit(one: &Figures) -> String {
    let values: Vec<_> = one.gomemlimits.iter().map(|text| gomemlimit_text(text)).collect();
    if values.is_empty() { "?".to_owned() } else { values.join(", ") }
}

/// A value of GOMEMLIMIT, for people.
pub(super) fn gomemlimit_text(value: &str) -> String {
    match value.parse() {
        Ok(bytes) => human(bytes),
        Err(_) if value == "off" => "none".to_owned(),
        Err(_) => format!("{value} (malformed)"),
    }
}

fn peak(one: &Figures) -> String {
    match (one.peak, one.peak_share) {
        (Some(peak), Some(share)) => format!("{} ({})", human(peak), percent(share)),
        (peak, _) => size(peak),
    }
}

fn restarts(one: &Figures) -> String {
    let reasons = [
        (one.oom_kills, EndKind::OomKilled.as_str()),
        (one.sigkills, EndKind::Sigkilled.as_str()),
        (one.malformed, EndKind::MalformedGomemlimit.as_str()),
        (one.failed, EndKind::Failed.as_str()),
        (one.completed, EndKind::Completed.as_str()),
        (one.unseen, "not seen"),
    ];
    let reasons: Vec<_> = reasons
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, reason)| format!("{count} {reason}"))
        .collect();
    if reasons.is_empty() {
        one.restarts.to_string()
    } else {
        format!("{} ({})", one.restarts, reasons.join(", "))
    }
}
