//! Characters and length of a log line: a container runtime splits a longer line, and half a JSON object cannot be parsed.

use std::borrow::Cow;

use gomemlimit_core::printable::is_hidden;
use serde_json::Value;

/// Maximum length of a line with its end, in bytes: that of containerd (`max_container_log_line_size`).
const MAX_LINE_BYTES: usize = 16 << 10;

/// Maximum length of each text of a long JSON line, in bytes: the first of these that is short enough.
const MAX_TEXT_BYTES: [usize; 4] = [8 << 10, 2 << 10, 512, 64];

/// Replacement of the rest.
const MARKER: &str = "…";

/// Makes it one line without control and invisible characters, which an error or a name may contain. tracing escapes only
/// some of them, and no line end. Its own colours stay.
pub(super) fn clean_line(line: &[u8], is_json: bool, is_coloured: bool) -> Cow<'_, [u8]> {
    let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line));
    let is_own = |c: char| c == '\u{1b}' && is_coloured && !is_json;
    let is_bad = |c: char| is_hidden(c) && !is_own(c);
    if !text.contains(is_bad) {
        return Cow::Borrowed(line);
    }
    let mut clean = String::with_capacity(line.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => clean.push(' '),
            // In JSON a backslash is one of the text only if it is escaped.
            c if is_bad(c) && is_json => clean.extend(['\\'].into_iter().chain(c.escape_unicode())),
            c if is_bad(c) => clean.extend(c.escape_unicode()),
            c => clean.push(c),
        }
    }
    clean.push('\n');
    Cow::Owned(clean.into_bytes())
}

/// Shortens a line of text; `None` if it is short enough.
pub(super) fn text_line(line: &[u8]) -> Option<Vec<u8>> {
    if line.len() <= MAX_LINE_BYTES {
        return None;
    }
    let line = String::from_utf8_lossy(line);
    Some([start(&line, MAX_LINE_BYTES - MARKER.len() - 1), MARKER, "\n"].concat().into_bytes())
}

/// Shortens a line of JSON, which stays one object: its longest texts are cut. `None` if it is short enough.
///
/// # Errors
/// If it is still too long, which takes hundreds of fields.
pub(super) fn json_line(line: &[u8]) -> Result<Option<Vec<u8>>, ()> {
    if line.len() <= MAX_LINE_BYTES {
        return Ok(None);
    }
    let mut object: Value = serde_json::from_slice(line).map_err(drop)?;
    for max in MAX_TEXT_BYTES {
        cut_texts(&mut object, max);
        let short = format!("{object}\n").into_bytes();
        if short.len() <= MAX_LINE_BYTES {
            return Ok(Some(short));
        }
    }
    Err(())
}

fn cut_texts(value: &mut Value, max: usize) {
    match value {
        Value::String(text) if text.len() > max + MARKER.len() => {
            *text = start(text, max).to_owned() + MARKER;
        }
        Value::Array(items) => items.iter_mut().for_each(|item| cut_texts(item, max)),
        Value::Object(fields) => fields.values_mut().for_each(|field| cut_texts(field, max)),
        _ => {}
    }
}

/// The first `max` bytes, without half a character.
fn start(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_one_line_without_anything_hidden() {
        let clean = |line: &str, is_json, is_coloured| {
            String::from_utf8(clean_line(line.as_bytes(), is_json, is_coloured).into_owned()).unwrap()
        };
        let hostile = "WARN a\nERROR forged\u{202e}\u{9b}2J \u{1b}[31m größer\n";
        assert_eq!(
            clean(hostile, false, false),
            "WARN a ERROR forged\\u{202e}\\u{9b}2J \\u{1b}[31m größer\n"
        );
        assert!(clean(hostile, false, true).contains("forged\\u{202e}\\u{9b}2J \u{1b}[31m"));
        let line = json!({"pod": "a\n\u{202e}\u{7f}b"}).to_string() + "\n";
        let value: Value = serde_json::from_str(&clean(&line, true, true)).unwrap();
        assert_eq!(value["pod"], "a\n\\u{202e}\\u{7f}b");
        assert!(!clean(&line, true, true).contains(|c| c != '\n' && is_hidden(c)));
    }

    #[test]
    fn short_lines_stay_as_they_are() {
        let line = [vec![b'x'; MAX_LINE_BYTES - 1], vec![b'\n']].concat();
        assert_eq!((text_line(&line), json_line(&line)), (None, Ok(None)));
    }

    #[test]
    fn a_long_line_of_text_is_cut_between_characters() {
        for length in [MAX_LINE_BYTES, MAX_LINE_BYTES + 1, MAX_LINE_BYTES + 2] {
            let short = text_line(format!("{}\n", "ä".repeat(length)).as_bytes()).unwrap();
            assert!((MAX_LINE_BYTES - 1..=MAX_LINE_BYTES).contains(&short.len()), "{}", short.len());
            assert!(String::from_utf8(short).unwrap().ends_with("ä…\n"));
        }
    }

    #[test]
    fn a_long_line_of_json_stays_an_object_and_loses_only_its_long_texts() {
        // A control character is six bytes of JSON.
        for text in ["x".repeat(100_000), "\u{1}".repeat(100_000), "ä\"".repeat(50_000)] {
            let line =
                json!({"message": "injected", "warnings": "y".repeat(400), "containers": text, "n": 7});
            let short = json_line(format!("{line}\n").as_bytes()).unwrap().unwrap();
            assert!(short.len() <= MAX_LINE_BYTES && short.ends_with(b"\n"));
            let short: Value = serde_json::from_slice(&short).unwrap();
            assert_eq!(
                (&short["message"], &short["warnings"], &short["n"]),
                (&line["message"], &line["warnings"], &line["n"])
            );
            let kept = short["containers"].as_str().unwrap().strip_suffix(MARKER).unwrap();
            assert!(kept.len() > 1 << 10 && text.starts_with(kept), "{}", kept.len());
        }
    }

    #[test]
    fn a_line_of_countless_fields_is_given_up() {
        let fields: serde_json::Map<_, _> = (0..10_000).map(|n| (n.to_string(), Value::from(n))).collect();
        assert_eq!(json_line(Value::from(fields).to_string().as_bytes()), Err(()));
    }
}
