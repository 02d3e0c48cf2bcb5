//! Patterns in which `*` matches any text and `?` one character.
//!
//! Not those of a shell: image names have slashes, and `*` crosses them as people expect who write
//! `*/prometheus:v3.*`. That is a dozen lines, and saves the core a dependency.

use std::cell::Cell;

use serde::{Deserialize, Deserializer, de::Error as _};
use thiserror::Error;

/// Maximum size of an argument that patterns are compared with, in bytes. A longer one matches nothing.
pub(crate) const MAX_ARGUMENT: usize = 4096;

/// Maximum size of any other text, in bytes. A longer one matches nothing. Names have up to 253 bytes (RFC 1123), an
/// image has up to 456: a name of 255, a tag of 128 and a digest of 71 (distribution, `reference.go`).
pub(crate) const MAX_TEXT: usize = 512;

/// Maximum size of a pattern, in bytes.
const MAX_PATTERN: usize = 512;

/// One pattern; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob {
    pattern: String,
    /// Number of `?`.
    questions: usize,
}

/// The problem of a pattern.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum GlobError {
    #[error("a pattern is empty; `*` matches everything")]
    Empty,
    #[error("a pattern is longer than {MAX_PATTERN} bytes or has control characters")]
    Unusable,
}

impl Glob {
    pub(crate) fn new(pattern: &str) -> Result<Self, GlobError> {
        if pattern.is_empty() {
            return Err(GlobError::Empty);
        }
        if pattern.len() > MAX_PATTERN || pattern.contains(char::is_control) {
            return Err(GlobError::Unusable);
        }
        Ok(Self { pattern: pattern.to_owned(), questions: pattern.matches('?').count() })
    }

    /// Size of the pattern in bytes.
    pub(crate) fn len(&self) -> usize {
        self.pattern.len()
    }

    /// Whether the whole of a name, an image or another short text fits; no, if `work` does not allow to find out.
    pub(crate) fn matches(&self, text: &str, work: &Work) -> bool {
        text.len() <= MAX_TEXT && self.compare(text, work)
    }

    /// The same for an argument.
    pub(crate) fn matches_argument(&self, text: &str, work: &Work) -> bool {
        text.len() <= MAX_ARGUMENT && self.compare(text, work)
    }

    fn compare(&self, text: &str, work: &Work) -> bool {
        work.take(self.cost(text)) && matches(&self.pattern, text)
    }

    /// Both are gone through once. A part with `?` is tried at every character; comparing takes 16 bytes at a time.
    fn cost(&self, text: &str) -> usize {
        let (pattern, text) = (self.pattern.len(), text.len());
        let tries = if self.questions == 0 { 0 } else { text * (self.questions + pattern / 16) };
        Work::MATCH + pattern + text + tries
    }
}

/// The budget for comparing patterns with one pod, in bytes that are looked at. Users control both the policy file and
/// the pod, and the cost is the product of their sizes.
#[derive(Debug)]
pub(crate) struct Work {
    left: Cell<usize>,
    was_enough: Cell<bool>,
}

impl Work {
    /// For one pod: 30 times what 500 patterns of 30 bytes take for 10 containers with images of 80.
    const MAX: usize = 16 << 20;
    /// Of a comparison besides its bytes.
    const MATCH: usize = 16;

    pub(crate) fn new() -> Self {
        Self { left: Cell::new(Self::MAX), was_enough: Cell::new(true) }
    }

    /// Whether there is so much left, which is then taken.
    pub(crate) fn take(&self, cost: usize) -> bool {
        match self.left.get().checked_sub(cost) {
            Some(left) => self.left.set(left),
            None => self.was_enough.set(false),
        }
        self.was_enough.get()
    }

    /// Whether nothing was left out.
    pub(crate) fn was_enough(&self) -> bool {
        self.was_enough.get()
    }
}

/// Each part between two stars is searched from the end of the part before it: a text that fits at all fits with the
/// first match of each. So the time is that of searching the text once.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return after(pattern, text) == Some("") };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let mut parts = middle.split('*').filter(|part| !part.is_empty());
    let left = after(start, text).and_then(|text| before(end, text));
    left.and_then(|text| parts.try_fold(text, |text, part| after_first(part, text))).is_some()
}

/// The text after a part without stars at the start of the text.
fn after<'t>(part: &str, text: &'t str) -> Option<&'t str> {
    let mut pieces = part.split('?');
    let rest = text.strip_prefix(pieces.next().unwrap_or_default())?;
    pieces.try_fold(rest, |rest, piece| {
        let mut one = rest.chars();
        one.next()?;
        one.as_str().strip_prefix(piece)
    })
}

/// The text before a part without stars at the end of the text.
fn before<'t>(part: &str, text: &'t str) -> Option<&'t str> {
    if !part.contains('?') {
        return text.strip_suffix(part);
    }
    let at = text.char_indices().rev().nth(part.chars().count().checked_sub(1)?).map(|(at, _)| at)?;
    let (rest, end) = text.split_at_checked(at)?;
    after(part, end)?.is_empty().then_some(rest)
}

/// The text after the first match of a part without stars.
fn after_first<'t>(part: &str, text: &'t str) -> Option<&'t str> {
    if !part.contains('?') {
        return text.split_once(part).map(|(_, rest)| rest);
    }
    text.char_indices().find_map(|(at, _)| after(part, text.get(at..)?))
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("shop", "shop", true)]
    #[case("shop", "shops", false)]
    #[case("team-*", "team-", true)]
    #[case("team-*", "team-a-b", true)]
    #[case("team-*", "a-team-b", false)]
    #[case("*", "", true)]
    #[case("?", "", false)]
    #[case("?", "ö", true)]
    #[case("*/prometheus:v3.*", "quay.io/prometheus/prometheus:v3.5.0", true)]
    #[case("*/prometheus:v3.*", "quay.io/prometheus/prometheus:v30.5.0", false)]
    #[case("*/prometheus:v3.*", "prometheus:v3.5.0", false)]
    #[case("v1.??.*", "v1.12.0", true)]
    #[case("v1.??.*", "v1.2.0", false)]
    #[case("*aab", "aaaaaab", true)]
    #[case("a*b*c", "a-b-b-d", false)]
    #[case("**", "anything", true)]
    fn patterns(#[case] pattern: &str, #[case] text: &str, #[case] wanted: bool) {
        assert_eq!(Glob::new(pattern).unwrap().matches(text, &Work::new()), wanted);
    }

    /// The rule, written down a second time.
    fn by_recursion(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', rest @ ..], _) => {
                by_recursion(rest, text) || (!text.is_empty() && by_recursion(pattern, &text[1..]))
            }
            (['?', rest @ ..], [_, others @ ..]) => by_recursion(rest, others),
            ([wanted, rest @ ..], [found, others @ ..]) => wanted == found && by_recursion(rest, others),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn as_the_rule_says(pattern in "[abö*?]{1,8}", text in "[abö]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let wanted = by_recursion(&chars(&pattern), &chars(&text));
            prop_assert_eq!(Glob::new(&pattern).unwrap().matches(&text, &Work::new()), wanted);
        }
    }

    #[test]
    fn a_long_text_matches_nothing() {
        let (all, work) = (Glob::new("*").unwrap(), Work::new());
        assert!(all.matches(&"a".repeat(MAX_TEXT), &work) && !all.matches(&"a".repeat(MAX_TEXT + 1), &work));
        let longer = "a".repeat(MAX_ARGUMENT + 1);
        assert!(all.matches_argument(&longer[1..], &work) && !all.matches_argument(&longer, &work));
    }

    #[test]
    fn when_the_work_is_used_up_nothing_matches() {
        let (glob, work) = (Glob::new(&format!("*{}b", "?a".repeat(255))).unwrap(), Work::new());
        let (all, text) = (Glob::new("*").unwrap(), "a".repeat(MAX_TEXT));
        let tries = (1..).take_while(|_| {
            assert!(!glob.matches(&text, &work));
            work.was_enough()
        });
        assert!((20..200).contains(&tries.count()));
        assert!(!all.matches("a", &work), "what is left out is left out for good");
        // Without `?` the cost is that of reading both.
        let work = Work::new();
        let glob = Glob::new(&"*a".repeat(256)).unwrap();
        assert!((0..10_000).all(|_| !glob.matches(&"b".repeat(MAX_TEXT), &work)) && work.was_enough());
    }
}
