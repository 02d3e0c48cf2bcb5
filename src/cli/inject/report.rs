//! What was done with each container, for stderr.

use gomemlimit_core::{
    decision::ContainerDecision,
    warning::{Warning, WarningKind},
};

use crate::cli::{
    manifests::{Decided, DecidedInput},
    output,
};

/// The lines about one input.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Line>);

#[derive(Debug)]
enum Line {
    Container(String),
    Warning(String),
}

impl Report {
    /// Adds the lines about a pod of an input.
    pub(super) fn add(&mut self, input: &DecidedInput, one: &Decided) {
        let object = one.object();
        if one.decision.containers.is_empty() {
            self.0.push(Line::Container(format!("{object}: no containers")));
        }
        for container in &one.decision.containers {
            let outcome = outcome(container, &one.decision.warnings);
            self.0.push(Line::Container(format!("{object}, container {}: {outcome}", container.label())));
        }
        let warnings = one.decision.warnings.iter();
        let object = input.object(one);
        self.0.extend(warnings.map(|warning| Line::Warning(format!("{object}: {}", warning.text))));
    }

    /// Prints them, after the result is where it should be: nothing is reported that did not happen.
    pub(super) fn print(&self, quiet: bool) {
        for line in &self.0 {
            match line {
                Line::Container(_) if quiet => {}
                Line::Container(text) => output::message(text),
                Line::Warning(text) => output::warning(text),
            }
        }
    }
}

/// The value that a container has got, or why it has none.
pub(super) fn outcome(container: &ContainerDecision<'_>, warnings: &[Warning]) -> String {
    let reason = container.outcome.reason;
    match container.outcome.value.filter(|_| reason.is_set()) {
        Some(value) => format!("GOMEMLIMIT={} ({reason})", value.text()),
        None => format!("unchanged ({reason}: {})", explanation(container, warnings)),
    }
}

/// The explanation of the reason for the container; without the problem of its value, which a warning shows.
fn explanation<'c>(container: &'c ContainerDecision<'_>, warnings: &[Warning]) -> &'c str {
    let text = container.explanation();
    let is_shown =
        |warning: &Warning| warning.kind == WarningKind::BrokenValue && warning.text.ends_with(text);
    if warnings.iter().any(is_shown) { container.outcome.reason.explanation() } else { text }
}
