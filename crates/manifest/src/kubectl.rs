//! Refuses line breaks, separators of documents and JSON that only kubectl recognises, and not this crate's parser, so that
//! nothing that kubectl applies stays unseen; tests.rs compares both. And finds what kubectl does not read.

use crate::error::ManifestError;
use crate::text::Cursor;

/// The characters that end a line in YAML 1.1, and so for go-yaml, but not in YAML 1.2.
const LINE_BREAKS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// Refuses what kubectl reads otherwise in `text`, a part of a YAML stream that starts at `start`, as the document
/// with the number `document`.
pub(crate) fn check_text(text: &str, start: Cursor<'_>, document: usize) -> Result<(), ManifestError> {
    let refuse = |at: usize, what: String| Err(refusal(start.forward_by(at), document, what));
    // Most texts have nothing of all this, which is quickly seen.
    if text.is_ascii() && !text.contains('\r') && !text.contains('%') {
        return Ok(());
    }
    if let Some(at) = text.find(LINE_BREAKS) {
        let name = match text.get(at..).and_then(|rest| rest.chars().next()) {
            Some('\u{85}') => "U+0085 (next line)",
            Some('\u{2028}') => "U+2028 (line separator)",
            _ => "U+2029 (paragraph separator)",
        };
        return refuse(
            at,
            format!(
                "{name} ends a line for kubectl, but not for every editor and parser; remove it, or write it in double \
                 quotes as an escape"
            ),
        );
    }
    // Its `LineReader` takes the one before the line feed for a part of the line end, and go-yaml the other.
    if let Some(at) = text.find("\r\r\n") {
        return refuse(
            at,
            "kubectl reads two carriage returns and a line feed as one line end; remove one".to_owned(),
        );
    }
    // A line end for YAML, but not for its `LineReader`: what is behind it is another document, and dropped.
    if let Some(at) = ["\r---", "\r..."].iter().find_map(|mark| text.find(mark)) {
        return refuse(
            at,
            "kubectl reads a carriage return without a line feed as no line end; write a line feed"
                .to_owned(),
        );
    }
    // It cuts the text before it reads directives, so that they reach another document, or none.
    let is_first = |at: &usize| {
        text.get(..*at).is_some_and(|before| {
            before.trim_end_matches('\u{feff}').is_empty()
                || before.trim_end_matches('\u{feff}').ends_with('\n')
        })
    };
    if let Some(at) = text.match_indices("%TAG").map(|(at, _)| at).find(is_first) {
        return refuse(at, "%TAG is not supported; write the tags in full".to_owned());
    }
    Ok(())
}

/// Refuses characters before or behind JSON that only `GuessJSONStream` and `consumeWhitespace` of apimachinery take for
/// spaces, which are all of Unicode; `space` is what they skip.
pub(crate) fn check_space(space: &str, start: Cursor<'_>, document: usize) -> Result<(), ManifestError> {
    match space.find(|char: char| !char.is_ascii_whitespace() || char == '\u{c}') {
        Some(_) => Err(refusal(
            start,
            document,
            "only kubectl takes the characters before the brace for spaces; remove them".to_owned(),
        )),
        None => Ok(()),
    }
}

/// The refusal of a line at which kubectl ends a document (`YAMLReader` of apimachinery), although YAML has no marker there.
pub(crate) fn hidden_separator(line: Cursor<'_>, document: usize) -> ManifestError {
    let what = "kubectl ends a document at this line, but YAML does not; write --- and nothing else";
    refusal(line, document, what.to_owned())
}

/// The refusal of an object after another one, without `---` between them: kubectl skips it, or ends there.
pub(crate) fn unseparated(object: Cursor<'_>, document: usize) -> ManifestError {
    let what = "kubectl does not read this after the object before it; write --- between them";
    refusal(object, document, what.to_owned())
}

const REFUSED: &str = "kubectl refuses a line with text after ---, and reads neither the document before it nor any after it; \
                       write --- alone, and the text on the next line";

const BEHIND_ANOTHER: &str = "kubectl does not read this document: of those between two lines --- it reads the first one only; \
                              write --- before it";

/// Why kubectl does not read a document, and so does not apply its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRead {
    /// Line (from 1) in the input.
    pub line: usize,
    /// Column (from 1, in characters) in that line.
    pub column: usize,
    /// What kubectl does, and the remedy.
    pub what: &'static str,
}

impl NotRead {
    fn at(place: Cursor<'_>, what: &'static str) -> Self {
        Self { line: place.line, column: place.column, what }
    }
}

/// A YAML stream as `YAMLReader` of apimachinery cuts it: of each part only the first document is read.
pub(crate) struct Parts {
    /// First bytes of the parts.
    starts: Vec<usize>,
    /// The line that it refuses. Nothing from the last part on is read then.
    refused: Option<NotRead>,
    /// The part of the document before.
    last: Option<usize>,
}

impl Parts {
    /// The parts of the stream `source.get(from..)`.
    pub(crate) fn new(source: &str, from: usize) -> Self {
        let mut parts = Self { starts: vec![from], refused: None, last: None };
        let (mut at, mut is_empty) = (from, true);
        for line in source.get(from..).unwrap_or("").split_inclusive('\n') {
            let next = at + line.len();
            // It takes away the mark that a file begins with.
            let line = if at == 0 { line.trim_start_matches('\u{feff}') } else { line };
            match line.strip_prefix("---").map(str::trim_start) {
                Some(rest) if !(rest.is_empty() || rest.starts_with('#')) => {
                    parts.refused = Some(NotRead::at(Cursor::new(source).forward(at), REFUSED));
                    break;
                }
                Some(_) if !is_empty => {
                    parts.starts.push(next);
                    is_empty = true;
                }
                _ => is_empty = false,
            }
            at = next;
        }
        parts
    }

    /// Why kubectl does not read the next document, whose text is from the byte `start` on; `cursor` is before it.
    pub(crate) fn not_read(&mut self, source: &str, start: usize, cursor: Cursor<'_>) -> Option<NotRead> {
        let count = self.starts.partition_point(|part| *part <= start);
        let part = self.starts.get(count.saturating_sub(1)).copied().unwrap_or(start);
        let is_first = self.last.replace(part) != Some(part);
        if count == self.starts.len() && self.refused.is_some() {
            return self.refused.clone();
        }
        let mut lines = source.get(part..start).unwrap_or("").lines();
        let is_end = |line: &str| {
            let rest = line.trim_start_matches('\u{feff}').strip_prefix("...");
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r']))
        };
        if is_first && !lines.any(is_end) {
            return None;
        }
        Some(NotRead::at(cursor.forward(start), BEHIND_ANOTHER))
    }
}

fn refusal(place: Cursor<'_>, document: usize, what: String) -> ManifestError {
    ManifestError::NotAsKubectl { document, line: place.line, column: place.column, what }
}
