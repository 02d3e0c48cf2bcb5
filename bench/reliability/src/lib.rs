//! The webhook in a real cluster while something is broken, and pods of every form that Kubernetes allows.
//! What the fault suite records, and the page that is made of it.
//!
//! `bench/reliability/run` measures; the tests on a real cluster (tests/e2e/tests/reliability) write their part with
//! the types of `cluster`.
#![allow(unreachable_pub, missing_docs, reason = "of tests")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]

pub mod cluster;
pub mod page;
pub mod process;
