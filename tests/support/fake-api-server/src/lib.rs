//! API servers for tests, on loopback or in memory, that answer and fail as a test wants them to:
//!
//! - [`FakeApiServer`] has the objects of the self-managed certificates, with versions and watches, for keepers;
//! - [`ScriptedServer`] answers paths, for the commands that read a cluster; [`cluster_fixture`] is such a cluster with a
//!   sound installation;
//! - [`PodServer`] answers paths and forwards ports to a program with pprof, for `diagnose` and `observe`.
//!
//! The scripted ones share one HTTP server, [`listen`].
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![allow(
    missing_docs,
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    reason = "of tests"
)]

mod call;
pub mod cluster_fixture;
mod forward;
mod http;
mod in_memory;
mod pod_server;
mod program;
mod scripted;
mod state;

pub use self::{
    call::{CONFIGURATION, Call, Fault, NAMESPACE, Resource, SECRET, SERVING_SECRET, Verb},
    forward::{Program, program},
    http::{Head, Query, Reply, head, listen},
    in_memory::FakeApiServer,
    pod_server::{PodServer, status},
    program::{CommandOutput, kubeconfig, kubeconfig_file, program_path},
    scripted::{NEVER, ScriptedServer, failure, forbidden, list, pod, pod_with},
};
