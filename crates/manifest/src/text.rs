//! Positions in a text: lines, columns, line ends.

/// The byte at which the line of `offset` starts, after a byte order mark.
pub(crate) fn line_start(source: &str, offset: usize) -> usize {
    let before = source.get(..source.floor_char_boundary(offset)).unwrap_or(source);
    match before.rfind('\n') {
        Some(newline) => newline + 1,
        None if before.starts_with('\u{feff}') => '\u{feff}'.len_utf8(),
        None => 0,
    }
}

/// The byte at which the line of `offset` ends, before its line break.
pub(crate) fn line_end(source: &str, offset: usize) -> usize {
    let rest = source.get(offset..).unwrap_or("");
    let line = rest.split('\n').next().unwrap_or("");
    offset + line.strip_suffix('\r').unwrap_or(line).len()
}

/// The byte at which the line break before `line`, the start of a line, starts.
pub(crate) fn line_break_before(source: &str, line: usize) -> usize {
    let before = source.get(..line).unwrap_or("");
    let before = before.strip_suffix('\n').unwrap_or(before);
    before.strip_suffix('\r').unwrap_or(before).len()
}

/// The byte at which the line after the one of `offset` starts, if there is such a line.
pub(crate) fn next_line(source: &str, offset: usize) -> Option<usize> {
    source.get(offset..)?.find('\n').map(|newline| offset + newline + 1).filter(|next| *next < source.len())
}

/// Bytes between the start of the line and `offset`. Callers have only indentation and `- ` there, with one byte for each
/// column.
pub(crate) fn column(source: &str, offset: usize) -> usize {
    offset.saturating_sub(line_start(source, offset))
}

/// The white space with which the line of `offset` starts.
pub(crate) fn indentation(source: &str, offset: usize) -> &str {
    let line = source.get(line_start(source, offset)..).unwrap_or("");
    line.get(..line.len() - line.trim_start_matches([' ', '\t']).len()).unwrap_or("")
}

/// The line (from 1) of `offset`.
pub(crate) fn line_number(source: &str, offset: usize) -> usize {
    source.get(..offset).unwrap_or(source).bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// The column (from 1, in characters) of `offset`.
pub(crate) fn column_number(source: &str, offset: usize) -> usize {
    source.get(line_start(source, offset)..offset).unwrap_or("").chars().count() + 1
}

/// The line break that the line of `offset` has, or else the first one of the text.
pub(crate) fn line_break(source: &str, offset: usize) -> &'static str {
    let newline = source.get(offset..).and_then(|rest| rest.find('\n')).map(|newline| newline + offset);
    match newline.or_else(|| source.find('\n')) {
        Some(newline) if source.get(..newline).is_some_and(|before| before.ends_with('\r')) => "\r\n",
        _ => "\n",
    }
}

/// Whether `rest`, the rest of a line after a value, has only white space and a comment.
pub(crate) fn is_blank_or_comment(rest: &str) -> bool {
    let trimmed = rest.trim_start();
    trimmed.is_empty() || (trimmed.starts_with('#') && trimmed.len() < rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_around_line_breaks_of_both_kinds() {
        let source = "\u{feff}ä: 1\r\n  b: 2\nc";
        let b = source.find('b').unwrap();
        assert_eq!(column(source, 3), 0);
        assert_eq!((line_number(source, b), column_number(source, b), column(source, b)), (2, 3, 2));
        assert_eq!(source.get(line_end(source, 3)..), Some("\r\n  b: 2\nc"));
        assert_eq!(
            (line_break(source, 3), line_break(source, b), line_break(source, source.len())),
            ("\r\n", "\n", "\r\n")
        );
        assert_eq!(indentation(source, b), "  ");
        assert_eq!(next_line(source, b).map(|next| source.get(next..)), Some(Some("c")));
        assert_eq!(next_line(source, source.len()), None);
    }

    #[test]
    fn a_comment_needs_white_space_before_it() {
        assert!(is_blank_or_comment(" # x") && is_blank_or_comment("  ") && !is_blank_or_comment("#x"));
    }
}
