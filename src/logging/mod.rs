//! Logs on stderr, as text for people or JSON for machines. Logging never waits for the reader of stderr.

mod line_queue;
mod shorten;

use std::io;

use clap::{Args, ValueEnum};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt,
    prelude::*,
};

pub use self::line_queue::LineQueue;

/// How and how much to log.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Logging")]
pub struct LogArgs {
    /// Format of the log lines on stderr
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Least level: error, warn, info, debug, trace, off, or a filter such as `info,gomemlimit_serve=debug`
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = parse_filter)]
    pub log_level: Targets,
}

/// Format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging into a queue; panics are logged, too.
pub fn init(args: &LogArgs, queue: &LineQueue, is_coloured: bool) {
    let registry = tracing_subscriber::registry().with(args.log_level.clone());
    let (format, queue) = (args.log_format, queue.clone());
    let writer = move || LineWriter { format, is_coloured, queue: queue.clone() };
    // What the library itself prints about a line that it cannot format would wait for the reader.
    match format {
        LogFormat::Text => {
            registry
                .with(fmt::layer().with_writer(writer).with_ansi(is_coloured).log_internal_errors(false))
                .init();
        }
        LogFormat::Json => {
            let layer = fmt::layer().json().flatten_event(true).with_writer(writer);
            registry.with(layer.log_internal_errors(false)).init();
        }
    }
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panic")));
}

/// Queues each write, which is one event, as one line of bounded length.
struct LineWriter {
    format: LogFormat,
    /// Whether a line of text has colours.
    is_coloured: bool,
    queue: LineQueue,
}

impl io::Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let clean = shorten::clean_line(line, self.format == LogFormat::Json, self.is_coloured);
        let short = match self.format {
            LogFormat::Text => Ok(shorten::text_line(&clean)),
            LogFormat::Json => shorten::json_line(&clean),
        };
        match short {
            Ok(short) => self.queue.push(short.as_deref().unwrap_or(&clean)),
            Err(()) => self.queue.drop_lines(1),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Levels, each alone or behind `target=`. A bare word that is no level is refused: as a target it would silence everything
/// else.
fn parse_filter(text: &str) -> Result<Targets, String> {
    let is_target = |target: &str| {
        !target.is_empty() && target.chars().all(|c| c.is_ascii_alphanumeric() || "_:.-".contains(c))
    };
    let filter = text.split(',').try_fold(Targets::new(), |filter, part| match part.split_once('=') {
        None => Some(filter.with_default(level(part)?)),
        Some((target, part)) if is_target(target) => Some(filter.with_target(target, level(part)?)),
        Some(_) => None,
    });
    filter.map(|filter| quiet(filter, text)).ok_or_else(|| {
        "is none of error, warn, warning, info, debug, trace and off, and no filter such as \
         info,gomemlimit_serve=debug"
            .to_owned()
    })
}

/// kube logs every failed call once more; that is shown at `debug`, or if the filter names kube.
fn quiet(filter: Targets, text: &str) -> Targets {
    if text.contains("kube") || filter.default_level().is_none_or(|level| level >= LevelFilter::DEBUG) {
        return filter;
    }
    filter.with_targets(["kube_client", "kube_runtime"].map(|target| (target, LevelFilter::OFF)))
}

fn level(word: &str) -> Option<LevelFilter> {
    Some(match word.to_ascii_lowercase().as_str() {
        "error" => LevelFilter::ERROR,
        "warn" | "warning" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        "off" => LevelFilter::OFF,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tracing::Level;

    use super::*;

    #[rstest]
    #[case("warning", Some(Level::WARN), Some(Level::WARN))]
    #[case("WARN", Some(Level::WARN), Some(Level::WARN))]
    #[case("off", None, None)]
    #[case("info,kube=debug", Some(Level::INFO), Some(Level::DEBUG))]
    #[case("kube=Warning", None, Some(Level::WARN))]
    #[case("kube=off,debug", Some(Level::DEBUG), None)]
    fn levels_are_those_that_are_named(
        #[case] text: &str,
        #[case] default: Option<Level>,
        #[case] kube: Option<Level>,
    ) {
        let filter = parse_filter(text).unwrap();
        let most = |target: &str| {
            let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
            levels.into_iter().rfind(|level| filter.would_enable(target, level))
        };
        assert_eq!((most("gomemlimit"), most("kube")), (default, kube));
    }

    #[rstest]
    #[case("info", false)]
    #[case("warn,tower=info", false)]
    #[case("debug", true)]
    #[case("info,kube_client=error", true)]
    fn kube_repeats_nothing_unless_asked(#[case] text: &str, #[case] is_heard: bool) {
        let filter = parse_filter(text).unwrap();
        assert_eq!(filter.would_enable("kube_client::client::builder", &Level::ERROR), is_heard);
    }

    #[rstest]
    fn what_is_no_level_is_refused(
        #[values(
            "bogus",
            "debu",
            "",
            "info,",
            "kube",
            "kube=",
            "=info",
            "a=b=c",
            "a b=info",
            "info,bogus",
            "kube=3",
            "3",
            "x[{y}]=info"
        )]
        text: &str,
    ) {
        let error = parse_filter(text).unwrap_err();
        assert!(error.contains("error, warn, warning, info"), "{error}");
    }
}
