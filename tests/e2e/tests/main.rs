//! End-to-end tests: the chart and the image on a real cluster, the API server as the judge.
//!
//! `tests/e2e/run` runs them. They take the cluster of `KUBECONFIG`, and change what is installed in
//! the namespace `gomemlimit`, so they run one after another (`--test-threads=1`). `GOMEMLIMIT_LONG=1`
//! makes the soaks long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, reason = "figures are printed")]
#![allow(unreachable_pub, reason = "one program")]

mod audit;
mod callers;
mod check;
mod corpus;
mod coverage;
mod custom_kinds;
mod diagnose;
mod files;
mod fleet;
mod harness;
mod healing;
mod install;
mod joined;
mod keeper;
mod lifecycle;
mod limit_ranges;
mod observe;
mod outage;
mod policy_engine;
mod policy_file;
mod random_pods;
mod reinvocation;
mod reliability;
mod repair;
mod resize;
mod revocation;
mod rights;
mod rollouts;
mod settings;
mod soak;
mod track;
