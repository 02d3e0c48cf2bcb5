//! Tests of the decision: reviews in, answers out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod audit;
mod effective;
mod env_from;
mod env_order;
mod go_runtime;
mod golden;
mod label_selectors;
mod laws;
mod limit_range;
mod limits_and_ownership;
mod memory_volumes;
mod quantity;
mod repair;
mod review;
mod rules;
mod support;
mod value_formula;
mod value_track;
mod warning_lengths;
