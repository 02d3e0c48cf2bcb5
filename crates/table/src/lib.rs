//! Text for people: tables as kubectl prints them, and text of others without what a terminal would obey.
//!
//! PURE: text in, text out.
//!
//! ```
//! use gomemlimit_table::{clean, columns};
//!
//! let table = columns(&["NAME", "LIMIT"], [["api", "1Gi"], ["database", "512Mi"]].map(|row| row.map(String::from).to_vec()));
//! assert_eq!(table, "NAME      LIMIT\napi       1Gi\ndatabase  512Mi\n");
//! assert!(!clean("\u{1b}[2J").contains('\u{1b}'));
//! ```

use std::borrow::Cow;

use gomemlimit_core::printable::is_hidden;
use unicode_width::UnicodeWidthStr;

/// Blanks between two columns.
const GAP: usize = 2;

/// A cell of a table.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    /// The escape sequence that begins its colour. Empty for none.
    colour: &'static str,
}

impl Cell {
    /// A cell in the colour that this escape sequence begins.
    pub fn coloured(text: impl Into<String>, colour: &'static str) -> Self {
        Self { text: text.into(), colour }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, colour: "" }
    }
}

/// The escape sequence that ends every colour.
pub const RESET: &str = "\u{1b}[0m";

/// Columns without lines and without trailing blanks. Cells are cleaned; they may begin with blanks that mean something.
pub fn columns<C: Into<Cell>>(header: &[&str], rows: impl IntoIterator<Item = Vec<C>>) -> String {
    let header = header.iter().map(|name| Cell::from((*name).to_owned())).collect();
    let rows = rows.into_iter().map(|row| row.into_iter().map(Into::into).collect());
    let mut rows: Vec<Vec<Cell>> = std::iter::once(header).chain(rows).collect();
    let mut widths = Vec::new();
    for row in &mut rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (cell, width) in row.iter_mut().zip(&mut widths) {
            cell.text = clean(&cell.text).into_owned();
            *width = cell.text.width().max(*width);
        }
    }
    rows.iter().flat_map(|row| [line(row, &widths), "\n".to_owned()]).collect()
}

fn line(row: &[Cell], widths: &[usize]) -> String {
    let mut line = String::new();
    for (Cell { text, colour }, width) in row.iter().zip(widths) {
        let end = if colour.is_empty() || text.is_empty() { "" } else { RESET };
        let begin = if end.is_empty() { "" } else { colour };
        line.extend([begin, text, end, &" ".repeat(width - text.width().min(*width) + GAP)]);
    }
    line.truncate(line.trim_end().len());
    line
}

/// Free text for people, on one line: a terminal must neither obey nor hide what somebody wrote into an object.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let clean = text.chars().fold(String::with_capacity(text.len()), |mut clean, c| {
        match c {
            '\n' | '\r' | '\t' => clean.push(' '),
            c if is_hidden(c) => clean.extend(c.escape_unicode()),
            c => clean.push(c),
        }
        clean
    });
    Cow::Owned(clean)
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
            ("in\u{200b}visible\u{feff}\u{2028}", "in\\u{200b}visible\\u{feff}\\u{2028}"),
            ("\u{e0041}", "\\u{e0041}"),
        ] {
            assert_eq!(clean(text), cleaned);
        }
        assert_eq!(columns(&["A"], [vec!["\u{1b}[2J".to_owned()]]), "A\n\\u{1b}[2J\n");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_whatever_its_colour() {
        let red = "\u{1b}[31m";
        let row = |a: &str, b: &str, colour| {
            vec![Cell::coloured(a, colour), Cell::from(b.to_owned()), Cell::from(String::new())]
        };
        let rows = || [row("größer", "x", ""), row("漢字", "", red), row("  in", "y", red)];
        let text = columns(&["A", "B", "C"], rows());
        let plain = "A       B  C\ngrößer  x\n漢字\n  in    y\n";
        assert_eq!(text.replace(red, "").replace(RESET, ""), plain);
        assert_eq!(text.matches(red).count(), 2, "{text:?}");
        let none = columns(&["A", "B"], Vec::<Vec<String>>::new());
        assert_eq!(none, "A  B\n");
    }
}
