//! What `serve` and `certificates` run against the API server for as long as the process lives: the certificate keeper
//! and the watch of namespaces.

pub mod certificates;
mod namespace_metadata;
pub mod namespaces;
mod trust_log;
mod watch_backoff;
mod write_backoff;
