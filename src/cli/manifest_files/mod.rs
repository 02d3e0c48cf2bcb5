//! The inputs of `inject` and `explain`: what `-f` and `-k` name, found and read as `kubectl` does.
//!
//! The author of a directory must not lead out of it: links to its outside are not followed, and only regular files are
//! read in it. Files on the command line itself are read whatever their type.

mod args;
mod encoding;
#[cfg(feature = "cli")]
mod exclude;
#[cfg(feature = "cli")]
mod kustomize;
#[cfg(feature = "cli")]
mod pattern;
mod problem;
mod search;
mod source;

pub(super) use self::{
    args::{FileArgs, Found, input_group},
    encoding::{Encoding, looks_like_manifest},
    problem::{Problem, Severity},
    search::KUSTOMIZATIONS,
    source::{Content, Source, is_same},
};
