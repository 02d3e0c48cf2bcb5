//! The whole server over real sockets, in the process of the tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bodies;
mod callers;
mod connection_limits;
mod http;
mod lifecycle;
mod policy_file;
mod tls;
