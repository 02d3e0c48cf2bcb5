//! The way of the commands into a cluster: kubeconfigs and flags, proxies, TLS, credential plugins, completions, and what
//! the errors say. The real program against servers on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod completion;
mod errors;
mod kubeconfig;
mod plugin;
mod proxy;
mod server;
mod targets;
mod tls;
