//! All inputs as one stream, of which kubectl reads every object. kubectl reads a stream that begins with `{` as JSON up to the
//! first `---`, and of several JSON objects in a document of another stream, only one (`YAMLOrJSONDecoder` of
//! apimachinery).

use std::borrow::Cow;

use serde_json::Value;

use super::{
    prepare::Pieces,
    report::Report,
    stdout::{NotWritten, write},
};
use crate::cli::output::json_text;

const BOM: char = '\u{feff}';

#[derive(Default)]
pub(super) struct Stream {
    /// The first input, if it is JSON: how it is written depends on whether there is another one.
    held: Option<(Pieces, Report)>,
    written: Written,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Written {
    #[default]
    Nothing,
    WholeLines,
    /// The last line has no end yet.
    PartOfALine,
}

impl Stream {
    pub(super) fn take(&mut self, pieces: Pieces, report: Report, quiet: bool) -> Result<(), NotWritten> {
        let is_empty = pieces.texts().iter().all(std::string::String::is_empty);
        if !is_empty && self.written == Written::Nothing {
            let Some((first, first_report)) = self.held.take() else {
                if pieces.begins_with_brace() {
                    self.held = Some((pieces, report));
                    return Ok(());
                }
                return self.write(&pieces, &report, quiet);
            };
            write("---\n")?;
            self.written = Written::WholeLines;
            self.write_separated(first.texts(), false)?;
            first_report.print(quiet);
        }
        if !is_empty {
            self.write_separated(pieces.texts(), true)?;
        }
        report.print(quiet);
        Ok(())
    }

    /// The only input is written byte for byte.
    pub(super) fn finish(mut self, quiet: bool) -> Result<(), NotWritten> {
        match self.held.take() {
            Some((pieces, report)) => self.write(&pieces, &report, quiet),
            None => Ok(()),
        }
    }

    fn write(&mut self, pieces: &Pieces, report: &Report, quiet: bool) -> Result<(), NotWritten> {
        self.put(&pieces.texts().concat())?;
        report.print(quiet);
        Ok(())
    }

    fn put(&mut self, text: &str) -> Result<(), NotWritten> {
        write(text)?;
        if !text.is_empty() {
            self.written = if text.ends_with('\n') { Written::WholeLines } else { Written::PartOfALine };
        }
        Ok(())
    }

    /// Writes each text as a document, or as several.
    fn write_separated(&mut self, texts: &[String], is_separated: bool) -> Result<(), NotWritten> {
        for (index, text) in texts.iter().enumerate() {
            let text = text.trim_start_matches(BOM);
            if self.written == Written::PartOfALine {
                write("\n")?;
            }
            if index > 0 || is_separated {
                write(separator(text))?;
            }
            self.put(&yaml_of_json(text))?;
        }
        Ok(())
    }
}

impl Pieces {
    fn texts(&self) -> &[String] {
        match self {
            Self::Whole(text) => std::slice::from_ref(text),
            Self::Json(texts) => texts,
        }
    }

    fn begins_with_brace(&self) -> bool {
        let first = self.texts().first().map_or("", String::as_str);
        first.trim_start_matches(BOM).trim_start().starts_with('{')
    }
}

/// JSON as it is, unless `kubectl`, which reads YAML after a `---`, would not take it: escapes and characters that only JSON
/// has. Those objects are written anew.
fn yaml_of_json(text: &str) -> Cow<'_, str> {
    let is_json = text.trim_start().starts_with('{');
    let has_escape = || {
        let lower = text.to_ascii_lowercase();
        text.contains("\\/")
            || ["\\ud8", "\\ud9", "\\uda", "\\udb", "\\udc", "\\udd", "\\ude", "\\udf"]
                .iter()
                .any(|half| lower.contains(half))
    };
    let has_control = || text.contains(|char: char| matches!(char, '\u{7f}'..='\u{9f}'));
    let has_colon_below = || text.lines().any(|line| line.trim_start().starts_with(':'));
    if !is_json || !(has_escape() || has_control() || has_colon_below()) {
        return Cow::Borrowed(text);
    }
    serde_json::from_str::<Value>(text).map_or(Cow::Borrowed(text), |value| Cow::Owned(json_text(&value)))
}

/// What has to be before a text so that its first document is not a part of the one before it.
fn separator(text: &str) -> &'static str {
    let is_comment = |line: &&str| line.trim().is_empty() || line.starts_with('#');
    let first = text.lines().find(|line| !is_comment(line)).unwrap_or_default();
    let has_marker =
        text.strip_prefix("---").is_some_and(|rest| !rest.starts_with(|char: char| !char.is_whitespace()));
    match first {
        // A directive is one only after the end of the document before it.
        directive if directive.starts_with('%') => "...\n",
        _ if has_marker => "",
        _ => "---\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_that_is_no_yaml_is_written_anew() {
        for (text, expected) in [
            (r#"{"a": "b"}"#, r#"{"a": "b"}"#),
            (r#"{"a": "b\/c"}"#, "{\n  \"a\": \"b/c\"\n}\n"),
            (r#"{"a": "\ud83d\uDE00"}"#, "{\n  \"a\": \"😀\"\n}\n"),
            ("{\"a\": \"\u{7f}\"}", "{\n  \"a\": \"\\u007f\"\n}\n"),
            ("{\"a\"\n: 1}", "{\n  \"a\": 1\n}\n"),
            ("a: b\\/c\n", "a: b\\/c\n"),
        ] {
            assert_eq!(yaml_of_json(text), expected, "{text:?}");
        }
    }

    #[test]
    fn separators_depend_on_the_first_line() {
        for (text, expected) in [
            ("a: 1\n", "---\n"),
            ("---\na: 1\n", ""),
            ("--- # comment\na: 1\n", ""),
            ("---", ""),
            ("---a: 1\n", "---\n"),
            ("# comment\n---\na: 1\n", "---\n"),
            ("%YAML 1.1\n---\na: 1\n", "...\n"),
            ("# comment\n\n%YAML 1.1\n---\n", "...\n"),
            ("", "---\n"),
        ] {
            assert_eq!(separator(text), expected, "{text:?}");
        }
    }
}
