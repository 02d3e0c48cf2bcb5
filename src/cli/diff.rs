//! Unified diffs that `patch` and `git apply` take, and that no file name can change.

use std::fmt::Write as _;

use similar::TextDiff;

/// The difference between two versions of a file, for `patch -p1`; empty if there is none.
pub(super) fn unified(path: &[u8], before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    // `patch` and git know no other line end, so that no other one may end a line of a hunk.
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let diff = TextDiff::configure().newline_terminated(true).diff_slices(&before, &after);
    let mut name = path;
    while let Some(rest) = name.strip_prefix(b"/").or(name.strip_prefix(b"./")) {
        name = rest;
    }
    diff.unified_diff().header(&header(b"a/", name), &header(b"b/", name)).to_string()
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
