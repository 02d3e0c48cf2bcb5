//! `serve`, and what runs beside it: probes, certificates, namespaces, the policy file.

mod callers;
mod certificates;
mod log;
mod namespaces;
mod policy_file;
mod probe;
mod serve;
