//! The only part of the program that talks to the API server.

pub mod certificates;
pub mod namespaces;
mod pace;
mod patience;
pub mod pods;
pub mod portforward;
