//! JSON as text that kubectl reads behind a `---`, too, where it reads YAML.

use std::borrow::Cow;

use super::json::json_values;
use crate::json_text;

/// Maximum length of a key without a question mark in YAML 1.1 (section 9.2.1), in bytes with its quotes.
const MAX_SIMPLE_KEY: usize = 1024;

/// `text`, which begins with a JSON object, with what is no YAML 1.1 in that object written otherwise: some escapes and
/// characters, long keys, and keys with their colon on another line. Any other text stays as it is.
#[must_use]
pub fn json_as_yaml(text: &str) -> Cow<'_, str> {
    let object = json_values(text).and_then(|values| values.ranges.into_iter().next());
    let Some((before, json, behind)) = object
        .and_then(|range| Some((text.get(..range.start)?, text.get(range.clone())?, text.get(range.end..)?)))
    else {
        return Cow::Borrowed(text);
    };
    let yaml = object_as_yaml(json);
    if yaml == json { Cow::Borrowed(text) } else { Cow::Owned([before, &yaml, behind].concat()) }
}

fn object_as_yaml(json: &str) -> String {
    let mut yaml = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((before, string)) = rest.find('"').and_then(|quote| rest.split_at_checked(quote)) {
        let (string, behind) = string.split_at_checked(json_text::length(string)).unwrap_or((string, ""));
        let gap = behind.get(..behind.len() - behind.trim_start().len()).unwrap_or("");
        let is_key = behind.trim_start().starts_with(':');
        yaml.push_str(before);
        let string = string_as_yaml(string);
        if is_key && string.len() + gap.len() > MAX_SIMPLE_KEY {
            yaml.push_str("? ");
        }
        yaml.push_str(&string);
        let has_break = is_key && gap.contains(['\n', '\r']);
        rest = if has_break { behind.trim_start() } else { behind };
    }
    yaml + rest
}

/// A text in double quotes, without the escapes that YAML 1.1 does not have, and with those that it needs.
fn string_as_yaml(string: &str) -> Cow<'_, str> {
    let is_odd =
        |char: char| matches!(char, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}');
    let has_escape = string.match_indices('\\').any(|(at, _)| {
        let escape = string.get(at + 1..).unwrap_or("");
        escape.starts_with('/') || ["ud", "uD"].iter().any(|half| escape.starts_with(half))
    });
    if !has_escape && !string.contains(is_odd) {
        return Cow::Borrowed(string);
    }
    let Some(quoted) = json_text::unescape(string).and_then(|text| serde_json::to_string(&text).ok()) else {
        return Cow::Borrowed(string);
    };
    let mut escaped = String::with_capacity(quoted.len());
    for char in quoted.chars() {
        if is_odd(char) {
            let code = format!("\\u{:04x}", u32::from(char));
            escaped.push_str(&code);
        } else {
            escaped.push(char);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// kubectl 1.37 reads the same in both, and nothing in the former behind a separator.
    #[test]
    fn what_is_no_yaml_is_written_otherwise() {
        for (json, yaml) in [
            (r#"{"a": "b\/c"} # d\/e"#, r#"{"a": "b/c"} # d\/e"#),
            (r#"{"a": "\ud83d\uDE00\n"}"#, r#"{"a": "😀\n"}"#),
            (r#"{"a": "\ud800", "b": "\uDfff\u00e9"}"#, "{\"a\": \"\u{fffd}\", \"b\": \"\u{fffd}é\"}"),
            (
                "{\"a\": \"\u{7f}\u{80} \u{2028} \u{ffff}\"}\n",
                "{\"a\": \"\\u007f\\u0080 \\u2028 \\uffff\"}\n",
            ),
            ("{\"a\"\n: 1.0, \"b\" : 1E2}", "{\"a\": 1.0, \"b\" : 1E2}"),
        ] {
            assert_eq!(json_as_yaml(json), yaml, "{json:?}");
        }
        let long = "k".repeat(MAX_SIMPLE_KEY - 1);
        assert_eq!(
            json_as_yaml(&format!("{{\"{long}\":[\"{long}\"]}}")),
            format!("{{? \"{long}\":[\"{long}\"]}}")
        );
    }

    #[test]
    fn all_else_stays_as_it_is() {
        let longest = "k".repeat(MAX_SIMPLE_KEY - 2);
        for text in [
            r#"{"a\\/b": "\\ud800", "c": "\"\u00e9"}"#,
            &format!("{{\"{longest}\": 1}}"),
            "a: b\\/c\n",
            "{a: 'it is \"b\\/c\"'}\n",
            "# {\"a\": \"b\\/c\"}\n",
            "",
        ] {
            assert!(matches!(json_as_yaml(text), Cow::Borrowed(_)), "{text:?}");
        }
    }
}
