//! Characters that must not reach a terminal, a log or an annotation as they are.

use std::{borrow::Cow, fmt::Write as _};

/// Whether a terminal would obey a character (C0, C1, DEL), or it changes the direction of what follows, or ends a line
/// for some readers, or nobody sees it (Unicode 17, `Bidi_Control` and the invisible ones of `Default_Ignorable_Code_Point`).
#[must_use]
pub const fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// JSON in which such characters are `\uXXXX` (RFC 8259, section 7), but for line ends between values. The value is the
/// same, since the others occur in strings only.
#[must_use]
pub fn escape_json(json: &str) -> Cow<'_, str> {
    let is_escaped = |c: char| c != '\n' && is_hidden(c);
    if !json.contains(is_escaped) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if !is_escaped(c) {
            text.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_character_is_hidden_and_no_letter_is() {
        for c in '\0'..=char::MAX {
            assert!(!c.is_control() || is_hidden(c), "{c:?}");
            assert!(!(c.is_alphanumeric() && is_hidden(c)), "{c:?}");
        }
        assert!(!"größer 漢 🙂 – …".contains(is_hidden));
    }
}
