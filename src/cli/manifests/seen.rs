//! What a run over the inputs has seen of one of them.

use gomemlimit_manifest::{AddedKind, UnknownKind};

use super::{decided::DecidedInput, run_summary::RunSummary};
use crate::cli::manifest_files::{Problem, Severity};

/// What a summary has of one input.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) problems: Vec<Problem>,
    /// Whether the problems are about inputs that are not read at all.
    is_left_out: bool,
    pods: usize,
    containers: usize,
    /// Each with its file.
    unknown_kinds: Vec<(String, UnknownKind)>,
    added_kinds: Vec<AddedKind>,
}

impl Seen {
    /// Of inputs that are not read at all.
    pub(super) fn left_out(problems: Vec<Problem>) -> Self {
        Self { problems, is_left_out: true, ..Self::default() }
    }

    /// Without the problems, of which there may be more.
    pub(super) fn of(input: &DecidedInput) -> Self {
        let containers = input.decided().map(|one| one.decision.containers.len()).sum();
        let is_left_out = input.documents.is_empty();
        let unknown_kinds = input.documents.iter().flat_map(|one| &one.unknown_kinds);
        let unknown_kinds = unknown_kinds.map(|one| (input.source.to_string(), one.clone()));
        Self {
            problems: Vec::new(),
            is_left_out,
            pods: input.decided().count(),
            containers,
            unknown_kinds: unknown_kinds.collect(),
            added_kinds: input.added_kinds.clone(),
        }
    }

    pub(super) fn add_to(&self, summary: &mut RunSummary) {
        let has = |severity| self.problems.iter().any(|problem| problem.severity == severity);
        summary.bad_files += usize::from(has(Severity::Error));
        if self.is_left_out {
            let warnings = self.problems.iter().filter(|problem| problem.severity == Severity::Warning);
            summary.left_out.extend(warnings.cloned());
            summary.is_partial |= has(Severity::Warning);
        } else {
            summary.has_warnings |= has(Severity::Warning);
        }
        summary.pods += self.pods;
        summary.containers += self.containers;
        for (file, unknown) in &self.unknown_kinds {
            summary.add_unknown(file, unknown);
        }
        for AddedKind { index, has_pods } in &self.added_kinds {
            *summary.added_kinds.entry(*index).or_default() |= has_pods;
        }
    }
}
