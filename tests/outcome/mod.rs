//! What a run of the program left.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::process::Child;

use serde_json::Value;

pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Waits for the end.
    pub(crate) fn of(child: Child) -> Self {
        child.wait_with_output().unwrap().into()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    /// Exit code 2, nothing on stdout, and one sentence with `wanted` in it on stderr.
    pub(crate) fn is_refused(&self, wanted: &str) {
        assert_eq!((self.code, &*self.stdout), (2, ""), "{}", self.stderr);
        assert!(self.stderr.contains(wanted), "{wanted} is not in {}", self.stderr);
        assert!(self.stderr.lines().count() == 1 && self.stderr.starts_with("error: "), "{}", self.stderr);
    }
}

impl From<std::process::Output> for Outcome {
    fn from(output: std::process::Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        // A signal has no code, and no test waits for one.
        let code = output.status.code().unwrap_or(-1);
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}
