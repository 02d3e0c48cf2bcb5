//! Refuses line breaks, separators of documents and JSON that only kubectl recognises, and not this crate's parser, so that
//! nothing that kubectl applies stays unseen. tests.rs compares both.

use crate::error::ManifestError;
use crate::text::Cursor;

/// The characters that end a line in YAML 1.1, and so for go-yaml, but not in YAML 1.2.
const LINE_BREAKS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// Refuses what kubectl reads otherwise in `text`, a part of a YAML stream that starts at `start`, as the document
/// with the number `document`.
pub(crate) fn check_text(text: &str, start: Cursor<'_>, document: usize) -> Result<(), ManifestError> {
    let refuse = |at: usize, what: String| Err(refusal(start.forward_by(at), document, what));
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

fn refusal(place: Cursor<'_>, document: usize, what: String) -> ManifestError {
    ManifestError::NotAsKubectl { document, line: place.line, column: place.column, what }
}
