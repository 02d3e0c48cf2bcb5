//! `-o sarif` against the schema and the types of the standard (`tests/go/sarif`).

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::root;
use crate::cli::reports::{explain, manifests};

/// The first property that `all` lacks.
fn missing(part: &Value, all: &Value, path: &str) -> Option<String> {
    match (part, all) {
        (Value::Object(part), Value::Object(all)) => part.iter().find_map(|(key, value)| {
            let path = format!("{path}/{key}");
            all.get(key).map_or_else(|| Some(path.clone()), |other| missing(value, other, &path))
        }),
        (Value::Array(part), Value::Array(all)) if part.len() == all.len() => {
            part.iter().zip(all).find_map(|(part, all)| missing(part, all, &format!("{path}/-")))
        }
        _ => (part != all).then(|| path.to_owned()),
    }
}

#[test]
#[ignore = "needs Go"]
fn a_log_is_what_the_standard_describes() {
    let folder = manifests();
    let log = explain(folder.path(), &["-R", "-f", ".", "-f", "k8s/api.yaml", "-o", "sarif"]).stdout;
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
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let log: Value = serde_json::from_str(&log).unwrap();
    assert!(log["runs"][0]["results"].as_array().unwrap().len() > 6, "{log:#}");
    // What the types do not know is lost.
    let taken = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(missing(&log, &taken, ""), None, "{taken:#}");
}
