//! The anchor (`&a`) and the tag (`!!str`) in front of a value, which the parser counts as no part of it.

use crate::tree::Node;

/// The first byte of the anchor and the tag of a value, or else of the value.
pub(super) fn start(source: &str, node: &Node) -> usize {
    let mut start = node.start;
    if node.anchor == 0 && !node.tagged {
        return start;
    }
    while let Some(before) = source.get(..start).map(str::trim_end) {
        let word = before.rsplit([' ', '\t', '\r', '\n', ',', '[', '{']).next().unwrap_or("");
        if !word.starts_with(['&', '!']) {
            break;
        }
        start = before.len() - word.len();
    }
    start
}

/// The byte after an anchor and a tag that follow the colon of a key on its line, or else `colon`.
pub(super) fn end(source: &str, colon: usize) -> usize {
    let mut end = colon;
    while let Some(rest) = source.get(end..) {
        let word = rest.trim_start_matches([' ', '\t']);
        if !word.starts_with(['&', '!']) {
            break;
        }
        let length = word.find([' ', '\t', '\r', '\n', ',', ']', '}']).unwrap_or(word.len());
        end += rest.len() - word.len() + length;
    }
    end
}
