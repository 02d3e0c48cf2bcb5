//! Texts, numbers and words of JSON whose grammar is right, as Go reads them.

use serde_json::{Number, Value};

/// The length of the JSON text at the start of `rest`, with its quotes, in bytes.
pub(crate) fn length(rest: &str) -> usize {
    let mut is_escaped = false;
    let quote = rest.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    quote.map_or(rest.len(), |quote| quote + 2)
}

/// The text that `written`, with its quotes, means; `None` if it is no JSON.
pub(crate) fn unescape(written: &str) -> Option<String> {
    let text = written.strip_prefix('"')?.strip_suffix('"')?;
    if !text.contains('\\') {
        return Some(text.to_owned());
    }
    serde_json::from_str(written).or_else(|_| serde_json::from_str(&replace_lone_surrogates(written))).ok()
}

/// Half a surrogate pair is U+FFFD for Go (`unquote` of `encoding/json`).
fn replace_lone_surrogates(written: &str) -> String {
    let mut replaced = String::with_capacity(written.len());
    let mut rest = written;
    while let Some((before, after)) = rest.split_once('\\') {
        replaced.push_str(before);
        let escape = |text: &str| u16::from_str_radix(text.strip_prefix('u')?.get(..4)?, 16).ok();
        let second = after.get(5..).and_then(|text| text.strip_prefix('\\')).and_then(escape);
        let (length, escaped) = match (escape(after), second) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (11, after.get(..11)),
            (Some(0xd800..=0xdfff), _) => (5, Some("ufffd")),
            _ => (1, after.get(..1)),
        };
        replaced.push('\\');
        replaced.push_str(escaped.unwrap_or(""));
        rest = after.get(length..).unwrap_or("");
    }
    replaced + rest
}

/// The value of `true`, `false`, `null` or a number; `None` for a number that is too large.
pub(crate) fn literal(written: &str) -> Option<Value> {
    let number = || {
        let signed = written.parse::<i64>().ok().map(Number::from);
        let unsigned = || written.parse::<u64>().ok().map(Number::from);
        signed.or_else(unsigned).or_else(|| Number::from_f64(written.parse().ok()?))
    };
    match written {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "null" => Some(Value::Null),
        _ => number().map(Value::Number),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_read_as_go_reads_them() {
        for (written, expected) in [
            (r#""a""#, "a"),
            (r#""\"\\\/\n\u00e9""#, "\"\\/\né"),
            (r#""\ud83d\ude00\\ud800""#, "😀\\ud800"),
            (r#""a\ud800b""#, "a\u{fffd}b"),
            (r#""\ude00\ud83d\u0041""#, "\u{fffd}\u{fffd}A"),
            (r#""\ud83d\ud83d\ude00\udfff""#, "\u{fffd}😀\u{fffd}"),
            ("\"\u{7f}\u{80}\"", "\u{7f}\u{80}"),
        ] {
            assert_eq!(unescape(written).as_deref(), Some(expected), "{written}");
            assert_eq!(length(&format!("{written}, \"b\"")), written.len());
        }
        assert_eq!(unescape(r#""\x""#), None);
    }

    #[test]
    fn numbers_keep_their_values() {
        let numbers = ["0", "-0", "-7", "18446744073709551615", "18446744073709551616", "1.5", "1e3"];
        let found: Option<Vec<Value>> = numbers.into_iter().map(literal).collect();
        assert_eq!(
            found,
            Some(vec![
                json!(0),
                json!(0),
                json!(-7),
                json!(u64::MAX),
                json!(18_446_744_073_709_551_616.0),
                json!(1.5),
                json!(1000.0)
            ])
        );
        assert_eq!((literal("1e400"), literal("null")), (None, Some(Value::Null)));
    }
}
