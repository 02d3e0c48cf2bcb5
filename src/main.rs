//! `gomemlimit`: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    gomemlimit::cli::Cli::parse().run()
}
