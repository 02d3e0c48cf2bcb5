//! The commands, as a user runs them.

mod access;
mod audit;
mod cluster;
mod cluster_commands;
mod diagnose;
mod explain;
mod files;
mod help;
mod inject;
mod kinds;
mod inputs;
mod manifests;
mod observe;
mod terminal;
mod version;
mod written_files;
