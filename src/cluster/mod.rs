//! The only part of the program that talks to the API server.

pub mod api;
pub mod certificates;
pub mod client;
mod failure;
pub mod installation;
pub mod namespaces;
mod pace;
pub mod pages;
mod patience;
#[cfg(feature = "diagnose")]
pub mod pods;
pub mod policy_engine;
pub mod portforward;
pub mod served;
pub mod serving;
#[cfg(feature = "diagnose")]
pub mod stats;
pub mod surroundings;
pub mod webhook_policy;
#[cfg(feature = "diagnose")]
pub mod workload;
