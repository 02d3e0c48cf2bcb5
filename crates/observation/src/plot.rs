//! A picture of memory over time against the limit: a panel for each container, before and after in it.

use std::collections::BTreeSet;

use gomemlimit_core::units::human;
use gomemlimit_plot::{COLOURS, Level, Line, Panel, draw};

use super::{
    record::{ContainerRecord, EndKind, MemorySample, Observation},
    report::gomemlimit_text,
};

/// Length in seconds above which the axis is in minutes.
const MAX_SECONDS: f64 = 600.0;
const MIB: f64 = 1_048_576.0;

/// Memory over time of one observation, or of two, as SVG.
#[must_use]
pub fn svg(before: Option<&Observation>, after: &Observation) -> String {
    let mut names: Vec<&str> = Vec::new();
    for record in before.iter().flat_map(|before| &before.containers).chain(&after.containers) {
        if !names.contains(&record.container.as_str()) {
            names.push(&record.container);
        }
    }
    let panels = names.iter().map(|name| {
        let title = if names.len() > 1 {
            format!("Memory of {}, container {name}", after.target)
        } else {
            format!("Memory of {}", after.target)
        };
        panel(before, after, name, title)
    });
    draw(&panels.collect::<Vec<_>>())
}

/// The containers of one name.
fn panel(before: Option<&Observation>, after: &Observation, container: &str, title: String) -> Panel {
    fn of<'a>(observation: &'a Observation, container: &str) -> Vec<&'a ContainerRecord> {
        observation.containers.iter().filter(|one| one.container == container).collect()
    }
    let name = if before.is_some() { "after" } else { "memory" };
    let mut series = vec![(name, COLOURS[1], of(after, container))];
    if let Some(before) = before {
        series.insert(0, ("before", COLOURS[0], of(before, container)));
    }
    let records = || series.iter().flat_map(|(_, _, records)| records);
    let limits: BTreeSet<_> = records().filter_map(|record| record.limit).collect();
    let memory = records().flat_map(|record| &record.samples).filter_map(MemorySample::memory);
    let bytes = memory.chain(limits.iter().copied()).max().unwrap_or(1);
    let seconds = records().map(|record| record.to).fold(1.0, f64::max);
    let (unit, x_label) = if seconds > MAX_SECONDS { (60.0, "minutes") } else { (1.0, "seconds") };
    Panel {
        title,
        x_label,
        y_label: "Mi",
        x_min: 0.0,
        x_max: seconds / unit,
        y_max: mebibytes(bytes) * 1.06,
        lines: series.iter().map(|(name, colour, records)| line(name, colour, records, unit)).collect(),
        levels: limits
            .iter()
            .map(|limit| Level::limit(format!("memory limit {}", human(*limit)), mebibytes(*limit)))
            .collect(),
    }
}

/// Memory of containers: a stroke for each instance, with a cross at its end.
fn line(name: &str, colour: &'static str, records: &[&ContainerRecord], unit: f64) -> Line {
    let mut line = Line::new(name, colour, Vec::new());
    for record in records {
        add_instances(&mut line, record, unit);
    }
    let gomemlimits: BTreeSet<_> = records.iter().filter_map(|record| record.gomemlimit.as_deref()).collect();
    let values: Vec<_> = gomemlimits.into_iter().map(gomemlimit_text).collect();
    line.detail = (!values.is_empty()).then(|| format!("GOMEMLIMIT {}", values.join(", ")));
    let ends = || records.iter().flat_map(|record| &record.ends);
    let oom_kills = ends().filter(|end| end.kind == EndKind::OomKilled).count();
    line.crosses_name = match (oom_kills, ends().count() - oom_kills) {
        (count, 0) => format!("{count} × OOMKilled"),
        (0, count) => format!("{count} × ended"),
        (killed, others) => format!("{killed} × OOMKilled, {others} × ended"),
    };
    line
}

/// The cross of an OOM kill is at the limit.
fn add_instances(line: &mut Line, record: &ContainerRecord, unit: f64) {
    let points: Vec<_> = record
        .samples
        .iter()
        .filter_map(|sample| Some((sample.at / unit, mebibytes(record.at_most_the_limit(sample.memory()?)))))
        .collect();
    let mut from = f64::NEG_INFINITY;
    for end in &record.ends {
        let until = end.at / unit;
        // A poll that shows an end shows the figures of the next instance, or none.
        let mut stroke: Vec<_> = within(&points, from, until).collect();
        // What fell right before the end was noticed is what the kernel had left already.
        while let [.., (_, before), (_, last)] = stroke[..]
            && last < before / 2.0
        {
            stroke.pop();
        }
        let at_limit = record.limit.filter(|_| end.kind == EndKind::OomKilled).map(mebibytes);
        let memory = at_limit.or(stroke.last().map(|(_, memory)| *memory)).unwrap_or(0.0);
        stroke.push((until, memory));
        line.strokes.push(stroke);
        line.crosses.push((until, memory));
        from = until;
    }
    line.strokes.push(within(&points, from, f64::INFINITY).collect());
}

/// The points from one moment on, and before another.
fn within(points: &[(f64, f64)], from: f64, until: f64) -> impl Iterator<Item = (f64, f64)> {
    points.iter().copied().filter(move |(at, _)| *at >= from && *at < until)
}

/// For a picture: the last bits of large numbers do not matter.
#[allow(clippy::cast_precision_loss)]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MIB
}
