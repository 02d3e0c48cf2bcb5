//! Warnings about documents are findings: a gate and reports have them, as stderr has.

use std::{fs, path::Path};

use super::reports::explain;

const TWICE: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: a\n    resources: {limits: {memory: \
                     1Gi}}\n    image: a\n    image: b\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), TWICE).unwrap();
    folder
}

const SENTENCE: &str = "document 1, line 9, column 5: the key \"image\" occurs twice in this mapping; the last one counts, as for kubectl";

fn code(folder: &Path, fail_on: &str) -> i32 {
    let output = explain(folder, &["-f", "a.yaml", "--fail-on", fail_on]);
    assert_eq!(output.stderr, format!("warning: a.yaml: {SENTENCE}\n"));
    output.code
}

#[test]
fn a_gate_counts_a_warning_about_a_document() {
    let folder = folder();
    assert_eq!(code(folder.path(), "warning"), 1);
    assert_eq!(code(folder.path(), "no-memory-limit"), 0);
    // Where there are no pods, nobody is warned.
    fs::write(folder.path().join("a.yaml"), "branches: a\nbranches: b\n").unwrap();
    let output = explain(folder.path(), &["-f", ".", "--fail-on", "warning", "--allow-empty"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
}

#[test]
fn reports_have_it_on_its_line() {
    let folder = folder();
    let log = explain(folder.path(), &["-f", "a.yaml", "-o", "sarif"]).json();
    let [result] = &log["runs"][0]["results"].as_array().unwrap()[..] else { panic!("{log:#}") };
    assert_eq!((&result["ruleId"], &result["level"]), (&"doubtful-manifest".into(), &"warning".into()));
    assert_eq!(result["message"]["text"], SENTENCE);
    let region = &result["locations"][0]["physicalLocation"]["region"];
    assert_eq!(*region, serde_json::json!({"startLine": 9, "startColumn": 5}));
    for (fail_on, failures) in [(&[][..], 1), (&["--fail-on", "warning"], 1), (&["--fail-on", "windows"], 0)]
    {
        let junit = explain(folder.path(), &[&["-f", "a.yaml", "-o", "junit"], fail_on].concat()).stdout;
        assert!(
            junit.contains(&format!("tests=\"2\" failures=\"{failures}\" errors=\"0\">\n  <testsuite")),
            "{junit}"
        );
    }
}
