//! The tasks of `serve` and `certificates` against the API server, which run as long as the process: the certificate keeper
//! and the watch of namespaces.

pub mod certificates;
mod namespace_metadata;
pub mod namespaces;
mod trust_log;
mod watch_backoff;
mod write_backoff;
