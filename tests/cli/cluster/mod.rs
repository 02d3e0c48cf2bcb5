//! `check`, `explain` and `audit` of clusters that a test cannot get from a real server on demand: several releases,
//! missing rights, objects that vanish meanwhile, servers that fall silent. The program and the sockets are real.

mod check;
mod check_causes;
mod check_certificates;
mod check_commands;
mod check_entries;
mod engine;
mod explain;
mod gates;
mod installations;
mod kinds;
mod names;
mod releases;
mod rights;
mod rows;
