//! What is wrong with an input, and whether the run fails for it.

use crate::cli::output;

/// The consequence of a problem, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) enum Severity {
    /// Of a file that a search found, and that is no manifest: the exit code does not change, and `--quiet` hides it.
    Note,
    /// Of a file that a search found: `kubectl` would read it, and this program does not. `--fail-on` does not pass.
    Warning,
    /// Of what the command line names, or of what looks like a manifest: exit code 2 at the end.
    Error,
}

/// A problem of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Problem {
    pub(in crate::cli) severity: Severity,
    /// Position of the document in the input, from 0; that of the first one if it is about the whole input.
    pub(in crate::cli) document: usize,
    /// Line and column in the input, both from 1, if it is about a place in it.
    pub(in crate::cli) at: Option<(usize, usize)>,
    /// A sentence that begins with the name of the input, or with `cannot read` and it.
    pub(in crate::cli) text: String,
}

impl Problem {
    pub(in crate::cli) fn new(severity: Severity, text: impl Into<String>) -> Self {
        Self { severity, document: 0, at: None, text: text.into() }
    }

    /// Prints it on stderr, on one line; no note if `is_quiet`.
    pub(in crate::cli) fn print(&self, is_quiet: bool) {
        match self.severity {
            Severity::Note if is_quiet => {}
            Severity::Note => output::note(&self.text),
            Severity::Warning => output::warning(&self.text),
            Severity::Error => output::error(&self.text),
        }
    }
}
