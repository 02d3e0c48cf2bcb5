//! JSON objects as YAML, for `-o yaml`. Whatever YAML 1.1 might take for something else is in double quotes.

use std::fmt::Write as _;

use serde_json::Value;

/// Texts that are flags or nothing in YAML 1.1, whatever their case.
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// Maximum length of a key on one line with its value, in bytes (YAML 1.2, 7.4: 1,024 characters).
const MAX_KEY_BYTES: usize = 1000;

/// The value as a document, in block style, with its last line end.
pub(super) fn text(value: &Value) -> String {
    let mut text = String::new();
    write_block(value, 0, &mut text);
    text
}

/// Writes a value from the place where its line begins.
fn write_block(value: &Value, indent: usize, text: &mut String) {
    let spaces = " ".repeat(indent);
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (index, (key, value)) in entries.iter().enumerate() {
                // The first entry is after the dash of its item.
                if index > 0 {
                    *text += &spaces;
                }
                let key = scalar(key);
                if key.len() > MAX_KEY_BYTES {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "? {key}\n{spaces}:");
                } else {
                    let _ = write!(text, "{key}:");
                }
                write_after_key(value, indent, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    *text += &spaces;
                }
                *text += "- ";
                write_block(item, indent + 2, text);
            }
        }
        Value::String(string) => _ = writeln!(text, "{}", scalar(string)),
        // Empty lists and objects, too, are written as in JSON.
        other => _ = writeln!(text, "{other}"),
    }
}

fn write_after_key(value: &Value, indent: usize, text: &mut String) {
    let (is_nested, by) = match value {
        Value::Object(entries) => (!entries.is_empty(), 2),
        Value::Array(items) => (!items.is_empty(), 0),
        _ => (false, 0),
    };
    if is_nested {
        text.push('\n');
        *text += &" ".repeat(indent + by);
    } else {
        text.push(' ');
    }
    write_block(value, indent + by, text);
}

fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|char: char| char.is_ascii_alphabetic() || char == '/')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./:-".contains(&byte))
        && !text.ends_with(':')
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_plain {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    for char in Value::from(text).to_string().chars() {
        match char {
            // Not printable in YAML, or a line end.
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(char));
            }
            char => quoted.push(char),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use gomemlimit_manifest::{AliasBudget, read};
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_become_blocks() {
        let value = json!({"kind": "Pod", "metadata": {"name": "p", "labels": {}, "a/b": "yes"}, "spec": {
            "containers": [{"name": "a", "args": ["8080", "-v", "a: b", "x:"], "env": []}, {"name": "b"}], "n": [[1, 2], [null]]}});
        let expected = "\
kind: Pod
metadata:
  a/b: \"yes\"
  labels: {}
  name: p
spec:
  containers:
  - args:
    - \"8080\"
    - \"-v\"
    - \"a: b\"
    - \"x:\"
    env: []
    name: a
  - name: b
  \"n\":
  - - 1
    - 2
  - - null
";
        let text = text(&value);
        let mut lines: Vec<_> = text.lines().collect();
        let mut wanted: Vec<_> = expected.lines().collect();
        // Whatever the order of keys.
        lines.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(lines, wanted, "{text}");
    }

    #[test]
    fn every_text_is_read_back() {
        let long = "k".repeat(2000);
        for string in [
            "",
            " ",
            "y",
            "No",
            "~",
            "null",
            "0x10",
            "012",
            "1_000",
            "1e3",
            ".inf",
            "=",
            "<<",
            "- a",
            "a\n b\n",
            "\u{7f}\u{85}\u{2028}\u{feff}",
            "é漢🙂\u{e0041}",
            "'\"\\",
            "#a",
            "a #b",
            "%YAML",
            "---",
            "2001-01-01",
            "12:30:45",
            "{a}",
            "@a",
            "/var/run:ro",
            "a:b",
            &long,
        ] {
            let value = json!({"a": [string, {string: {string: string}}]});
            let text = text(&value);
            let document = read(&text, &mut AliasBudget::default()).remove(0).unwrap();
            assert_eq!(document.value, value, "{text}");
        }
    }
}
