//! The only part of the program that talks to the API server.

pub mod api;
pub mod certificates;
pub mod client;
#[cfg(feature = "cli")]
mod credentials;
mod failure;
pub mod installation;
#[cfg(feature = "cli")]
pub mod keeping;
pub mod kubeconfig;
mod kubeconfig_files;
mod namespace_metadata;
pub mod namespaces;
mod pace;
pub mod pages;
mod patience;
#[cfg(feature = "cli")]
pub mod pods;
pub mod policy_engine;
#[cfg(feature = "cli")]
pub mod portforward;
#[cfg(feature = "cli")]
mod proxy;
#[cfg(feature = "cli")]
pub mod served;
pub mod serving;
#[cfg(feature = "cli")]
pub mod stats;
pub mod surroundings;
mod trust_log;
pub mod webhook_policy;
#[cfg(feature = "cli")]
pub mod workload;
