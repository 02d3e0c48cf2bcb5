//! What a run could not read or decide, and what it noticed on the way.

use std::{collections::BTreeMap, fmt, process::ExitCode};

use crate::cli::output;

/// How much a problem counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Severity {
    /// Something was not looked at: the exit code is 2.
    Error,
    Warning,
    /// About a file that a search of a directory found.
    Note,
}

/// One problem of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Problem {
    pub(in crate::cli) severity: Severity,
    /// Line and column in the input, both from 1, if they are known.
    pub(in crate::cli) at: Option<(usize, usize)>,
    /// One sentence: the file, the place in it, and what to do.
    pub(in crate::cli) text: String,
}

impl Problem {
    pub(in crate::cli) fn new(severity: Severity, text: impl fmt::Display) -> Self {
        Self { severity, at: None, text: text.to_string() }
    }

    pub(super) fn print(&self, quiet: bool) {
        match self.severity {
            Severity::Error => output::error(&self.text),
            Severity::Warning => output::warning(&self.text),
            Severity::Note if quiet => {}
            Severity::Note => output::note(&self.text),
        }
    }
}

/// What a run has seen.
#[derive(Debug, Default)]
pub(in crate::cli) struct RunSummary {
    pub(in crate::cli) files: usize,
    /// How many of the files have an error.
    pub(in crate::cli) bad_files: usize,
    /// Whether a file was left out, which a warning has shown.
    pub(in crate::cli) is_partial: bool,
    /// Pods and pod templates that were decided.
    pub(in crate::cli) pods: usize,
    /// Containers in them.
    pub(in crate::cli) containers: usize,
    /// Objects with containers that are of no known kind, by kind and API version.
    pub(in crate::cli) unknown_kinds: BTreeMap<(String, String), usize>,
}

impl RunSummary {
    /// Whether something was not looked at that should have been.
    pub(in crate::cli) fn has_errors(&self) -> bool {
        self.bad_files > 0
    }

    /// 2 if there were errors.
    pub(in crate::cli) fn exit_code(&self) -> ExitCode {
        if self.has_errors() { ExitCode::from(2) } else { ExitCode::SUCCESS }
    }

    /// Prints what is about the whole run.
    pub(super) fn print(&self, quiet: bool) {
        for ((kind, version), count) in self.unknown_kinds.iter().filter(|_| !quiet) {
            let objects = if *count == 1 { "object is" } else { "objects are" };
            output::note(&format!(
                "{count} {kind} ({version}) {objects} not looked at: not a kind with a pod template that is known here; \
                 --kind GROUP/KIND=PATH names it"
            ));
        }
        if self.bad_files > 1 {
            output::error(&format!(
                "{} of {} files could not be read or decided as a whole",
                self.bad_files, self.files
            ));
        }
    }
}
