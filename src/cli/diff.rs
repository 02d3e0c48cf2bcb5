//! Unified diffs that `patch` and `git apply` take, and that no file name can change.

use std::{
    borrow::Cow,
    env,
    fmt::Write as _,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path, PathBuf},
};

use similar::TextDiff;

/// The difference between two versions of a file, for `patch -p1`; empty if there is none.
pub(super) fn unified(name: &[u8], before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    // `patch` and git know no other line end, so that no other one may end a line of a hunk.
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let diff = TextDiff::configure().newline_terminated(true).diff_slices(&before, &after);
    diff.unified_diff().header(&header(b"a/", name), &header(b"b/", name)).to_string()
}

/// The name of a file from the current directory, without links, `.` and `..`: `git apply` takes no other. A file that is
/// outside has its path from `/`.
pub(super) fn name(path: &Path) -> Vec<u8> {
    let from_here = || {
        let here = fs::canonicalize(env::current_dir().ok()?).ok()?;
        Some(fs::canonicalize(path).ok()?.strip_prefix(here).ok()?.to_owned())
    };
    let from_root =
        || fs::canonicalize(path).ok().filter(|_| path.components().any(|part| part == Component::ParentDir));
    let name = from_here().or_else(from_root).map_or(Cow::Borrowed(path), Cow::Owned);
    let parts = name.components().filter(|part| !matches!(part, Component::RootDir | Component::CurDir));
    parts.collect::<PathBuf>().as_os_str().as_bytes().to_vec()
}

/// A name in the first lines of a diff, quoted as git does (`quote_c_style` and `emit_rewrite_diff` of its source): in
/// quotes, if it has quotes, backslashes, control characters or bytes that are not ASCII; with a tab after it, if it has
/// a space.
fn header(prefix: &[u8], name: &[u8]) -> String {
    let mut text = String::new();
    let mut is_quoted = false;
    for byte in prefix.iter().chain(name) {
        match byte {
            b' '..=b'~' if !matches!(byte, b'"' | b'\\') => {
                text.push(char::from(*byte));
                continue;
            }
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'\r' => text.push_str("\\r"),
            // Writing to a String cannot fail.
            _ => _ = write!(text, "\\{byte:03o}"),
        }
        is_quoted = true;
    }
    let end = if text.contains(' ') { "\t" } else { "" };
    if is_quoted { format!("\"{text}\"{end}") } else { text + end }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_git_does() {
        for (name, quoted) in [
            ("k/p.yaml", "a/k/p.yaml"),
            ("a b.yaml", "a/a b.yaml\t"),
            ("z\n--- a/x\r\t\u{1b}\"\\é", "\"a/z\\n--- a/x\\r\\t\\033\\\"\\\\\\303\\251\"\t"),
        ] {
            assert_eq!(header(b"a/", name.as_bytes()), quoted);
        }
    }
}
