//! The only part of the program that talks to the API server.

pub mod api;
pub mod certificates;
pub mod installation;
pub mod namespaces;
mod pace;
pub mod pages;
mod patience;
#[cfg(feature = "diagnose")]
pub mod pods;
pub mod policy_engine;
#[cfg(feature = "diagnose")]
pub mod portforward;
pub mod served;
pub mod serving;
pub mod surroundings;
pub mod webhook_policy;
