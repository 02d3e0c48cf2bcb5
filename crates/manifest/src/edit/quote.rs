//! Writes scalars so that they are read back as the very same values.

use std::fmt::Write as _;

use serde_json::Value;

use super::written::{Copied, Written};
use crate::scalar as yaml_scalar;
use crate::text::is_printable;
use crate::tree::Style;

/// How to quote a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quote {
    /// As JSON does.
    Double,
    Single,
    /// Double, unless that would need escapes.
    Readable,
}

impl From<Style> for Quote {
    /// The quotes for a value that replaces one of this style.
    fn from(style: Style) -> Self {
        match style {
            Style::SingleQuoted => Self::Single,
            Style::DoubleQuoted => Self::Double,
            Style::Plain | Style::Block => Self::Readable,
        }
    }
}

/// A string in quotes, or any other value without parts.
pub(super) fn scalar(value: &Written<'_>, quote: Quote) -> String {
    match value {
        Written::Scalar(Value::String(text)) => quoted(text, quote),
        Written::Scalar(other) => other.to_string(),
        Written::Copy(copied) => scalar(&Written::Scalar(copied.value), quote),
        Written::List(_) => "[]".to_owned(),
        Written::Mapping(_) => "{}".to_owned(),
    }
}

/// As [`scalar`], but without quotes if YAML needs none.
pub(super) fn scalar_or_plain(value: &Written<'_>) -> String {
    match value {
        Written::Scalar(Value::String(text)) | Written::Copy(Copied { value: Value::String(text), .. }) => {
            plain(text)
        }
        other => scalar(other, Quote::Double),
    }
}

pub(super) fn plain(text: &str) -> String {
    if yaml_scalar::is_plain_string(text) { text.to_owned() } else { quoted(text, Quote::Readable) }
}

pub(super) fn quoted(text: &str, quote: Quote) -> String {
    let single = match quote {
        Quote::Double => false,
        Quote::Single => true,
        Quote::Readable => text.contains(['"', '\\']),
    };
    if single && text.chars().all(is_printable) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut result = String::with_capacity(text.len() + 2);
    result.push('"');
    for char in text.chars() {
        match char {
            '"' => result.push_str("\\\""),
            '\\' => result.push_str("\\\\"),
            '\n' => result.push_str("\\n"),
            '\t' => result.push_str("\\t"),
            '\r' => result.push_str("\\r"),
            char if is_printable(char) => result.push(char),
            // Everything that is not printable is below U+10000. Writing to a String cannot fail.
            char => _ = write!(result, "\\u{:04x}", u32::from(char)),
        }
    }
    result.push('"');
    result
}
