//! Cuts a YAML stream into the pieces that are read by themselves, as `YAMLReader` of apimachinery does.

use std::iter;
use std::ops::Range;

use crate::text::is_blank_or_comment_line;

/// A part of a stream: mostly one document, from its `---` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) range: Range<usize>,
    /// The byte of its `---`, if that is on a line of its own.
    pub(super) marker: Option<usize>,
    /// First byte after the line of that `---`, as kubectl reads the piece, or else after leading byte order marks.
    pub(super) content: usize,
    /// Whether kubectl ends a document at `marker`, but YAML does not.
    pub(super) is_hidden: bool,
}

/// How a line that begins with `---` ends a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Separator {
    /// For kubectl and for YAML.
    Both,
    /// For YAML, which has the document on the same line; kubectl refuses that.
    Yaml,
    /// For kubectl only.
    Kubectl,
}

/// The pieces of the stream `source.get(from..)`, one after the other, without gaps.
pub(super) fn pieces(source: &str, from: usize) -> impl Iterator<Item = Piece> {
    let mut next = from;
    iter::from_fn(move || {
        let piece = first_piece(source, next)?;
        next = piece.range.end;
        Some(piece)
    })
}

/// The piece at the byte `start`. Comments and directives before a `---` belong to its document.
fn first_piece(source: &str, start: usize) -> Option<Piece> {
    let rest = source.get(start..).filter(|rest| !rest.is_empty())?;
    let mut piece = Piece { range: start..source.len(), marker: None, content: start, is_hidden: false };
    // Directives that no other text but comments follows.
    let mut directives = None;
    let mut is_empty = true;
    let mut next = start;
    for line in rest.split_inclusive('\n') {
        let at = next;
        next += line.len();
        // go-yaml and others skip the mark that a file begins with also if files are joined.
        let text = line.trim_start_matches('\u{feff}');
        if let Some(separator) = separator(text) {
            if !is_empty || (piece.marker.is_some() && directives.is_none()) {
                piece.range.end = directives.unwrap_or(at);
                return Some(piece);
            }
            let marker = next - text.len();
            directives = None;
            is_empty = separator == Separator::Both;
            piece.is_hidden = separator == Separator::Kubectl;
            piece.marker = (separator != Separator::Yaml).then_some(marker);
            piece.content = if separator == Separator::Both { next } else { marker };
        } else if text.starts_with('%') {
            directives = directives.or(Some(at));
        } else if !is_blank_or_comment_line(text) {
            is_empty = false;
            directives = None;
        }
    }
    Some(piece)
}

fn separator(line: &str) -> Option<Separator> {
    let rest = line.strip_prefix("---")?;
    let ends_for_yaml = rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']);
    let text = rest.trim_start();
    let ends_for_kubectl = text.is_empty() || text.starts_with('#');
    match (ends_for_kubectl, ends_for_yaml) {
        (true, true) => Some(Separator::Both),
        (true, false) => Some(Separator::Kubectl),
        (false, true) => Some(Separator::Yaml),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one("a: 1\n", &["a: 1\n"])]
    #[case::comments("# a\n\n---\nb\n---\n# c\n---\n", &["# a\n\n---\nb\n", "---\n# c\n", "---\n"])]
    #[case::directive_first("# a\n%YAML 1.1\n# b\n---\nc\n", &["# a\n%YAML 1.1\n# b\n---\nc\n"])]
    #[case::directive_later("a\n...\n# b\n%YAML 1.1\n\n---\nc\n", &["a\n...\n# b\n", "%YAML 1.1\n\n---\nc\n"])]
    #[case::directive_without_end("a: 1\n%YAML 1.1\n---\nb\n", &["a: 1\n", "%YAML 1.1\n---\nb\n"])]
    #[case::directive_after_marker("a\n---\n%YAML 1.1\n---\nb\n", &["a\n", "---\n%YAML 1.1\n---\nb\n"])]
    #[case::percent_in_text("a: |\n  %b\n---\nc\n", &["a: |\n  %b\n", "---\nc\n"])]
    #[case::marks("\u{feff}---\na\n\u{feff}---\nb\n---\n\u{feff}c\n", &["\u{feff}---\na\n", "\u{feff}---\nb\n", "---\n\u{feff}c\n"])]
    #[case::text_on_the_line("a\n--- b\n--- # c\n", &["a\n", "--- b\n", "--- # c\n"])]
    #[case::hidden("a\n---# b\nc\n", &["a\n", "---# b\nc\n"])]
    #[case::no_separator("a: |\n  ---\n ---\n---a\n", &["a: |\n  ---\n ---\n---a\n"])]
    #[case::windows("a\r\n---\r\nb\r\n---", &["a\r\n", "---\r\nb\r\n", "---"])]
    fn a_stream_is_cut_at_its_separators(#[case] source: &str, #[case] expected: &[&str]) {
        let found: Vec<&str> = pieces(source, 0).map(|piece| &source[piece.range]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_line_of_a_separator_is_no_content() {
        let contents = |source: &'static str| {
            pieces(source, 0).map(|piece| &source[piece.content..piece.range.end]).collect::<Vec<_>>()
        };
        assert_eq!(contents("--- # a\nb\n"), ["b\n"]);
        assert_eq!(contents("%YAML 1.1\n---\nb\n--- c\n"), ["b\n", "--- c\n"]);
        assert_eq!(contents("---"), [""]);
    }
}
