//! A differential flame graph: the width is memory in use now, red grew, blue shrank.

use anyhow::{Context, ensure};
use gomemlimit_pprof::{Evidence, Kind, Stacks};
use inferno::flamegraph::{self, Options};

use super::super::output::quantity;

/// Maximum size of the names of all stacks together, in bytes: what a program with 16,000 stacks of 64 frames has.
const MAX_NAMES: usize = 64 << 20;

/// The picture of what changed between the first and the last capture, as SVG.
pub(super) fn graph(evidence: &Evidence, target: &str) -> anyhow::Result<Vec<u8>> {
    let profiles =
        || evidence.captures.iter().filter_map(|capture| Some((capture.at, capture.profile.as_ref()?)));
    let (first, last) =
        profiles().next().zip(profiles().next_back()).context("there is no profile to draw")?;
    let (before, now) = (first.1.stacks(Kind::InuseSpace), last.1.stacks(Kind::InuseSpace));
    let names = |stacks: &Stacks| {
        stacks.iter().flat_map(|(stack, _)| stack.iter()).map(|frame| frame.function.len()).sum::<usize>()
    };
    ensure!(names(&before) + names(&now) <= MAX_NAMES, "the stacks are too large to draw");
    let lines = folded(&before, &now);
    ensure!(!lines.is_empty(), "there is nothing in use to draw");
    let mut options = Options::default();
    options.title = format!("Memory in use: {target}");
    options.subtitle = Some(format!(
        "{} → {} in {:.0} s; width: in use now, red: grew, blue: shrank",
        size(&before),
        size(&now),
        last.0 - first.0
    ));
    "bytes".clone_into(&mut options.count_name);
    "Function:".clone_into(&mut options.name_type);
    // Nothing that differs from run to run.
    options.deterministic = true;
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut svg)
        .context("cannot draw")?;
    Ok(svg)
}

fn size(stacks: &Stacks) -> String {
    quantity(u64::try_from(stacks.total()).unwrap_or(0))
}

/// A line for each stack: `root;…;leaf BEFORE NOW`.
fn folded(before: &Stacks, now: &Stacks) -> Vec<String> {
    let gone = before.iter().filter(|(stack, _)| now.get(stack) == 0);
    let mut lines: Vec<_> = now
        .iter()
        .chain(gone)
        .map(|(stack, _)| {
            // Semicolons separate; no name of Go has one, but a name from a file may.
            let names: Vec<_> = stack.iter().rev().map(|frame| frame.function.replace(';', ":")).collect();
            format!("{} {} {}", names.join(";"), before.get(stack).max(0), now.get(stack).max(0))
        })
        .collect();
    lines.sort_unstable();
    lines
}
