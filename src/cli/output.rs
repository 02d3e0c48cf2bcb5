//! Data goes to stdout; a reader that stops early (`| head`) is not an error.

use std::{
    io::{ErrorKind, Write},
    process::ExitCode,
};

use comfy_table::{Table, presets};

/// Writes `data` to stdout: success, also where the reader has gone away.
pub(super) fn stdout(data: &[u8]) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(data).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write to stdout: {error}");
            ExitCode::from(2)
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Columns as kubectl prints them: no lines, no trailing blanks.
pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table.add_rows(rows);
    let lines = table.lines().map(|line| format!("{}\n", line.trim()));
    lines.collect()
}

/// Bytes as a quantity of the largest unit that loses nothing.
pub(super) fn quantity(bytes: u64) -> String {
    let units = [(40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")];
    let unit = units.into_iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    unit.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}
