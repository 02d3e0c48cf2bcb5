//! The command line: one file a subcommand, each with its own arguments and its own printing.

mod certificate_args;
mod completions;
mod diagnose;
mod duration;
mod exchange;
mod explain;
mod inject;
mod kube_args;
mod manifests;
mod output;
mod policy_args;
mod probe;
mod serve;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Label a namespace, and every container in it with a memory limit gets the GOMEMLIMIT that fits
#[derive(Debug, Parser)]
#[command(name = "gomemlimit", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 fine, 1 findings (with --fail-on) or an unclean shutdown, 2 usage or environment."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::ServeArgs>),
    Inject(inject::InjectArgs),
    Explain(explain::ExplainArgs),
    Diagnose(Box<diagnose::DiagnoseArgs>),
    Probe(probe::ProbeArgs),
    Completions(completions::CompletionsArgs),
}

impl Cli {
    /// Runs the command. Errors go to stderr as one sentence, with exit code 2.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let done = match self.command {
            Command::Serve(args) => args.run(),
            Command::Inject(args) => args.run(),
            Command::Explain(args) => args.run(),
            Command::Diagnose(args) => args.run(),
            Command::Probe(args) => args.run(),
            Command::Completions(args) => args.run(&mut Self::command()),
        };
        done.unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        })
    }
}
