//! Measures the webhook beside what would be picked instead of it. `bench/performance/run` builds the candidates and
//! calls it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    reason = "figures for people"
)]
#![allow(unreachable_pub, missing_docs, reason = "one program")]

mod candidates;
mod kyverno;
mod load;
mod measure;
mod objects;
mod pods;
mod profile;
mod record;
mod report;
mod reviews;
mod targets;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use gomemlimit_bench::record::{read, save};

use self::{
    candidates::{LOOPBACK, Paths, Programs},
    measure::Schedule,
    pods::Extent,
    record::Results,
};

#[derive(Parser)]
#[command(
    name = "gomemlimit-performance",
    about = "Measures the webhook beside what would be picked instead of it"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures and saves the figures as JSON
    Measure {
        #[command(flatten)]
        paths: Paths,
        /// Of one measurement
        #[arg(long, default_value_t = 4)]
        seconds: u32,
        /// Of each measurement
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Some of the measurements only, a second each, once
        #[arg(long)]
        short: bool,
        #[arg(long)]
        out: PathBuf,
    },
    /// Creates pods in the cluster of KUBECONFIG, in turn without and with each way to inject, and adds the times to saved
    /// figures
    Pods {
        #[command(flatten)]
        paths: Paths,
        /// Kyverno's admission controller, to measure it, too
        #[arg(long)]
        kyverno: Option<PathBuf>,
        /// Address of this machine that the API server reaches
        #[arg(long)]
        host: String,
        /// Pods in each arm
        #[arg(long, default_value_t = 1000)]
        count: usize,
        /// Of one measurement of Kyverno alone
        #[arg(long, default_value_t = 4)]
        seconds: u32,
        /// Of each measurement of Kyverno alone
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        #[arg(long)]
        out: PathBuf,
    },
    /// Samples ours and the floor under load, and adds where their time goes to saved figures
    Profile {
        #[command(flatten)]
        paths: Paths,
        #[arg(long, default_value_t = 8)]
        seconds: u32,
        #[arg(long)]
        out: PathBuf,
    },
    /// Prints the page of saved figures
    Report { file: PathBuf },
}

fn main() -> Result<()> {
    let results = match Cli::parse().command {
        Command::Measure { paths, seconds, rounds, short, out } => {
            let programs = Programs::new(paths, LOOPBACK)?;
            let schedule = if short { Schedule::short() } else { Schedule::whole(seconds, rounds) };
            let results = measure::run(&programs, &schedule)?;
            save(&out, &results)?;
            results
        }
        Command::Pods { paths, kyverno, host, count, seconds, rounds, out } => {
            let programs = Programs::new(paths, &host)?;
            let mut results: Results = read(&out)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let extent = Extent { count, seconds, rounds };
            let run = pods::run(&programs, kyverno.as_deref(), &host, extent);
            let (creations, beside_kyverno) = runtime.block_on(run)?;
            (results.pods, results.kyverno) = (Some(creations), beside_kyverno);
            save(&out, &results)?;
            results
        }
        Command::Profile { paths, seconds, out } => {
            let programs = Programs::new(paths, LOOPBACK)?;
            let mut results: Results = read(&out)?;
            results.profiles = profile::both(&programs, seconds)?;
            save(&out, &results)?;
            results
        }
        Command::Report { file } => read(&file)?,
    };
    print!("{}", report::markdown(&results)?);
    Ok(())
}
