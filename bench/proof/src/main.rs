//! The experiment behind the claim: a service that is `OOMKilled` without `GOMEMLIMIT` and stable with it, measured on a
//! real Kubernetes, and a sweep that shows when that holds and when not.
//!
//! `bench/proof/run` and `bench/proof/sweep` bring up what it needs and call it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]
#![allow(clippy::cast_precision_loss, reason = "figures for people; bytes are below 2^53")]
#![allow(unreachable_pub, missing_docs, reason = "one program")]

mod cgroup;
mod docs;
mod experiment;
mod exposition;
mod memory;
mod objects;
mod record;
mod recorder;
mod report;
mod runtime;
mod sweep;
mod sweep_report;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "gomemlimit-proof", about = "Shows what GOMEMLIMIT changes, and what it cannot change")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the experiment on the cluster of KUBECONFIG, which has the webhook, and saves it as JSON
    Experiment(experiment::ExperimentArgs),
    /// Runs the demo in memory cgroups of this machine, over its live data and over ratios, and adds rows to a CSV file
    Sweep(sweep::SweepArgs),
    /// Prints the report of a saved experiment, and draws its picture beside the file
    Report {
        /// As saved by `experiment`
        file: PathBuf,
    },
    /// Writes the pages and pictures in docs/ and the table of the README from the saved results
    Docs,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Experiment(args) => experiment::run(args).await,
        Command::Sweep(args) => sweep::run(args).await,
        Command::Report { file } => {
            let experiment = gomemlimit_bench::record::read(&file)?;
            std::fs::write(file.with_file_name("memory.svg"), report::picture(&experiment)?)?;
            println!("{}", report::markdown(&experiment)?);
            Ok(())
        }
        Command::Docs => docs::write(Path::new(".")),
    }
}
