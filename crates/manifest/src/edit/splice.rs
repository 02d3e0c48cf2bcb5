//! Replacements of bytes of a text.

use std::ops::Range;

/// Bytes to replace by other text.
#[derive(Clone)]
pub(super) struct Splice {
    pub(super) range: Range<usize>,
    pub(super) text: String,
    /// Length of the edit's path: of two insertions at the same byte the one with the longer path comes first.
    pub(super) depth: usize,
}

/// Carries out the replacements, which are sorted; `None` if they overlap.
pub(super) fn splice(source: &str, splices: Vec<Splice>) -> Option<String> {
    let mut result =
        String::with_capacity(source.len() + splices.iter().map(|splice| splice.text.len()).sum::<usize>());
    let mut at = 0;
    for splice in splices {
        result.push_str(source.get(at..splice.range.start)?);
        result.push_str(&splice.text);
        at = splice.range.end;
    }
    result.push_str(source.get(at..)?);
    Some(result)
}
