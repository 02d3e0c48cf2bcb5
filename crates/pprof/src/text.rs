//! Names from files and servers, for sentences and terminals.

use std::borrow::Cow;

use gomemlimit_core::printable::is_hidden;

/// Maximum length of a name, in characters; the rest is not kept. Go's names of generic functions are long, but not so long.
const MAX_NAME: usize = 4096;

/// Without [hidden](is_hidden) characters.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_NAME && !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| !is_hidden(*c)).take(MAX_NAME).collect())
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
        assert_eq!(printable(&"x".repeat(5000)).len(), MAX_NAME);
    }
}
