//! `--exclude`: patterns of `.gitignore`, relative to the directory that is searched.

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The patterns of a command line; of several that fit, the last one counts.
pub(super) struct Exclude(Gitignore);

impl Exclude {
    /// # Errors
    ///
    /// If a brace of a pattern is not closed.
    pub(super) fn new(patterns: &[String]) -> Result<Self, ignore::Error> {
        let mut builder = GitignoreBuilder::new("");
        for pattern in patterns {
            builder.add_line(None, pattern)?;
        }
        builder.build().map(Self)
    }

    /// Whether a path, relative to the directory, is left out. What is in a folder that is left out is not asked for.
    pub(super) fn matches(&self, path: &Path, is_folder: bool) -> bool {
        self.0.matched(path, is_folder).is_ignore()
    }
}

/// A pattern of the command line.
///
/// # Errors
///
/// If it is none, or would be a comment of a `.gitignore`.
pub(super) fn parse(pattern: &str) -> Result<String, String> {
    if pattern.trim().is_empty() || pattern.starts_with('#') {
        return Err("a pattern as in .gitignore is wanted, such as charts/ or '*.tmpl.yaml'".to_owned());
    }
    let one = [pattern.to_owned()];
    Exclude::new(&one).map_err(|error| error.to_string())?;
    let [pattern] = one;
    Ok(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows are those of gitignore(5).
    #[test]
    fn patterns_are_those_of_gitignore() {
        for (patterns, path, expected) in [
            (&["a.yaml"][..], "a.yaml", true),
            (&["a.yaml"], "x/y/a.yaml", true),
            (&["/a.yaml"], "x/a.yaml", false),
            (&["x/a.yaml"], "x/a.yaml", true),
            (&["x/a.yaml"], "y/x/a.yaml", false),
            (&["**/x/a.yaml"], "y/x/a.yaml", true),
            (&["*.tmpl.yaml"], "x/a.tmpl.yaml", true),
            (&["x/*"], "x/a.yaml", true),
            (&["x/*.yaml"], "x/y/a.yaml", false),
            (&["x/**/a.yaml"], "x/y/z/a.yaml", true),
            (&["a?.yaml"], "ab.yaml", true),
            (&["[a-c].yaml"], "b.yaml", true),
            (&["[!a-c].yaml"], "b.yaml", false),
            (&["templates/"], "x/templates/", true),
            (&["templates/"], "templates", false),
            (&[".*"], ".github/", true),
            (&["*.yaml", "!keep.yaml"], "x/keep.yaml", false),
            (&["*.yaml", "!keep.yaml"], "x/other.yaml", true),
            (&["A.yaml"], "a.yaml", false),
            (&["ä b.yaml"], "ä b.yaml", true),
            (&["\\*.yaml"], "*.yaml", true),
            (&["\\*.yaml"], "a.yaml", false),
            (&["{a,b}.json"], "b.json", true),
        ] {
            let patterns: Vec<_> = patterns.iter().map(|&pattern| parse(pattern).unwrap()).collect();
            let exclude = Exclude::new(&patterns).unwrap();
            let found = exclude.matches(Path::new(path.trim_end_matches('/')), path.ends_with('/'));
            assert_eq!(found, expected, "{patterns:?} {path}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["", " ", "# all", "{a"] {
            assert!(parse(pattern).is_err(), "{pattern:?}");
        }
    }
}
