//! Load and hostile clients against the real program. `bench/reliability/run` builds it and calls this.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]
#![allow(unreachable_pub, missing_docs, reason = "one program")]

mod attacks;
mod certificates;
mod client;
mod honest;
mod hostile;
mod load;
mod program;
mod review;
mod trust;
mod wire;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Result;
use clap::{Parser, Subcommand};
use gomemlimit_bench::record;
use gomemlimit_procfs::Machine;
use gomemlimit_reliability::{page, process::Process};

#[derive(Parser)]
#[command(name = "gomemlimit-reliability", about = "Load and hostile clients against the real program")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures, saves process.json, prints its part of the page, and fails where a promise is broken
    Measure {
        #[arg(long)]
        gomemlimit: PathBuf,
        /// Folder of the results
        #[arg(long)]
        out: PathBuf,
        /// Seconds instead of minutes, and shorter timeouts of the program
        #[arg(long)]
        short: bool,
        /// Only the hostile scenarios and attacks with this in their name, and nothing else
        #[arg(long, default_value = "")]
        scenario: String,
    },
    /// Prints the page of a folder with results
    Report { folder: PathBuf },
}

fn main() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Measure { gomemlimit, out, short, scenario } => measure(&gomemlimit, &out, short, &scenario),
        Command::Report { folder } => {
            print!("{}", page::markdown(&folder)?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn measure(gomemlimit: &Path, out: &Path, short: bool, scenario: &str) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let measured = runtime.block_on(async {
        let only = !scenario.is_empty();
        let (length, rotation) = if only {
            (2, 1)
        } else if short {
            (12, 4)
        } else {
            (600, 20)
        };
        let load = load::run(gomemlimit, Duration::from_secs(length), Duration::from_secs(rotation)).await?;
        let hostile = hostile::run(gomemlimit, short, scenario).await?;
        let attacks = attacks::run(gomemlimit, scenario).await?;
        let certificates = if only { Vec::new() } else { certificates::run(gomemlimit).await? };
        Ok::<_, anyhow::Error>(Process { machine: Machine::this()?, load, hostile, attacks, certificates })
    })?;
    record::save(&out.join("process.json"), &measured)?;
    print!("{}", measured.markdown()?);
    let violations = measured.violations();
    for violation in &violations {
        eprintln!("broken promise: {violation}");
    }
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
