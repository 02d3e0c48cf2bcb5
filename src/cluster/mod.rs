//! What commands read of a cluster.
#![cfg_attr(not(feature = "cli"), allow(dead_code, reason = "`check`, `diagnose` and `observe` read more"))]

pub(crate) mod api;
pub(crate) mod call_limits;
pub mod client;
pub(crate) mod cluster_state;
#[cfg(feature = "cli")]
mod credentials;
pub(crate) mod error;
#[cfg(feature = "cli")]
pub(crate) mod keeper;
pub(crate) mod kubeconfig;
mod kubeconfig_files;
pub(crate) mod object_meta;
pub(crate) mod pages;
mod pod_object;
#[cfg(feature = "cli")]
pub(crate) mod pods;
pub(crate) mod policy_engine;
#[cfg(feature = "cli")]
pub(crate) mod portforward;
#[cfg(feature = "cli")]
mod proxy;
#[cfg(feature = "cli")]
pub mod served_certificate;
#[cfg(feature = "cli")]
pub(crate) mod stats;
pub(crate) mod target;
pub(crate) mod webhook_configuration;
pub mod webhook_objects;
pub(crate) mod webhook_policy;
#[cfg(feature = "cli")]
pub(crate) mod workload;
