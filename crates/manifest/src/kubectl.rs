//! Refuses line breaks, separators of documents and JSON that only kubectl recognises, and not this crate's parser, so that
//! nothing that kubectl applies stays unseen. tests.rs compares both.

use crate::error::ManifestError;
use crate::text::{column_number, line_number};

/// Refuses the characters that end a line in YAML 1.1, and so for go-yaml, but not in YAML 1.2; and spaces before JSON
/// that are none in YAML.
pub(crate) fn check_text(source: &str) -> Result<(), ManifestError> {
    if let Some((at, name)) = line_break(source) {
        return Err(refuse(
            source,
            at,
            format!(
                "{name} ends a line for kubectl, but not for every editor and parser; remove it, or write it in double \
                 quotes as an escape"
            ),
        ));
    }
    // Its `LineReader` takes the one before the line feed for a part of the line end, and go-yaml the other.
    if let Some(at) = source.find("\r\r\n") {
        return Err(refuse(
            source,
            at,
            "kubectl reads two carriage returns and a line feed as one line end; remove one".to_owned(),
        ));
    }
    // It cuts the text before it reads directives, so that they reach another document, or none.
    if let Some(at) = lines(source).find_map(|(at, line)| line.starts_with("%TAG").then_some(at)) {
        return Err(refuse(source, at, "%TAG is not supported; write the tags in full".to_owned()));
    }
    // `GuessJSONStream` of apimachinery skips every white space of Unicode.
    let json = source.trim_start();
    let before = source.get(..source.len() - json.len()).unwrap_or("");
    if json.starts_with('{') && before.contains(|char: char| !char.is_ascii_whitespace() || char == '\u{c}') {
        return Err(refuse(
            source,
            0,
            "only kubectl takes the characters before the brace for spaces; remove them".to_owned(),
        ));
    }
    Ok(())
}

/// Refuses a line at which kubectl ends a document (`YAMLReader` of apimachinery), although none of YAML's
/// `markers` is there.
pub(crate) fn check_separators(source: &str, markers: &[usize]) -> Result<(), ManifestError> {
    for (at, line) in lines(source) {
        let rest = line.strip_prefix("---").map(str::trim_start);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
            && markers.binary_search(&at).is_err()
        {
            return Err(refuse(
                source,
                at,
                "kubectl ends a document at this line, but YAML does not; write --- and nothing else"
                    .to_owned(),
            ));
        }
    }
    Ok(())
}

/// The lines of a text after its byte order mark, each with the byte at which it starts.
fn lines(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = source.trim_start_matches('\u{feff}');
    let mut next = source.len() - text.len();
    text.split_inclusive('\n').map(move |line| {
        let at = next;
        next += line.len();
        (at, line)
    })
}

/// The first of these characters, and its name.
fn line_break(source: &str) -> Option<(usize, &'static str)> {
    source.char_indices().find_map(|(at, char)| match char {
        '\u{85}' => Some((at, "U+0085 (next line)")),
        '\u{2028}' => Some((at, "U+2028 (line separator)")),
        '\u{2029}' => Some((at, "U+2029 (paragraph separator)")),
        _ => None,
    })
}

fn refuse(source: &str, at: usize, what: String) -> ManifestError {
    ManifestError::NotAsKubectl { line: line_number(source, at), column: column_number(source, at), what }
}
