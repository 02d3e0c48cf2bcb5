//! Texts that users wrote, as messages repeat them.

use crate::printable::is_hidden;

/// Maximum length of a text that [`quote`] repeats, in characters.
pub(crate) const MAX_QUOTED_CHARS: usize = 100;

/// The message with at most `max` characters of each text that [`quote`] put into it.
pub(crate) fn shorten_quoted(message: &str, max: usize) -> String {
    let mut short = String::with_capacity(message.len());
    let (mut is_quoted, mut is_escaped, mut seen) = (false, false, 0);
    for c in message.chars() {
        let is_quote = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        if is_quote {
            is_quoted = !is_quoted;
            seen = 0;
        } else if is_quoted {
            seen += 1;
            if seen > max {
                if seen == max + 1 {
                    short.push('…');
                }
                continue;
            }
        }
        short.push(c);
    }
    short
}

/// Quotes text that a user wrote for a message: [hidden](is_hidden) characters escaped (the API server drops a
/// warning that holds a control character), at most [`MAX_QUOTED_CHARS`] of them.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for (seen, c) in text.chars().enumerate() {
        if seen == MAX_QUOTED_CHARS {
            quoted.push('…');
            break;
        }
        if c == '"' || c == '\\' || is_hidden(c) {
            quoted.extend(c.escape_default());
        } else {
            quoted.push(c);
        }
    }
    quoted.push('"');
    quoted
}

/// The start of a text, of at most `max` characters.
pub(crate) fn start(text: &str, max: usize) -> &str {
    let end = text.char_indices().nth(max).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or_default()
}
