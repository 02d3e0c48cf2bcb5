//! The command line: one file a subcommand, each with its own arguments and its own printing.

mod audit;
mod certificate_args;
mod certificates;
#[cfg(feature = "cli")]
mod check;
mod cluster_args;
#[cfg(feature = "cli")]
mod complete;
#[cfg(not(feature = "cli"))]
#[path = "no_completions.rs"]
mod complete;
#[cfg(feature = "cli")]
mod completions;
#[cfg(feature = "cli")]
mod diagnose;
#[cfg(feature = "cli")]
mod diff;
mod duration;
#[cfg(feature = "cli")]
mod endpoint;
#[cfg(feature = "cli")]
mod explain;
mod format;
mod help;
mod http_request;
#[cfg(feature = "cli")]
mod inject;
#[cfg(feature = "cli")]
mod interrupt;
mod listen;
#[cfg(feature = "cli")]
mod manifest_files;
#[cfg(feature = "cli")]
mod manifests;
#[cfg(feature = "cli")]
mod object_ref;
#[cfg(feature = "cli")]
mod observe;
#[cfg(feature = "cli")]
mod out_file;
mod output;
#[cfg(feature = "cli")]
mod own_metrics;
mod plugin;
mod policy;
mod policy_resolver;
mod probe;
#[cfg(feature = "cli")]
mod progress;
#[cfg(not(feature = "cli"))]
#[path = "no_progress.rs"]
mod progress;
#[cfg(feature = "cli")]
mod resource_list;
mod runtime;
#[cfg(feature = "cli")]
mod same_file;
mod sample;
mod serve;
mod settings_args;
#[cfg(feature = "cli")]
mod shell;
mod version;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
#[cfg(feature = "cli")]
use clap_complete::CompleteEnv;

use crate::causes::with_causes;

/// Label a namespace, and every container in it with a memory limit gets the GOMEMLIMIT that fits
#[derive(Debug, Parser)]
#[command(name = "gomemlimit", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = help::of_the_program())]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::ServeArgs>),
    Certificates(Box<certificates::CertificatesArgs>),
    #[cfg(feature = "cli")]
    Inject(inject::InjectArgs),
    #[cfg(feature = "cli")]
    Explain(explain::ExplainArgs),
    Audit(Box<audit::AuditArgs>),
    #[cfg(feature = "cli")]
    Check(check::CheckArgs),
    Policy(policy::PolicyCommandArgs),
    #[cfg(feature = "cli")]
    Diagnose(Box<diagnose::DiagnoseArgs>),
    #[cfg(feature = "cli")]
    Observe(Box<observe::ObserveArgs>),
    Probe(probe::ProbeArgs),
    #[cfg(feature = "cli")]
    Completions(completions::CompletionsArgs),
    Version(version::VersionArgs),
}

/// Parses the command line and runs the command. Errors go to stderr as one sentence, with exit code 2.
#[must_use]
pub fn main() -> ExitCode {
    let name = plugin::Name::of_this_program();
    let command = || plugin::arrange(Cli::command(), name);
    #[cfg(feature = "cli")]
    {
        if name == plugin::Name::KubectlComplete {
            return plugin::complete(Cli::command());
        }
        CompleteEnv::with_factory(command).var(completions::VARIABLE).complete();
    }
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return output::usage(error),
    };
    let policy_is_given = matches.subcommand().is_some_and(|(_, matches)| settings_args::are_given(matches));
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return output::usage(error),
    };
    let done = match cli.command {
        Command::Serve(args) => args.run(),
        Command::Certificates(args) => args.run(),
        #[cfg(feature = "cli")]
        Command::Inject(args) => args.run(),
        #[cfg(feature = "cli")]
        Command::Explain(args) => args.run(policy_is_given),
        Command::Audit(args) => args.run(policy_is_given),
        #[cfg(feature = "cli")]
        Command::Check(args) => args.run(),
        Command::Policy(args) => args.run(),
        #[cfg(feature = "cli")]
        Command::Diagnose(args) => args.run(),
        #[cfg(feature = "cli")]
        Command::Observe(args) => args.run(),
        Command::Probe(args) => args.run(),
        #[cfg(feature = "cli")]
        Command::Completions(args) => args.run(),
        Command::Version(args) => Ok(args.run()),
    };
    done.unwrap_or_else(|error| {
        output::error(&with_causes(error.as_ref()));
        ExitCode::from(2)
    })
}
