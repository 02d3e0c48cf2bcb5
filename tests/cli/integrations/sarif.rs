//! `-o sarif` against the schema of the standard (`tests/go/sarif`).

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use super::root;
use crate::cli::reports::{explain, manifests};

/// Why the schema does not allow this log; empty if it does.
fn problem(log: &str) -> String {
    let mut go = Command::new("go")
        .args(["run", "."])
        .current_dir(root().join("tests/go/sarif"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    go.stdin.take().unwrap().write_all(log.as_bytes()).unwrap();
    let output = go.wait_with_output().unwrap();
    let problem = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.success(), problem.is_empty(), "{problem}");
    problem
}

#[test]
#[ignore = "needs Go"]
fn a_log_is_what_the_standard_describes() {
    let folder = manifests();
    let log = explain(folder.path(), &["-R", "-f", ".", "-f", "k8s/api.yaml", "-o", "sarif"]).stdout;
    assert_eq!(log.matches("\"ruleIndex\"").count(), 10, "{log}");
    assert_eq!(problem(&log), "");
    let none = explain(folder.path(), &["-f", "k8s/none.yaml", "-o", "sarif"]).stdout;
    assert_eq!(problem(&none), "", "{none}");
    // The schema does hold something.
    assert!(problem(&log.replace("ruleIndex", "ruleNumber")).contains("ruleNumber is not allowed"));
}
