//! Logs on stderr, as text for people or JSON for machines.

use clap::{Args, ValueEnum};
use tracing_subscriber::{filter::Targets, fmt, prelude::*};

/// How and how much to log.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Logging")]
pub struct LogArgs {
    /// Format of the log lines on stderr
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Least level: error, warn, info, debug, trace, or a filter such as `info,gomemlimit_serve=debug`
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,
}

/// Format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging; panics are logged like everything else.
///
/// # Errors
/// Where the level is not a filter, naming the flag.
#[expect(clippy::disallowed_methods, reason = "the log goes to stderr")]
pub fn init(args: &LogArgs) -> anyhow::Result<()> {
    // Not an `EnvFilter`, which brings 200 KB of regular expressions along.
    let filter: Targets = args.log_level.parse().map_err(|error| {
        anyhow::anyhow!("--log-level {:?} is not a level or filter: {error}", args.log_level)
    })?;
    let registry = tracing_subscriber::registry().with(filter);
    match args.log_format {
        LogFormat::Text => {
            let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr())
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            registry.with(fmt::layer().with_writer(std::io::stderr).with_ansi(ansi)).init();
        }
        LogFormat::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).init();
        }
    }
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panic")));
    Ok(())
}
