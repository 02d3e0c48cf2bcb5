//! All inputs as one stream, of which kubectl reads every object. kubectl reads a stream that begins with `{` as JSON up to the
//! first `---`, and of several JSON objects in a document of another stream, only one (`YAMLOrJSONDecoder` of
//! apimachinery).

use gomemlimit_manifest::json_as_yaml;

use super::{
    prepare::Pieces,
    report::Report,
    stdout::{NotWritten, write},
};

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
            self.put(&json_as_yaml(text))?;
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
