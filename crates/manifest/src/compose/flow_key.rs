//! Keys between braces over several lines, which YAML has and kubectl's parser refuses.

use std::ops::Range;

/// Why such a key is refused.
pub(super) const MESSAGE: &str =
    "kubectl reads no key over several lines between braces; write it, and its colon, on one line";

/// Whether go-yaml refuses the key at `key`: its `yaml_parser_fetch_value` wants the colon on the line on which the key
/// begins, unless there is a `?` before it.
pub(super) fn is_over_lines(source: &str, key: &Range<usize>) -> bool {
    let before = source.get(..key.start).unwrap_or("");
    let behind = source.get(key.end..).unwrap_or("");
    let colon = without_space(behind);
    let end = key.end + behind.len() - colon.len();
    let is_on_lines = || source.get(key.start..end).is_some_and(|text| text.contains(['\n', '\r']));
    colon.starts_with(':') && is_on_lines() && !before.trim_end().ends_with('?')
}

/// The text behind white space and comments.
fn without_space(text: &str) -> &str {
    let mut text = text.trim_start();
    while text.starts_with('#') {
        text = text.find('\n').and_then(|end| text.get(end..)).unwrap_or("").trim_start();
    }
    text
}
