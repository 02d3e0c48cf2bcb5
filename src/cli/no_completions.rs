//! In place of the completions: the image has no shell that would ask for them, and no room for what answers.

use std::ffi::OsStr;

use clap_complete::engine::CompletionCandidate;

pub(super) fn no_candidates() -> Vec<CompletionCandidate> {
    Vec::new()
}

pub(super) fn no_values(_current: &OsStr) -> Vec<CompletionCandidate> {
    Vec::new()
}

pub(super) use self::{
    no_candidates as audit_findings, no_values as clusters, no_values as contexts, no_values as namespaces,
    no_values as users,
};
