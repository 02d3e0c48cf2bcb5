//! Tests of the program: its commands, its webhook, its documentation. tests/README.md shows what is in which folder.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod admission_policy;
mod cli;
mod docs;
mod support;
mod test_files;
mod webhook;
