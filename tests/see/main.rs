//! `check`, `explain` and `audit` of clusters that a test cannot get from a real server on demand: several releases,
//! missing rights, objects that vanish meanwhile, servers that fall silent. The program and the sockets are real.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod check;
mod engine;
mod explain;
mod gates;
mod installations;
mod names;
mod releases;
mod rights;
mod rows;
