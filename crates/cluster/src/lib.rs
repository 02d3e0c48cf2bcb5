//! What the commands and the controllers read of a cluster: which cluster and as whom, clients with a rate and a deadline,
//! pages of objects as raw JSON, pods with their memory, and how gomemlimit is installed.
//!
//! ```no_run
//! use gomemlimit_cluster::{api::Cluster, webhook_configuration::WebhookConfiguration, target::Target};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), gomemlimit_cluster::api::ApiError> {
//! let cluster = Cluster::open(&Target::default()).await?;
//! for configuration in WebhookConfiguration::find(&cluster).await?.items {
//!     println!("{}", configuration.metadata.name);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The feature `cli` adds what the image needs nothing of: `check`, `diagnose`, `observe`, credential plugins, proxies, and
//! files of the web that `inject` and `explain` read.

#![cfg_attr(not(feature = "cli"), allow(dead_code, reason = "`check`, `diagnose` and `observe` read more"))]

pub mod api;
pub mod asked;
pub mod call_limits;
pub mod causes;
pub mod client;
pub mod cluster_state;
#[cfg(feature = "cli")]
mod credentials;
#[cfg(feature = "cli")]
pub mod download;
pub mod error;
#[cfg(feature = "cli")]
pub mod keeper;
pub mod kubeconfig;
mod kubeconfig_files;
pub mod object_meta;
pub mod pages;
mod pod_object;
#[cfg(feature = "cli")]
pub mod pods;
pub mod policy_engine;
#[cfg(feature = "cli")]
pub mod portforward;
#[cfg(feature = "cli")]
mod proxy;
pub mod resource;
#[cfg(feature = "cli")]
pub mod served_certificate;
#[cfg(feature = "cli")]
pub mod stats;
pub mod target;
pub mod webhook_configuration;
pub mod webhook_objects;
pub mod webhook_policy;
#[cfg(feature = "cli")]
pub mod workload;
