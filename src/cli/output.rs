//! The only module that writes to the terminal. Data goes to stdout, messages to stderr. Text of others, from
//! manifests and clusters, reaches people without its control characters, and programs with them as escapes of JSON. A
//! reader that stops early (`| head`) is not an error; a message that cannot be written is lost and ends nothing.
#![expect(clippy::disallowed_methods, reason = "stdout and stderr")]

use std::{
    env,
    io::{self, ErrorKind, Write as _},
    process::ExitCode,
};

use anstream::{AutoStream, ColorChoice};
use clap::error::ContextValue;
use gomemlimit_core::printable::escape_json;
pub(super) use gomemlimit_core::units::human as quantity;
#[cfg(feature = "cli")]
use indicatif::ProgressDrawTarget;
use serde_json::Value;

use gomemlimit_table::RESET;
pub(super) use gomemlimit_table::{Cell, clean, columns as table};

/// Colours of words for people, and the escape sequences that begin them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Green,
    Yellow,
    Red,
    Cyan,
    Bold,
}

impl Colour {
    const fn code(self) -> &'static str {
        match self {
            Self::Green => "\u{1b}[32m",
            Self::Yellow => "\u{1b}[33m",
            Self::Red => "\u{1b}[31m",
            Self::Cyan => "\u{1b}[36m",
            Self::Bold => "\u{1b}[1m",
        }
    }
}

/// Every escape sequence that this program prints: those of [`Colour`], their end, and clap's underlining.
const CODES: [&str; 7] = [
    Colour::Green.code(),
    Colour::Yellow.code(),
    Colour::Red.code(),
    Colour::Cyan.code(),
    Colour::Bold.code(),
    "\u{1b}[4m",
    RESET,
];

/// Whether a stream gets colours: a terminal does, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` is set; anything does
/// with `CLICOLOR_FORCE`, unless that is 0 (<https://bixense.com/clicolors/>).
fn is_coloured(stream: &impl anstream::stream::RawStream) -> bool {
    let is = |name, value: &str| env::var_os(name).is_some_and(|set| set == value);
    let has_colours = AutoStream::choice(stream) != ColorChoice::Never;
    // anstream takes 0 for a value as any other, and looks no further.
    let is_right = || {
        stream.is_terminal() && !is("CLICOLOR", "0") && env::var_os("TERM").is_some_and(|term| term != "dumb")
    };
    has_colours && (!is("CLICOLOR_FORCE", "0") || is_right())
}

/// Writes data to stdout, byte by byte as it is: success, also if the reader has gone away.
pub(super) fn stdout(data: &[u8]) -> ExitCode {
    write(data).map_or_else(|error| not_written(&error), |()| ExitCode::SUCCESS)
}

/// Writes text for people to stdout; the rest is as for [`stdout`].
pub(super) fn text(text: &str) -> ExitCode {
    stdout(clean_text(text, is_coloured(&io::stdout())).as_bytes())
}

/// Writes JSON for programs to stdout, over several lines; the rest is as for [`stdout`].
pub(super) fn json(value: &Value) -> ExitCode {
    stdout(json_text(value).as_bytes())
}

/// JSON over several lines, with a line end.
pub(super) fn json_text(value: &Value) -> String {
    escape_json(&format!("{value:#}\n")).into_owned()
}

/// Writes data to stdout, byte by byte as it is.
///
/// # Errors
///
/// If stdout takes no more.
pub(super) fn write(data: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(data).and_then(|()| stdout.flush())
}

/// The exit code for an error of stdout.
pub(super) fn not_written(error: &io::Error) -> ExitCode {
    if error.kind() == ErrorKind::BrokenPipe {
        return ExitCode::SUCCESS;
    }
    self::error(&format!("cannot write to stdout: {error}"));
    ExitCode::from(2)
}

/// Prints a message of clap: help and version to stdout, the refusal of a command line to stderr.
pub(super) fn usage(mut error: clap::Error) -> ExitCode {
    // The user's own words keep to one line.
    let words: Vec<_> = error.context().map(|(kind, value)| (kind, value.clone())).collect();
    for (kind, value) in words {
        if let ContextValue::String(word) = value {
            error.insert(kind, ContextValue::String(clean(&word).into_owned()));
        }
    }
    let rendered = |coloured| {
        let text = error.render();
        if coloured { text.ansi().to_string() } else { text.to_string() }
    };
    if !error.use_stderr() {
        return text(&rendered(is_coloured(&io::stdout())));
    }
    let coloured = is_coloured(&io::stderr());
    let _ = io::stderr().lock().write_all(clean_text(&rendered(coloured), coloured).as_bytes());
    ExitCode::from(2)
}

/// A line for stderr, with its line end and without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line(String);

impl Line {
    pub(super) fn error(text: &str) -> Self {
        Self::labelled("error", Colour::Red, text)
    }

    pub(super) fn warning(text: &str) -> Self {
        Self::labelled("warning", Colour::Yellow, text)
    }

    pub(super) fn message(text: &str) -> Self {
        Self(format!("{}\n", clean(text)))
    }

    fn labelled(label: &str, colour: Colour, text: &str) -> Self {
        let (begin, end) = if is_coloured(&io::stderr()) { (colour.code(), RESET) } else { ("", "") };
        Self(format!("{begin}{label}:{end} {}\n", clean(text)))
    }

    /// For a queue, if the reader must not be waited for.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(super) fn print(&self) {
        let _ = io::stderr().lock().write_all(self.as_bytes());
    }
}

/// Prints an error on stderr, on one line.
pub(super) fn error(text: &str) {
    Line::error(text).print();
}

/// Prints a warning on stderr, on one line.
pub(super) fn warning(text: &str) {
    Line::warning(text).print();
}

/// Prints a note on stderr, on one line: information that is no warning.
pub(super) fn note(text: &str) {
    Line::labelled("note", Colour::Cyan, text).print();
}

/// Prints a line on stderr.
pub(super) fn message(text: &str) {
    Line::message(text).print();
}

/// stderr for a queue that writes [`Line`]s and the log, and whether it gets colours.
pub(super) fn stderr() -> (io::Stderr, bool) {
    (io::stderr(), is_coloured(&io::stderr()))
}

/// The target of progress bars: stderr, if that is a terminal.
#[cfg(feature = "cli")]
pub(super) fn bars() -> Option<ProgressDrawTarget> {
    io::IsTerminal::is_terminal(&io::stderr()).then(ProgressDrawTarget::stderr)
}

/// A cell in a colour, if stdout gets colours.
pub(super) fn paint(text: impl Into<String>, colour: Colour) -> Cell {
    Cell::coloured(text, if is_coloured(&io::stdout()) { colour.code() } else { "" })
}

#[cfg(feature = "cli")]
/// A unified diff for stdout: for people in colours and cleaned on a terminal, for `patch` as it is elsewhere.
///
/// # Errors
///
/// If stdout takes no more.
pub(super) fn diff(diff: &str) -> io::Result<()> {
    use std::{fmt::Write as _, io::IsTerminal as _};

    let (is_terminal, coloured) = (io::stdout().is_terminal(), is_coloured(&io::stdout()));
    if !is_terminal && !coloured {
        return write(diff.as_bytes());
    }
    let mut painted = String::with_capacity(diff.len());
    for line in diff.lines() {
        let colour = match line.as_bytes() {
            [b'-', b'-', b'-', b' ', ..] | [b'+', b'+', b'+', b' ', ..] => Some(Colour::Bold),
            [b'@', ..] => Some(Colour::Cyan),
            [b'-', ..] => Some(Colour::Red),
            [b'+', ..] => Some(Colour::Green),
            _ => None,
        };
        let (begin, end) = match colour {
            Some(colour) if coloured => (colour.code(), RESET),
            _ => ("", ""),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(painted, "{begin}{}{end}", clean_text(line, false));
    }
    write(clean_text(&painted, coloured).as_bytes())
}

/// Text of several lines without control characters, but for tabs and, if `coloured`, for [`CODES`].
fn clean_text(text: &str, coloured: bool) -> String {
    let mut clean_text = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\t', '\u{1b}']) {
        let (before, after) = rest.split_at(at);
        clean_text += &clean(before);
        let code = CODES.into_iter().filter(|_| coloured).chain(["\n", "\t"]);
        let Some(code) = code.into_iter().find(|code| after.starts_with(code)) else {
            clean_text += &clean("\u{1b}");
            rest = after.get(1..).unwrap_or_default();
            continue;
        };
        clean_text += code;
        rest = after.get(code.len()..).unwrap_or_default();
    }
    clean_text + &clean(rest)
}

#[cfg(test)]
mod tests {
    use gomemlimit_core::printable::is_hidden;

    use super::*;

    #[test]
    fn json_keeps_its_value_and_nothing_that_a_terminal_obeys() {
        let hostile =
            ('\0'..=char::MAX).filter(|c| is_hidden(*c)).collect::<String>() + "größer \"漢\\u0041\" 🙂\n";
        let value = serde_json::json!({&hostile: [hostile, 1, null], "b": {}});
        let text = json_text(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert_eq!(text.chars().filter(|c| is_hidden(*c)).collect::<String>(), "\n".repeat(8));
        assert!(text.contains("\\u009b") && text.contains("\\u202e"), "{text}");
        assert!(text.contains("\\udb40\\udc41") && text.contains("größer"), "{text}");
    }

    #[test]
    fn text_keeps_its_lines_and_only_the_colours_of_this_program() {
        let text = "a\tb\n\u{1b}[31mred\u{1b}[0m \u{1b}[2J\u{1b}[8mhidden \u{9b}1A\r\n\u{1b}";
        let coloured = "a\tb\n\u{1b}[31mred\u{1b}[0m \\u{1b}[2J\\u{1b}[8mhidden \\u{9b}1A \n\\u{1b}";
        assert_eq!(clean_text(text, true), coloured);
        assert!(!clean_text(text, false).contains('\u{1b}'));
    }
}
