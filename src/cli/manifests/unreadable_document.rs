//! The sentences about documents that cannot be read.

use gomemlimit_manifest::UnreadableDocument;

use super::decided::DecidedInput;
use crate::cli::manifest_files::{Problem, Severity, looks_like_manifest};

/// In a file that a search found, a template, or what is no manifest, is a note; a broken manifest is an error everywhere.
pub(super) fn unreadable_document(input: &DecidedInput, unreadable: &UnreadableDocument) -> Problem {
    let UnreadableDocument { index, range, line, error } = unreadable;
    let is_manifest = || input.text.get(range.clone()).is_some_and(looks_like_manifest);
    let is_error = !input.source.is_found() || !error.is_template() && is_manifest();
    let severity = if is_error { Severity::Error } else { Severity::Note };
    let at = error.position().unwrap_or((*line, 1));
    Problem { severity, document: *index, at: Some(at), text: format!("{}: {error}", input.source) }
}

/// The documents of a found file that are templates: one note for all of them.
#[derive(Default)]
pub(super) struct Templates {
    first: Option<Problem>,
    others: usize,
}

impl Templates {
    pub(super) fn add(&mut self, problem: Problem) {
        if self.first.is_none() {
            self.first = Some(problem);
        } else {
            self.others += 1;
        }
    }

    pub(super) fn note(self) -> Option<Problem> {
        let mut problem = self.first?;
        let others = match self.others {
            0 => String::new(),
            1 => "; so is another document of it".to_owned(),
            others => format!("; so are {others} other documents of it"),
        };
        problem.text += &others;
        Some(problem)
    }
}
