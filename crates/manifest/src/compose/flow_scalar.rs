//! Scalars between brackets and braces that kubectl's parser does not read as YAML has them.

use std::ops::Range;

/// Why a key over several lines is refused.
pub(super) const KEY_OVER_LINES: &str =
    "kubectl reads no key over several lines between braces; write it, and its colon, on one line";

/// Whether go-yaml refuses the key at `key`: its `yaml_parser_fetch_value` wants the colon on the line on which the key
/// begins, unless there is a `?` before it.
pub(super) fn is_key_over_lines(source: &str, key: &Range<usize>) -> bool {
    let before = source.get(..key.start).unwrap_or("");
    let behind = source.get(key.end..).unwrap_or("");
    let colon = without_space(behind);
    let end = key.end + behind.len() - colon.len();
    let is_on_lines = || source.get(key.start..end).is_some_and(|text| text.contains(['\n', '\r']));
    colon.starts_with(':') && is_on_lines() && !before.trim_end().ends_with('?')
}

/// Why a scalar that is split is refused.
pub(super) const SPLIT: &str = "YAML parsers disagree about this text between brackets; put it in quotes";

/// Whether go-yaml splits the unquoted scalar at `range` (its `yaml_parser_fetch_next_token` and
/// `yaml_parser_scan_plain_scalar`): at a `:` or `?` without white space beside it, and at a tag, into which it takes the comma.
pub(super) fn is_split(source: &str, range: &Range<usize>, is_tagged: bool) -> bool {
    let written = source.get(range.clone()).unwrap_or("");
    let is_followed_by =
        |at: usize, next: &[char]| source.get(at..).is_some_and(|rest| rest.starts_with(next));
    let question = written.starts_with('?')
        || written
            .match_indices('?')
            .any(|(at, _)| is_followed_by(range.start + at + 1, &[' ', '\t', '\r', '\n']));
    let colon = written.starts_with(':')
        || (is_followed_by(range.end, &[':']) && is_followed_by(range.end + 1, &[',', '[', ']', '{', '}']));
    question || colon || (is_tagged && written.is_empty())
}

/// The text behind white space and comments.
fn without_space(text: &str) -> &str {
    let mut text = text.trim_start();
    while text.starts_with('#') {
        text = text.find('\n').and_then(|end| text.get(end..)).unwrap_or("").trim_start();
    }
    text
}
