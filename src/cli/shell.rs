//! Words of commands that are printed for a shell.

use std::borrow::Cow;

/// A word as a POSIX shell takes it for one. What needs no quotes gets none.
pub(super) fn quote(word: &str) -> Cow<'_, str> {
    // No argument of a program can hold a NUL.
    shlex::try_quote(word).unwrap_or_else(|_| Cow::Owned(quote(&word.replace('\0', "")).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_gives_back_every_word() {
        for word in [
            "gomemlimit",
            "gomemlimit.dev/inject",
            "80%",
            "",
            "$(touch x)",
            "a'b\"c`d\\",
            "x; y\nz",
            "\u{1b}[2J",
            "~",
            "*",
        ] {
            let script = format!("printf %s {}", quote(word));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word, "{script}");
        }
        assert_eq!(quote("gomemlimit.dev/inject"), "gomemlimit.dev/inject");
        assert_eq!(quote("a\0b"), "ab");
    }
}
