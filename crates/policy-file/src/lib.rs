//! The policy file: from YAML to the rules of the core, with errors that show the line and the problem.
//!
//! ```
//! use gomemlimit_policy_file::parse;
//!
//! let text = b"rules:\n- name: caches\n  match: {containers: ['*-cache']}\n  set: {ratio: 0.8}\n";
//! assert_eq!(parse("policy.yaml".as_ref(), text)?.len(), 1);
//! let error = parse("policy.yaml".as_ref(), b"rules: 7").unwrap_err();
//! assert!(error.to_string().starts_with("policy file policy.yaml, line 1"));
//! # Ok::<(), gomemlimit_policy_file::PolicyFileError>(())
//! ```

use std::path::{Path, PathBuf};

use gomemlimit_core::{Rules, addresses::docs};
use gomemlimit_files::FileError;
pub use gomemlimit_files::Kinds;
use thiserror::Error;

/// Maximum size of the file, in bytes: that of a ConfigMap.
const MAX_BYTES: u64 = 1 << 20;

/// Why a policy file cannot be used.
#[derive(Debug, Error)]
pub enum PolicyFileError {
    /// It cannot be read.
    #[error("cannot read the policy file {path}: {source}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: FileError,
    },
    /// It is not a valid policy file.
    #[error("policy file {path}, {problem}; see {docs}", path = path.display(), docs = docs("policy-file"))]
    Parse {
        /// Which.
        path: PathBuf,
        /// Line, column and what is wrong there.
        problem: String,
    },
}

/// The bytes of the file, 1 MiB at most.
///
/// # Errors
/// If it cannot be read, or is larger.
pub fn read(path: &Path, kinds: Kinds) -> Result<Vec<u8>, PolicyFileError> {
    let read = gomemlimit_files::read(path, kinds, MAX_BYTES);
    read.map_err(|source| PolicyFileError::Read { path: path.to_owned(), source })
}

/// The rules that `content` holds; `path` is for the error. A file of nothing but comments has no rules.
///
/// # Errors
/// Where it is not YAML, has a field or a value that is not known, or rules that contradict each other.
pub fn parse(path: &Path, content: &[u8]) -> Result<Rules, PolicyFileError> {
    let refuse = |problem: String| PolicyFileError::Parse { path: path.to_owned(), problem };
    // What `read` refuses, of a text that comes from elsewhere.
    if content.len() as u64 > MAX_BYTES {
        return Err(PolicyFileError::Read { path: path.to_owned(), source: FileError::TooLarge(MAX_BYTES) });
    }
    let text = std::str::from_utf8(content).map_err(|error| {
        let lines = content.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count();
        refuse(format!("line {}: it is not UTF-8 text", lines + 1))
    })?;
    // Anchors are of use here, property syntax and the quoting of the source are not.
    let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
    let rules: Result<Option<Rules>, _> = serde_saphyr::from_str_with_options(text, options);
    rules.map(Option::unwrap_or_default).map_err(|error| refuse(one_sentence(&error)))
}

fn one_sentence(error: &serde_saphyr::Error) -> String {
    let place = error
        .location()
        .map(|place| format!("line {}, column {}: ", place.line(), place.column()))
        .unwrap_or_default();
    let text = error.without_snippet().to_string();
    // The message ends with the place, too.
    let text = text.split(" at line ").next().unwrap_or_default();
    format!("{place}{}", text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn refused(text: &str) -> String {
        parse(Path::new("policy.yaml"), text.as_bytes()).unwrap_err().to_string()
    }

    #[rstest]
    #[case::unknown_field("rules:\n- name: a\n  sett: {ratio: 0.8}\n", "line 3", "unknown field `sett`")]
    #[case::unknown_setting(
        "rules:\n- name: a\n  set:\n    min-limit: 1Mi\n",
        "line 4",
        "unknown field `min-limit`"
    )]
    #[case::unknown_matcher(
        "rules:\n- name: a\n  match: {image: x}\n  is: go\n",
        "line 3",
        "unknown field `image`"
    )]
    #[case::top("rule: []\n", "line 1", "unknown field `rule`")]
    #[case::bad_ratio("rules:\n- name: a\n  set:\n    ratio: 1.5\n", "line 4", "outside 0.10 to 0.98")]
    #[case::bad_mode("rules:\n- name: a\n  set: {mode: on}\n", "line 3", "none of `inject`, `audit`, `off`")]
    #[case::no_name("rules:\n- is: go\n", "line 2", "missing field `name`")]
    #[case::empty_rule("rules:\n- name: a\n  match: {images: ['*']}\n", "line 2", "is empty")]
    #[case::unknown_program("rules:\n- name: a\n  is: java\n", "line 3", "unknown variant `java`")]
    #[case::empty_list("rules:\n- name: a\n  is: go\n  match:\n    images: []\n", "line 5", "leave it out")]
    #[case::empty_map("rules:\n- name: a\n  is: go\n  match:\n    podLabels: {}\n", "line 5", "leave it out")]
    #[case::null_map("rules:\n- name: a\n  is: go\n  match:\n    podLabels:\n", "line 5", "")]
    #[case::null_list("rules:\n- name: a\n  is: go\n  match:\n    images:\n", "line 5", "")]
    #[case::empty_pattern(
        "rules:\n- name: a\n  is: go\n  match:\n    images: ['']\n",
        "line 5",
        "pattern is empty"
    )]
    #[case::deployment(
        "rules:\n- name: a\n  is: go\n  match:\n    owners: [Deployment]\n",
        "line 5",
        "ReplicaSet"
    )]
    #[case::twice(
        "rules:\n- {name: a, is: go}\n- {name: a, is: go}\n",
        "line",
        "two rules have the name \"a\""
    )]
    #[case::duplicate_key("rules: []\nrules: []\n", "line 2", "duplicate")]
    #[case::not_yaml("rules: [\n", "line", "")]
    #[case::two_documents("rules: []\n---\nrules: []\n", "line", "")]
    fn errors_name_the_place_and_the_cause(#[case] text: &str, #[case] place: &str, #[case] expected: &str) {
        let error = refused(text);
        assert!(error.starts_with("policy file policy.yaml, line "), "{error}");
        assert!(error.contains(place) && error.contains(expected), "{error}");
        assert!(
            error.ends_with(&format!("; see {}", docs("policy-file"))) && !error.contains('\n'),
            "{error}"
        );
    }

    #[test]
    fn no_more_is_read_than_a_config_map_holds() {
        for (kinds, why) in
            [(Kinds::Any, "it is larger than 1 MiB"), (Kinds::Regular, "it is not a regular file")]
        {
            let error = read(Path::new("/dev/zero"), kinds).unwrap_err().to_string();
            assert_eq!(error, format!("cannot read the policy file /dev/zero: {why}"));
        }
    }

    #[test]
    fn the_patterns_of_a_file_have_a_bound_together() {
        let file = |last: usize| {
            let pattern = |bytes: usize| format!("'{}'", "x".repeat(bytes));
            let one = vec![pattern(512); 127].join(", ");
            format!(
                "rules:\n- {{name: a, is: go, match: {{images: [{one}]}}}}\n- {{name: b, is: go, match: {{podLabels: {{k: {}}}}}}}\n",
                pattern(last)
            )
        };
        assert_eq!(parse(Path::new("p"), file(511).as_bytes()).unwrap().len(), 2);
        let error = refused(&file(512));
        let expected = ": with rule \"b\" the patterns of the file have more than 65536 bytes";
        assert!(error.contains(expected), "{error}");
    }

    #[rstest]
    #[case::empty("", 0)]
    #[case::comments("# nothing yet\n", 0)]
    #[case::no_rules("rules: []\n", 0)]
    #[case::nothing_under_it("rules:\nbuiltInRules: false\n", 0)]
    #[case::only_comments_under_it("rules:\n# - name: a\n", 0)]
    #[case::unquoted(
        "rules:\n- {name: a, set: {ratio: 0.80, headroom: 64Mi, minLimit: 33554432, mode: off}}\n",
        1
    )]
    #[case::anchors(
        "rules:\n- {name: a, set: &s {ratio: 80%}}\n- {name: b, set: *s, match: {owners: [Job]}}\n",
        2
    )]
    #[case::json(r#"{"rules": [{"name": "a", "is": "not-go"}], "builtInRules": false}"#, 1)]
    fn what_is_understood(#[case] text: &str, #[case] rules: usize) {
        assert_eq!(parse(Path::new("policy.yaml"), text.as_bytes()).unwrap().len(), rules);
    }
}
