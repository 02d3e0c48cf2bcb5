//! Tables for people, as kubectl prints them.

use comfy_table::{Table, presets};

/// Columns without lines and trailing blanks; cells may begin with blanks that mean something.
pub(crate) fn columns(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table.add_rows(rows);
    // Every cell has a blank on either side.
    let lines = table.lines().map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(&line).trim_end()));
    lines.collect()
}
