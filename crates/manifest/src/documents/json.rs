//! The JSON objects at the start of an input, one after the other: `YAMLOrJSONDecoder` of apimachinery reads an input that
//! begins with a brace so, and goes on with YAML at the first text that is no JSON.

use std::ops::Range;

use serde::de::IgnoredAny;

/// The JSON values at the start of a text.
pub(super) struct JsonValues {
    pub(super) ranges: Vec<Range<usize>>,
    pub(super) end: JsonEnd,
}

/// What is behind the last value.
pub(super) enum JsonEnd {
    /// Nothing but white space.
    Text,
    /// Something else, with the error of JSON about it.
    Other(JsonError),
}

/// An error of the JSON parser.
pub(super) struct JsonError {
    /// Line in the text.
    pub(super) line: usize,
    /// Column in that line.
    pub(super) column: usize,
    pub(super) message: String,
}

/// The JSON values that `source` begins with; `None` if it does not begin with a brace.
pub(super) fn json_values(source: &str) -> Option<JsonValues> {
    let json = source.trim_start_matches('\u{feff}');
    let offset = source.len() - json.len();
    if !json.trim_start().starts_with('{') {
        return None;
    }
    let mut ranges = Vec::new();
    let mut values = serde_json::Deserializer::from_str(json).into_iter::<IgnoredAny>();
    let mut end = 0;
    let end = loop {
        let rest = json.get(end..).unwrap_or("");
        let start = end + rest.len() - trim_start(rest).len();
        match values.next() {
            None => break JsonEnd::Text,
            Some(Ok(_)) => {
                end = values.byte_offset();
                ranges.push(start + offset..end + offset);
            }
            Some(Err(error)) => break JsonEnd::Other(JsonError::new(&error)),
        }
    };
    Some(JsonValues { ranges, end })
}

impl JsonError {
    fn new(error: &serde_json::Error) -> Self {
        let message = error.to_string();
        // Its position is in the fields.
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        Self { line: error.line(), column: error.column(), message }
    }
}

/// Whether a JSON value begins here that is no object.
pub(super) fn begins_other_value(rest: &str) -> bool {
    let number = rest.strip_prefix('-').unwrap_or(rest);
    number.starts_with(|first: char| first.is_ascii_digit())
        || rest.starts_with(['"', '['])
        || ["true", "false", "null"].iter().any(|word| rest.starts_with(word))
}

/// The text without the white space of JSON before it.
pub(super) fn trim_start(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\r', '\n'])
}
