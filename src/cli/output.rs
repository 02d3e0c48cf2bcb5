//! Data goes to stdout; a reader that stops early (`| head`) is not an error. What others have written into a cluster
//! reaches a terminal without its control characters.

use std::{
    borrow::Cow,
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

use crate::columns::columns;

/// Writes `data` to stdout: success, also where the reader has gone away.
pub(super) fn stdout(data: &[u8]) -> ExitCode {
    write(data).map_or_else(|error| not_written(&error), |()| ExitCode::SUCCESS)
}

/// Writes `data` to stdout.
pub(super) fn write(data: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(data).and_then(|()| stdout.flush())
}

/// What it means that stdout takes no more.
pub(super) fn not_written(error: &io::Error) -> ExitCode {
    if error.kind() == ErrorKind::BrokenPipe {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: cannot write to stdout: {error}");
    ExitCode::from(2)
}

/// Free text for people, on one line: a terminal must neither obey nor hide what somebody wrote into an object.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    // Beside control characters those that change the direction of what follows.
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_bad = |c: char| c.is_control() || turns(c);
    if !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    let clean = text.chars().fold(String::with_capacity(text.len()), |mut clean, c| {
        match c {
            '\n' | '\r' | '\t' => clean.push(' '),
            c if is_bad(c) => clean.extend(c.escape_default()),
            c => clean.push(c),
        }
        clean
    });
    Cow::Owned(clean)
}

/// Tells on stderr, on one line.
pub(super) fn warning(text: &str) {
    eprintln!("warning: {}", clean(text));
}

/// Tells on stderr, on one line, what is no reason to worry.
#[cfg(feature = "cli")]
pub(super) fn note(text: &str) {
    eprintln!("note: {}", clean(text));
}

/// Columns as kubectl prints them, of text that is clean.
pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let clean_row = |row: Vec<String>| row.iter().map(|cell| clean(cell).into_owned()).collect();
    columns(header, rows.into_iter().map(clean_row))
}

/// Bytes as a quantity of the largest unit that loses nothing.
pub(super) fn quantity(bytes: u64) -> String {
    let units = [(40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")];
    let unit = units.into_iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    unit.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        for (text, cleaned) in [
            ("ratio 0.9 of 64Mi – größer", "ratio 0.9 of 64Mi – größer"),
            ("a\u{1b}[31mred\u{7}", "a\\u{1b}[31mred\\u{7}"),
            ("two\nlines\r\tand", "two lines  and"),
            ("\u{9b}2J \u{202e}drawkcab", "\\u{9b}2J \\u{202e}drawkcab"),
        ] {
            assert_eq!(clean(text), cleaned);
        }
        let table = table(&["A"], [vec!["\u{1b}[2J".to_owned()]]);
        assert_eq!(table, "A\n\\u{1b}[2J\n");
    }
}
