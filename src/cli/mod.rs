//! The command line: one file a subcommand, each with its own arguments and its own printing.

mod audit;
mod certificate_args;
mod check;
mod cluster_args;
mod complete;
mod completions;
#[cfg(feature = "diagnose")]
mod countdown;
#[cfg(feature = "diagnose")]
mod diagnose;
mod duration;
#[cfg(feature = "diagnose")]
mod endpoint;
mod exchange;
mod explain;
mod inject;
#[cfg(feature = "diagnose")]
mod interrupt;
mod judge;
mod listen;
mod manifests;
#[cfg(feature = "diagnose")]
mod observe;
#[cfg(feature = "diagnose")]
mod out_file;
mod output;
#[cfg(feature = "diagnose")]
mod own_metrics;
mod plugin;
mod policy;
mod policy_args;
mod probe;
mod progress;
mod serve;

use std::process::ExitCode;

use clap::{FromArgMatches, Parser, Subcommand};
use clap_complete::CompleteEnv;

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
    Audit(Box<audit::AuditArgs>),
    Check(check::CheckArgs),
    Policy(policy::PolicyCommandArgs),
    #[cfg(feature = "diagnose")]
    Diagnose(Box<diagnose::DiagnoseArgs>),
    #[cfg(feature = "diagnose")]
    Observe(Box<observe::ObserveArgs>),
    Probe(probe::ProbeArgs),
    Completions(completions::CompletionsArgs),
}

/// Parses the command line and runs the command. Errors go to stderr as one sentence, with exit code 2.
#[must_use]
pub fn main() -> ExitCode {
    let name = plugin::Name::of_this_program();
    if name == plugin::Name::KubectlComplete {
        return plugin::complete();
    }
    CompleteEnv::with_factory(|| plugin::command(name)).var(completions::VARIABLE).complete();
    let matches = plugin::command(name).get_matches();
    let policy_is_given = matches.subcommand().is_some_and(|(_, matches)| policy_args::are_given(matches));
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let done = match cli.command {
        Command::Serve(args) => args.run(),
        Command::Inject(args) => args.run(),
        Command::Explain(args) => args.run(policy_is_given),
        Command::Audit(args) => args.run(policy_is_given),
        Command::Check(args) => args.run(),
        Command::Policy(args) => args.run(),
        #[cfg(feature = "diagnose")]
        Command::Diagnose(args) => args.run(),
        #[cfg(feature = "diagnose")]
        Command::Observe(args) => args.run(),
        Command::Probe(args) => args.run(),
        Command::Completions(args) => args.run(),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{}", sentence(&error));
        ExitCode::from(2)
    })
}

/// An error as it is printed on stderr.
fn sentence(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let lines: Vec<_> = text.lines().map(output::clean).collect();
    format!("error: {}", lines.join("\n"))
}
