//! Patterns in which `*` stands for any text and `?` for one character.
//!
//! Not those of a shell: image names have slashes, and `*` crosses them as people expect who write
//! `*/prometheus:v3.*`. That is a dozen lines, and saves the core a dependency.

use serde::{Deserialize, Deserializer, de::Error};

/// Longer than any name or image that Kubernetes accepts. What is longer matches nothing, so that the
/// time for one comparison has a bound.
pub(crate) const LONGEST_TEXT: usize = 4096;

/// Longest pattern, in bytes.
const LONGEST_PATTERN: usize = 512;

/// One pattern; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob {
    pattern: String,
    /// Its longest part without `*` and `?`. Most texts do not have it, and to find that out is fast.
    longest: String,
}

impl Glob {
    /// The error says what is wrong with the pattern.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        if pattern.is_empty() {
            return Err("a pattern is empty; `*` matches everything".to_owned());
        }
        if pattern.len() > LONGEST_PATTERN || pattern.contains(char::is_control) {
            return Err(format!(
                "a pattern is longer than {LONGEST_PATTERN} bytes or has control characters"
            ));
        }
        let longest = pattern.split(['*', '?']).max_by_key(|part| part.len()).unwrap_or_default();
        Ok(Self { pattern: pattern.to_owned(), longest: longest.to_owned() })
    }

    /// Whether the whole of `text` fits.
    pub(crate) fn matches(&self, text: &str) -> bool {
        text.len() <= LONGEST_TEXT && text.contains(&self.longest) && matches(&self.pattern, text)
    }
}

/// Goes through both and comes back to the last star where they part: never further, so that the time
/// is at most the product of the lengths.
fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // What stands behind the last star, and where in the text to try it next.
    let mut retry = None;
    loop {
        let rest = text.clone();
        match (pattern.next(), text.next()) {
            (Some('*'), _) => {
                retry = Some((pattern.clone(), rest.clone()));
                text = rest;
            }
            (Some('?'), Some(_)) => {}
            (Some(wanted), Some(found)) if wanted == found => {}
            (None, None) => return true,
            _ => {
                let Some((after_star, mut from)) = retry.take() else { return false };
                if from.next().is_none() {
                    return false;
                }
                (pattern, text) = (after_star.clone(), from.clone());
                retry = Some((after_star, from));
            }
        }
    }
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
        assert_eq!(Glob::new(pattern).unwrap().matches(text), wanted);
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
        fn as_the_rule_says(pattern in "[ab*?]{1,8}", text in "[ab]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let wanted = by_recursion(&chars(&pattern), &chars(&text));
            prop_assert_eq!(Glob::new(&pattern).unwrap().matches(&text), wanted);
        }
    }

    #[test]
    fn a_long_text_matches_nothing_and_takes_no_time() {
        let pattern = Glob::new(&"*a".repeat(256)).unwrap();
        assert!(!pattern.matches(&"a".repeat(LONGEST_TEXT + 1)));
        assert!(!pattern.matches(&"b".repeat(LONGEST_TEXT)));
    }
}
