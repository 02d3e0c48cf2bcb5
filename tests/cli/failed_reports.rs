//! Reports of `explain` that are complete whatever is wrong with the run.

use std::{fs, path::Path};

use serde_json::Value;

use super::reports::{assert_accepted, explain, manifests, results};

/// The exit code, and the log of SARIF and the report of `JUnit`, which are complete whatever is wrong with the run.
fn reports_of(folder: &Path, arguments: &[&str], code: i32) -> (Value, String) {
    let [sarif, junit] = ["sarif", "junit"].map(|format| {
        let output = explain(folder, &[arguments, &["-o", format]].concat());
        assert_eq!(output.code, code, "{arguments:?} {}", output.stderr);
        assert!(
            code != 2 || output.stderr.lines().last().unwrap().starts_with("error: "),
            "{}",
            output.stderr
        );
        output.stdout
    });
    let log: Value = serde_json::from_str(&sarif).unwrap();
    assert_accepted(&log);
    assert_eq!(log["runs"][0]["invocations"][0]["executionSuccessful"], code != 2, "{log:#}");
    assert!(junit.starts_with("<?xml ") && junit.ends_with("</testsuites>\n"), "{junit}");
    let json = explain(folder, &[arguments, &["-o", "json"]].concat());
    assert_eq!((json.code, &json.json()["version"]), (code, &1.into()));
    (log, junit)
}

#[test]
fn a_run_that_fails_has_its_reports() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    write("nothing.yaml", "apiVersion: v1\nkind: ConfigMap\n");
    write("no-containers.yaml", "apiVersion: v1\nkind: Pod\nspec: {}\n");
    for (arguments, problem) in [
        (
            &["-f", "nothing.yaml", "--fail-on", "warning"][..],
            "there are no pods in these manifests, so --fail-on",
        ),
        (&["-f", "no-containers.yaml", "--fail-on", "warning"], "there are no containers in the pods"),
        (&["-f", "empty"], "empty: no *.yaml, *.yml or *.json in this directory"),
        (&["-f", "-", "-f", "-"], "--filename - can be given only once"),
        (&["-f", "nothing.yaml", "--policy-file", "none.yaml"], "none.yaml"),
    ] {
        let (log, junit) = reports_of(folder.path(), arguments, 2);
        assert_eq!(log["runs"][0]["results"], serde_json::json!([]), "{log:#}");
        let notifications =
            log["runs"][0]["invocations"][0]["toolExecutionNotifications"].as_array().unwrap();
        assert_eq!((notifications.len(), &notifications[0]["level"]), (1, &"error".into()), "{log:#}");
        let text = notifications[0]["message"]["text"].as_str().unwrap();
        assert!(text.contains(problem), "{text}");
        assert!(junit.contains("tests=\"1\" failures=\"0\" errors=\"1\">\n  <testsuite name=\""), "{junit}");
        assert!(
            junit.contains("<testcase name=\"run\" classname=\"gomemlimit\">\n") && junit.contains(problem),
            "{junit}"
        );
    }
    // What is wrong with a file is a result.
    let (log, junit) = reports_of(folder.path(), &["-f", "none.yaml"], 2);
    assert_eq!(
        results(&log),
        ["unreadable error none.yaml:1:1 cannot read none.yaml: No such file or directory (os error 2)"]
    );
    assert_eq!(log["runs"][0]["invocations"][0]["toolExecutionNotifications"], serde_json::json!([]));
    assert!(junit.contains("errors=\"1\"") && !junit.contains("name=\"run\""), "{junit}");
    // Nothing is wrong here.
    for arguments in
        [&["-f", "nothing.yaml"][..], &["-f", "nothing.yaml", "--fail-on", "warning", "--allow-empty"]]
    {
        let (_, junit) = reports_of(folder.path(), arguments, 0);
        assert!(junit.contains("tests=\"0\" failures=\"0\" errors=\"0\""), "{junit}");
    }
}

/// A file that is left out of a directory is no result, and nothing that failed.
#[test]
fn what_is_left_out_is_in_the_reports() {
    let folder = manifests();
    let outside = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    std::os::unix::fs::symlink(outside, folder.path().join("k8s/z.yaml")).unwrap();
    fs::remove_file(folder.path().join("k8s/broken.yaml")).unwrap();
    let (log, junit) = reports_of(folder.path(), &["-f", "k8s", "--fail-on", "windows"], 2);
    assert_eq!(results(&log).len(), 5, "{log:#}");
    let notifications = log["runs"][0]["invocations"][0]["toolExecutionNotifications"].as_array().unwrap();
    let levels: Vec<_> = notifications.iter().map(|one| one["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["warning", "error"]);
    assert!(junit.contains("some of these files are left out, so --fail-on cannot judge them"), "{junit}");
    let (log, _) = reports_of(folder.path(), &["-f", "k8s", "--fail-on", "invalid-limit"], 1);
    assert_eq!(log["runs"][0]["invocations"][0]["toolExecutionNotifications"].as_array().unwrap().len(), 1);
}
