//! The inputs of `inject` and `explain`: what `-f` and `-k` name, found and read as `kubectl` does.
//!
//! The author of a directory must not lead out of it: links to its outside are not followed, and only regular files are
//! read in it. Files on the command line itself are read whatever their type.

mod args;
mod encoding;
mod exclude;
mod kustomize;
mod pattern;
mod problem;
mod search;
mod source;

pub(super) use self::{
    args::{FileArgs, Found, input_group},
    encoding::{Encoding, looks_like_manifest},
    problem::{Problem, Severity},
    search::{KUSTOMIZATIONS, is_kustomization},
    source::{Content, Source, is_same},
};
