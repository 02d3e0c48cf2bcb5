//! In place of the completions: the image has no shell that would ask for them, and no room for what answers.

use std::ffi::OsStr;

use clap_complete::engine::CompletionCandidate;

pub(super) fn words() -> Vec<CompletionCandidate> {
    Vec::new()
}

pub(super) fn reasons() -> Vec<CompletionCandidate> {
    Vec::new()
}

pub(super) fn nothing(_current: &OsStr) -> Vec<CompletionCandidate> {
    Vec::new()
}

pub(super) use self::{
    nothing as clusters, nothing as contexts, nothing as namespaces, nothing as targets, nothing as users,
};
