//! The bytes of a manifest as text, and back: UTF-8, and UTF-16 with a byte order mark, as `kubectl` reads them
//! (`unicode.BOMOverride` in `visitor.go` of cli-runtime). It replaces bytes that are not UTF-8; here they are an error.

use std::{borrow::Cow, iter};

use thiserror::Error;

/// The encoding of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) enum Encoding {
    /// The byte order mark, if there is one, is part of the text.
    #[default]
    Utf8,
    /// Little-endian, as the `>` of `PowerShell` 5 writes it; the byte order mark is not part of the text.
    Utf16Le,
    /// Big-endian.
    Utf16Be,
}

impl Encoding {
    /// The bytes of `text` in this encoding; those of UTF-16 begin with a byte order mark.
    pub(in crate::cli) fn encode(self, text: &str) -> Cow<'_, [u8]> {
        let utf16 = |bytes: fn(u16) -> [u8; 2]| {
            iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect::<Vec<u8>>()
        };
        match self {
            Self::Utf8 => Cow::Borrowed(text.as_bytes()),
            Self::Utf16Le => Cow::Owned(utf16(u16::to_le_bytes)),
            Self::Utf16Be => Cow::Owned(utf16(u16::to_be_bytes)),
        }
    }

    /// The number of two bytes.
    fn unit(self, bytes: [u8; 2]) -> u16 {
        if self == Self::Utf16Be { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    /// Its name for iconv(1).
    const fn iconv_name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16LE",
            Self::Utf16Be => "UTF-16BE",
        }
    }
}

/// Bytes that are no text.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{problem}")]
pub(in crate::cli) struct TextError {
    problem: TextProblem,
    /// Whether the bytes, as far as they can be read, are a manifest that `kubectl` might apply.
    pub(super) looks_like_manifest: bool,
}

#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
enum TextProblem {
    /// Bytes and lines count from 1.
    #[error("it is not UTF-8: byte {byte}, in line {line}, is 0x{value:02X}")]
    NotUtf8 { byte: usize, line: usize, value: u8 },
    #[error("it is a binary file: byte {byte}, in line {line}, is 0x00")]
    Binary { byte: usize, line: usize },
    #[error("it is UTF-16 without a byte order mark")]
    NoByteOrderMark(Encoding),
    #[error("it is UTF-16, and ends or has half of a character at byte {byte}")]
    NotUtf16 { byte: usize },
    #[error("it is UTF-32")]
    Utf32,
}

impl TextError {
    /// The encoding from which iconv(1) would convert it; `None` if it is no text.
    pub(super) const fn convertible_from(&self) -> Option<&'static str> {
        match self.problem {
            // Not known, but the most frequent one of old files; ISO-8859-1 is a part of it.
            TextProblem::NotUtf8 { .. } => Some("WINDOWS-1252"),
            TextProblem::NoByteOrderMark(encoding) => Some(encoding.iconv_name()),
            TextProblem::Utf32 => Some("UTF-32"),
            TextProblem::Binary { .. } | TextProblem::NotUtf16 { .. } => None,
        }
    }
}

/// The text of `bytes`.
///
/// # Errors
///
/// If they are not in one of the encodings, or if they have a NUL, which neither YAML nor JSON may have.
pub(super) fn decode(bytes: Vec<u8>) -> Result<(String, Encoding), TextError> {
    let encoding = match *bytes.as_slice() {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Err(error(TextProblem::Utf32, &bytes)),
        [0xff, 0xfe, ..] => Encoding::Utf16Le,
        [0xfe, 0xff, ..] => Encoding::Utf16Be,
        _ => Encoding::Utf8,
    };
    if encoding != Encoding::Utf8 {
        let text = from_utf16(bytes.get(2..).unwrap_or_default(), encoding);
        return text.map(|text| (text, encoding)).map_err(|problem| error(problem, &bytes));
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let problem = without_byte_order_mark(&bytes).map_or(
            TextProblem::Binary { byte: at + 1, line: line(&bytes, at) },
            TextProblem::NoByteOrderMark,
        );
        return Err(error(problem, &bytes));
    }
    String::from_utf8(bytes).map(|text| (text, encoding)).map_err(|not_utf8| {
        let at = not_utf8.utf8_error().valid_up_to();
        let bytes = not_utf8.as_bytes();
        let value = bytes.get(at).copied().unwrap_or_default();
        error(TextProblem::NotUtf8 { byte: at + 1, line: line(bytes, at), value }, bytes)
    })
}

fn error(problem: TextProblem, bytes: &[u8]) -> TextError {
    let visible: Vec<u8> = bytes.iter().copied().filter(|byte| !matches!(byte, 0 | 0xfe | 0xff)).collect();
    TextError { problem, looks_like_manifest: looks_like_manifest(&String::from_utf8_lossy(&visible)) }
}

/// The number of the line of the byte at `at`, from 1.
fn line(bytes: &[u8], at: usize) -> usize {
    bytes.iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

fn from_utf16(bytes: &[u8], encoding: Encoding) -> Result<String, TextProblem> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    // Position behind the byte order mark.
    let mut at = 2;
    for character in char::decode_utf16(pairs.iter().map(|pair| encoding.unit(*pair))) {
        let character = character.map_err(|_| TextProblem::NotUtf16 { byte: at + 1 })?;
        at += 2 * character.len_utf16();
        if character == '\0' {
            return Err(TextProblem::Binary { byte: at - 1, line: line(text.as_bytes(), text.len()) });
        }
        text.push(character);
    }
    if rest.is_empty() { Ok(text) } else { Err(TextProblem::NotUtf16 { byte: at + 1 }) }
}

/// Whether the beginning is UTF-16: in each of up to 32 pairs one and the same byte is NUL, and the other is not.
fn without_byte_order_mark(bytes: &[u8]) -> Option<Encoding> {
    let pairs = || bytes.as_chunks::<2>().0.iter().take(32);
    if pairs().len() == 0 {
        None
    } else if pairs().all(|[first, second]| *first != 0 && *second == 0) {
        Some(Encoding::Utf16Le)
    } else if pairs().all(|[first, second]| *first == 0 && *second != 0) {
        Some(Encoding::Utf16Be)
    } else {
        None
    }
}

/// Whether a text, readable or not, has the two keys of every object of Kubernetes: at the beginning of a line, or in a
/// mapping between braces.
pub(in crate::cli) fn looks_like_manifest(text: &str) -> bool {
    has_key(text, "apiVersion") && has_key(text, "kind")
}

fn has_key(text: &str, key: &str) -> bool {
    text.match_indices(key).any(|(at, _)| {
        let (before, rest) = text.split_at(at);
        let after = rest.strip_prefix(key).unwrap_or_default();
        let quote = before.chars().next_back().filter(|c| matches!(c, '"' | '\''));
        let before = quote.map_or(before, |quote| before.strip_suffix(quote).unwrap_or(before));
        let after = match quote {
            Some(quote) => after.strip_prefix(quote),
            None => Some(after),
        };
        let is_left = before.is_empty() || before.ends_with(['\n', '\r', '\u{feff}']);
        (is_left || before.trim_end().ends_with(['{', ',']))
            && after.is_some_and(|after| after.trim_start().starts_with(':'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MANIFEST: &str = "apiVersion: v1\nkind: Pod\n# größer 🙂\n";

    #[test]
    fn texts_of_each_encoding_are_read_and_written_back() {
        for encoding in [Encoding::Utf8, Encoding::Utf16Le, Encoding::Utf16Be] {
            for text in ["", "a", MANIFEST, "\r\n\t", "\u{ffff}\u{10ffff}"] {
                let bytes = encoding.encode(text).into_owned();
                assert_eq!(decode(bytes).unwrap(), (text.to_owned(), encoding));
            }
        }
        // The byte order mark of UTF-8 is text, so that a file that nothing changes in stays as it is.
        let text = format!("\u{feff}{MANIFEST}");
        assert_eq!(decode(text.clone().into_bytes()).unwrap(), (text, Encoding::Utf8));
    }

    #[test]
    fn what_is_no_text_has_its_byte_and_line() {
        let utf16 = |text: &str| Encoding::Utf16Le.encode(text).into_owned();
        for (bytes, expected, from) in [
            (
                b"a: 1\nb: \xe9t\xe9\n".to_vec(),
                "it is not UTF-8: byte 9, in line 2, is 0xE9",
                Some("WINDOWS-1252"),
            ),
            // Cut off in the middle of a character.
            (b"a: \xc3".to_vec(), "it is not UTF-8: byte 4, in line 1, is 0xC3", Some("WINDOWS-1252")),
            (b"\x7fELF\x02\x01\x01\0".to_vec(), "it is a binary file: byte 8, in line 1, is 0x00", None),
            (b"a\n\0".to_vec(), "it is a binary file: byte 3, in line 2, is 0x00", None),
            (b"\0".to_vec(), "it is a binary file: byte 1, in line 1, is 0x00", None),
            (utf16("a: 1\n")[2..].to_vec(), "it is UTF-16 without a byte order mark", Some("UTF-16LE")),
            (b"\0a\0:\0 \x001".to_vec(), "it is UTF-16 without a byte order mark", Some("UTF-16BE")),
            (b"\xff\xfe\0\0a\0\0\0".to_vec(), "it is UTF-32", Some("UTF-32")),
            (b"\0\0\xfe\xff\0\0\0a".to_vec(), "it is UTF-32", Some("UTF-32")),
            (b"\xff\xfea\0b".to_vec(), "it is UTF-16, and ends or has half of a character at byte 5", None),
            (
                b"\xff\xfea\0\0\xd8b\0".to_vec(),
                "it is UTF-16, and ends or has half of a character at byte 5",
                None,
            ),
            (b"\xfe\xff\0a\0\n\0\0".to_vec(), "it is a binary file: byte 7, in line 2, is 0x00", None),
        ] {
            let error = decode(bytes).unwrap_err();
            assert_eq!((&*error.to_string(), error.convertible_from()), (expected, from));
        }
    }

    #[test]
    fn manifests_are_recognised_whatever_their_encoding() {
        let latin = b"apiVersion: v1\nkind: Pod # gr\xf6\xdfer\n".to_vec();
        let bare = Encoding::Utf16Be.encode("apiVersion: v1\nkind: Pod\n").into_owned()[2..].to_vec();
        for bytes in [latin, bare] {
            assert!(decode(bytes).unwrap_err().looks_like_manifest);
        }
        assert!(!decode(b"PK\x03\x04\0apiVersion\0kind".to_vec()).unwrap_err().looks_like_manifest);

        for (text, expected) in [
            (MANIFEST, true),
            ("\u{feff}kind: Pod\napiVersion : v1", true),
            ("\"apiVersion\": v1\r\n'kind': Pod\r\n", true),
            ("{\"kind\": \"Pod\",\n \"apiVersion\"\n: \"v1\"", true),
            ("--- {apiVersion: v1, kind: Pod}", true),
            ("spec:\n  apiVersion: v1\n  kind: Pod\n", false),
            ("apiVersion: v1\n# kind: Pod\n", false),
            ("apiVersions: v1\nkind: Pod\n", false),
            ("'apiVersion\": v1\nkind: Pod\n", false),
            ("the apiVersion: and the kind: of", false),
            ("", false),
        ] {
            assert_eq!(looks_like_manifest(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_survives(text in "[^\0]*", big in any::<bool>()) {
            let encoding = if big { Encoding::Utf16Be } else { Encoding::Utf16Le };
            let bytes = encoding.encode(&text).into_owned();
            prop_assert_eq!(decode(bytes).unwrap(), (text, encoding));
        }

        /// Whatever is read is what was in the file.
        #[test]
        fn no_bytes_are_invented(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok((text, encoding)) = decode(bytes.clone()) {
                prop_assert_eq!(encoding.encode(&text).into_owned(), bytes);
            }
        }
    }
}
