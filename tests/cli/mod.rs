//! The commands, as a user runs them.

mod access;
mod audit;
mod cluster;
mod cluster_commands;
mod diagnose;
mod doubtful;
mod explain;
mod files;
mod help;
mod in_place;
mod inject;
mod inputs;
mod integrations;
mod kinds;
mod limit_ranges;
mod manifests;
mod observe;
mod reports;
mod repository;
mod resource_list;
mod runs;
mod streams;
mod terminal;
mod version;
mod written_files;
