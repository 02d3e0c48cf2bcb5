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

/// A place in a text, with its line and column. It moves forwards only, so that a text is counted once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'s> {
    source: &'s str,
    at: usize,
    /// Line of the place, from 1.
    pub(crate) line: usize,
    /// Column of the place, from 1, in characters; byte order marks are none.
    pub(crate) column: usize,
}

impl<'s> Cursor<'s> {
    /// The start of a text.
    pub(crate) fn new(source: &'s str) -> Self {
        Self { source, at: 0, line: 1, column: 1 }
    }

    /// The place of the byte `at`, which is in line `line`.
    pub(crate) fn starting(source: &'s str, at: usize, line: usize) -> Self {
        Self { source, at, line, column: column_number(source, at) }
    }

    /// The place of the byte `offset`; this one if that is before it.
    pub(crate) fn forward(self, offset: usize) -> Self {
        let offset = self.source.floor_char_boundary(offset);
        let passed = self.source.get(self.at..offset).unwrap_or("");
        if passed.is_empty() {
            return self;
        }
        let (before, column) = passed.rsplit_once('\n').map_or((passed, self.column), |(_, last)| (last, 1));
        let column = column + before.chars().filter(|char| *char != '\u{feff}').count();
        let line = self.line + passed.bytes().filter(|byte| *byte == b'\n').count();
        Self { at: offset, line, column, ..self }
    }

    /// The place `bytes` further on.
    pub(crate) fn forward_by(self, bytes: usize) -> Self {
        self.forward(self.at.saturating_add(bytes))
    }
}

/// Whether `rest`, the rest of a line after a value, has only white space and a comment.
pub(crate) fn is_blank_or_comment(rest: &str) -> bool {
    let trimmed = rest.trim_start();
    trimmed.is_empty() || (trimmed.starts_with('#') && trimmed.len() < rest.len())
}

/// Whether a line has nothing but white space and a comment.
pub(crate) fn is_blank_or_comment_line(line: &str) -> bool {
    let text = line.trim_start_matches([' ', '\t', '\r', '\n']);
    text.is_empty() || text.starts_with('#')
}

/// The first byte of text from `offset` on, behind lines of nothing but comments and white space.
pub(crate) fn first_text(source: &str, offset: usize) -> usize {
    let rest = source.get(offset..).unwrap_or("");
    let before = rest.split_inclusive('\n').take_while(|line| is_blank_or_comment_line(line));
    let rest = rest.get(before.map(str::len).sum::<usize>()..).unwrap_or("");
    source.len() - rest.trim_start_matches(' ').len()
}

/// Whether every YAML parser accepts the character without an escape in a quoted scalar on one line.
pub(crate) fn is_printable(char: char) -> bool {
    !char.is_control() && !matches!(char, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
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
    fn a_cursor_counts_as_the_whole_text_does() {
        let source = "\u{feff}ä: 1\r\n  b: ü\n---\n\u{feff}c: é d\n\n";
        let mut cursor = Cursor::new(source);
        for (offset, char) in source.char_indices().filter(|(_, char)| *char != '\u{feff}') {
            cursor = cursor.forward(offset);
            assert_eq!(cursor.line, line_number(source, offset), "{char:?}");
            let before = source[line_start(source, offset)..offset].replace('\u{feff}', "");
            assert_eq!(cursor.column, before.chars().count() + 1, "{char:?}");
        }
        assert_eq!((cursor.forward(0).line, cursor.forward(usize::MAX).line), (5, 6));
    }

    #[test]
    fn a_comment_needs_white_space_before_it() {
        assert!(is_blank_or_comment(" # x") && is_blank_or_comment("  ") && !is_blank_or_comment("#x"));
    }
}
