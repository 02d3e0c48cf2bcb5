//! `explain -o sarif` and `-o junit`: what other programs show of manifests.

use std::{fs, path::Path, process::Command};

use gomemlimit_fake_api_server::CommandOutput;
use serde_json::Value;

/// A folder of manifests with a finding of each level, one file that cannot be read, and names that need escapes.
pub(super) fn manifests() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("k8s")).unwrap();
    for (name, text) in [
        (
            "api.yaml",
            "# The shop.
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  template:
    spec:
      containers:
      - name: api
        resources:
          limits:
            memory: 128MiB
      - name: envoy
      - name: worker
        resources: {limits: {memory: 1Gi}}
      - name: cron
        resources: {limits: {memory: 16Mi}}
      - name: old
        resources: {limits: {memory: 1Gi}}
        env:
        - name: GOMEMLIMIT
          value: 900Mi
",
        ),
        (
            "ä %.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p, annotations: {gomemlimit.dev/ratio: \"<lots & more>\"}}\n\
             spec:\n  containers:\n  - {name: a, resources: {limits: {memory: 1Gi}}}\n",
        ),
        ("broken.yaml", "apiVersion: v1\nkind: ConfigMap\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: p\n"),
    ] {
        fs::write(folder.path().join("k8s").join(name), text).unwrap();
    }
    folder
}

pub(super) fn explain(folder: &Path, arguments: &[&str]) -> CommandOutput {
    let mut program = Command::new(env!("CARGO_BIN_EXE_gomemlimit"));
    program.arg("explain").args(arguments).current_dir(folder).output().unwrap().into()
}

/// `rule level uri:line:column message` of each result.
fn results(log: &Value) -> Vec<String> {
    let rows = log["runs"][0]["results"].as_array().unwrap().iter().map(|result| {
        let place = &result["locations"][0]["physicalLocation"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        format!(
            "{} {} {}:{}:{} {}",
            text(&result["ruleId"]),
            text(&result["level"]),
            text(&place["artifactLocation"]["uri"]),
            place["region"]["startLine"],
            place["region"]["startColumn"],
            text(&result["message"]["text"])
        )
    });
    rows.collect()
}

/// What code scanning of GitHub requires of a log.
fn assert_accepted(log: &Value) {
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().unwrap().ends_with("sarif-schema-2.1.0.json"));
    assert_eq!(log["runs"].as_array().unwrap().len(), 1);
    let driver = &log["runs"][0]["tool"]["driver"];
    assert_eq!(driver["name"], "gomemlimit");
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        for text in [&rule["shortDescription"]["text"], &rule["fullDescription"]["text"], &rule["help"]["text"]] {
            assert!(text.as_str().is_some_and(|text| !text.is_empty()), "{rule}");
        }
        let ids = rules.iter().filter(|other| other["id"] == rule["id"]);
        assert_eq!(ids.count(), 1, "{rule}");
    }
    for result in log["runs"][0]["results"].as_array().unwrap() {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        let location = &result["locations"][0]["physicalLocation"];
        let uri = location["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.starts_with(['/', '.']) && location["artifactLocation"]["uriBaseId"] == "%SRCROOT%", "{uri}");
        assert!(location["region"]["startLine"].as_u64().unwrap() > 0);
        assert_eq!(result["partialFingerprints"].as_object().unwrap().len(), 1);
    }
}

#[test]
fn sarif_has_each_finding_on_its_line() {
    let folder = manifests();
    let output = explain(folder.path(), &["-R", "-f", "./k8s", "-o", "sarif"]);
    assert_eq!(output.code, 2, "a manifest that cannot be read: {}", output.stderr);
    let log = output.json();
    assert_accepted(&log);
    let object = "Deployment shop/api";
    assert_eq!(
        results(&log),
        [
            format!(
                "invalid-limit error k8s/api.yaml:12:21 {object}, container api: the memory limit \"128MiB\" is not a \
                 Kubernetes quantity such as 512Mi; did you mean 128Mi?"
            ),
            format!(
                "no-memory-limit warning k8s/api.yaml:13:9 {object}, container envoy: no memory limit; set \
                 resources.limits.memory"
            ),
            format!(
                "below-minimum note k8s/api.yaml:17:38 {object}, container cron: the memory limit of 16Mi is too small for \
                 GOMEMLIMIT to help: min-limit is 32Mi"
            ),
            format!(
                "broken-value warning k8s/api.yaml:21:11 {object}, container old: GOMEMLIMIT=\"900Mi\" is malformed: a Go \
                 program exits with code 2; write bytes or MiB"
            ),
        ],
        "{log:#}"
    );
}
