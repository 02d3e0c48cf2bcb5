//! The texts of warnings within the limits of the API server.

use std::borrow::Cow;

use crate::{
    quote::{shorten_quoted, start},
    warning::Warning,
};

/// Maximum length of all warnings of a request together that the API server passes on whole, in characters. If there are
/// more, it cuts each to [`MAX_CUT_WARNING_CHARS`] (`truncateAtTotalRunes` and `truncateItemRunes` of
/// `k8s.io/apiserver/pkg/endpoints/filters/warning.go`).
const MAX_WARNINGS_CHARS: usize = 4 * 1024;
const MAX_CUT_WARNING_CHARS: usize = 256;
/// The texts of the warnings, as the API server passes them on: whole, unless all of them together exceed
/// 4,096 characters. Then each is shortened to 256, and those that exceed the total are left out.
#[must_use]
pub fn warning_texts(warnings: &[Warning]) -> Vec<Cow<'_, str>> {
    let texts = || warnings.iter().map(|warning| &*warning.text);
    if texts().map(|text| text.chars().count()).sum::<usize>() <= MAX_WARNINGS_CHARS {
        return texts().map(Cow::Borrowed).collect();
    }
    let mut total = 0;
    let is_within = |text: &Cow<'_, str>| {
        total += text.chars().count();
        total <= MAX_WARNINGS_CHARS
    };
    texts().map(shorten).take_while(is_within).collect()
}

/// A warning within [`MAX_CUT_WARNING_CHARS`]. The advice is at its end, so that quoted names and values are shortened
/// first.
fn shorten(text: &str) -> Cow<'_, str> {
    /// Characters of each quoted name or value, of which the second leaves room for every sentence of this program.
    const SHORTENED_QUOTE_CHARS: [usize; 2] = [40, 20];
    let fits = |text: &str| text.chars().count() <= MAX_CUT_WARNING_CHARS;
    if fits(text) {
        return Cow::Borrowed(text);
    }
    let [long, short] = SHORTENED_QUOTE_CHARS.map(|max| shorten_quoted(text, max));
    if fits(&long) {
        Cow::Owned(long)
    } else if fits(&short) {
        Cow::Owned(short)
    } else {
        Cow::Owned(start(&short, MAX_CUT_WARNING_CHARS - 1).to_owned() + "…")
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_anything_to_shorten_ends_with_an_ellipsis() {
        assert_eq!(shorten(&"ä".repeat(257)), "ä".repeat(255) + "…");
        assert_eq!(shorten(&"ä".repeat(256)), "ä".repeat(256));
    }

    #[test]
    fn quoted_texts_are_shortened_as_little_as_is_enough() {
        let text = |name: &str| format!("container {name:?}: {}", "x".repeat(200));
        assert_eq!(
            shorten(&text(&"n".repeat(63))),
            text("n")
                .replace("\"n\"", &format!("\"{}…\"", "n".repeat(40)))
                .chars()
                .take(256)
                .collect::<String>()
        );
        // An escaped quote does not end the text.
        assert_eq!(shorten_quoted(r#"a "1\"3456" b"#, 4), r#"a "1\"3…" b"#);
    }
}
