//! Names from files and servers, for sentences and terminals.

use std::borrow::Cow;

/// The longest name that is kept, in characters: Go's names of generic functions are long, but not so long.
const MOST: usize = 4096;

/// Without control characters, and without those that turn the direction of what follows.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_bad = |c: char| c.is_control() || turns(c);
    if text.len() <= MOST && !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| !is_bad(*c)).take(MOST).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        for (text, wanted) in [
            ("main.größer[go.shape.int]", "main.größer[go.shape.int]"),
            ("main.\u{1b}[31mred\u{7}\n", "main.[31mred"),
            ("\u{9b}2J\u{202e}niam", "2Jniam"),
        ] {
            assert_eq!(printable(text), wanted);
        }
        assert_eq!(printable(&"x".repeat(5000)).len(), MOST);
    }
}
