//! `explain -o sarif` and `-o junit`: what other programs show of manifests.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use gomemlimit_fake_api_server::CommandOutput;
use serde_json::Value;

use crate::support::command::{run, run_with_stdin};

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
        (
            "broken.yaml",
            "apiVersion: v1\nkind: ConfigMap\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: p\n",
        ),
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
pub(super) fn results(log: &Value) -> Vec<String> {
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
pub(super) fn assert_accepted(log: &Value) {
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().unwrap().ends_with("sarif-schema-2.1.0.json"));
    assert_eq!(log["runs"].as_array().unwrap().len(), 1);
    let driver = &log["runs"][0]["tool"]["driver"];
    assert_eq!(driver["name"], "gomemlimit");
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        for text in
            [&rule["shortDescription"]["text"], &rule["fullDescription"]["text"], &rule["help"]["text"]]
        {
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
        assert!(
            !uri.starts_with(['/', '.']) && location["artifactLocation"]["uriBaseId"] == "%SRCROOT%",
            "{uri}"
        );
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
            "unreadable error k8s/broken.yaml:6:11 document 2, line 6, column 11: unclosed bracket '{'".to_owned(),
            "bad-setting warning k8s/%C3%A4%20%25.yaml:3:57 Pod default/p: annotation \"gomemlimit.dev/ratio\": \"<lots & more>\" \
             is not a ratio such as 0.85 or 85%; ignored"
                .to_owned(),
        ],
        "{log:#}"
    );
}

/// What `--fail-on` names is an error, also if it is no finding otherwise.
#[test]
fn sarif_has_what_fail_on_names() {
    let folder = manifests();
    let arguments = ["-f", "k8s/api.yaml", "-o", "sarif", "--fail-on", "injected,below-minimum"];
    let output = explain(folder.path(), &arguments);
    assert_eq!((output.code, &*output.stderr), (1, ""));
    let log = output.json();
    assert_accepted(&log);
    let levels: Vec<_> =
        results(&log).iter().map(|row| row.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "invalid-limit error",
        "no-memory-limit warning",
        "injected error",
        "below-minimum error",
        "broken-value warning",
    ];
    assert_eq!(levels, expected);
}

/// Paths are those of the repository, whatever way they are named.
#[test]
fn sarif_has_paths_of_the_repository() {
    let folder = manifests();
    let root = folder.path().canonicalize().unwrap();
    let absolute = root.join("k8s/api.yaml");
    for name in ["k8s/api.yaml", "./k8s/../k8s//api.yaml", absolute.to_str().unwrap()] {
        let log = explain(&root, &["-f", name, "-o", "sarif"]).json();
        assert!(results(&log)[0].contains(" k8s/api.yaml:12:"), "{name}: {log:#}");
    }
    // What is not in it keeps its own, and what is no file has none.
    let log = explain(&root.join("k8s"), &["-f", "../k8s/api.yaml", "-o", "sarif"]).json();
    assert!(results(&log)[0].contains(" api.yaml:12:"), "{log:#}");
    std::fs::create_dir(root.join("other")).unwrap();
    let log = explain(&root.join("other"), &["-f", absolute.to_str().unwrap(), "-o", "sarif"]).json();
    let location = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"];
    assert_eq!(*location, serde_json::json!({"uri": format!("file://{}", absolute.display())}));
    let text = fs::read_to_string(&absolute).unwrap();
    let log = run_with_stdin(&["explain", "-f", "-", "-o", "sarif"], &text).json();
    let location = &log["runs"][0]["results"][0]["locations"][0];
    let name = "Deployment shop/api, container api";
    assert_eq!(*location, serde_json::json!({"logicalLocations": [{"fullyQualifiedName": name}]}));
}

/// The same in every run: a finding is recognised after lines were added before it.
#[test]
fn a_fingerprint_does_not_depend_on_the_line() {
    let folder = manifests();
    let fingerprints = || -> Vec<Value> {
        let log = explain(folder.path(), &["-R", "-f", "k8s", "-o", "sarif"]).json();
        log["runs"][0]["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["partialFingerprints"].clone())
            .collect()
    };
    let before = fingerprints();
    let path = folder.path().join("k8s/api.yaml");
    fs::write(&path, format!("# one more\n\n{}", fs::read_to_string(&path).unwrap())).unwrap();
    assert_eq!(fingerprints(), before);
    assert_eq!(
        before.iter().map(Value::to_string).collect::<BTreeSet<_>>().len(),
        before.len(),
        "each has its own"
    );
}

/// Nothing to report is a log, too: what was found before is fixed then.
#[test]
fn sarif_without_findings_is_complete() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - {name: a, resources: {limits: {memory: 1Gi}}}\n";
    let output = run_with_stdin(&["explain", "-f", "-", "-o", "sarif"], pod);
    assert_eq!(output.code, 0);
    let log = output.json();
    assert_accepted(&log);
    assert_eq!(log["runs"][0]["results"], serde_json::json!([]));
}

#[test]
fn junit_has_a_test_for_each_container() {
    let folder = manifests();
    let output =
        explain(folder.path(), &["-R", "-f", "k8s", "-o", "junit", "--fail-on", "no-memory-limit,warning"]);
    assert_eq!(output.code, 1, "{}", output.stderr);
    assert_eq!(
        output.stdout,
        r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="gomemlimit" tests="8" failures="3" errors="1">
  <testsuite name="k8s/api.yaml" tests="5" failures="2" errors="0">
    <testcase name="api" classname="Deployment shop/api" file="k8s/api.yaml"/>
    <testcase name="envoy" classname="Deployment shop/api" file="k8s/api.yaml">
      <failure message="no memory limit; set resources.limits.memory" type="no-memory-limit">k8s/api.yaml:13: Deployment shop/api, container envoy: no memory limit; set resources.limits.memory</failure>
    </testcase>
    <testcase name="worker" classname="Deployment shop/api" file="k8s/api.yaml"/>
    <testcase name="cron" classname="Deployment shop/api" file="k8s/api.yaml"/>
    <testcase name="old" classname="Deployment shop/api" file="k8s/api.yaml">
      <failure message="GOMEMLIMIT=&quot;900Mi&quot; is malformed: a Go program exits with code 2; write bytes or MiB" type="broken-value">k8s/api.yaml:21: Deployment shop/api, container old: GOMEMLIMIT=&quot;900Mi&quot; is malformed: a Go program exits with code 2; write bytes or MiB</failure>
    </testcase>
  </testsuite>
  <testsuite name="k8s/broken.yaml" tests="1" failures="0" errors="1">
    <testcase name="document 2" classname="k8s/broken.yaml" file="k8s/broken.yaml">
      <error message="document 2, line 6, column 11: unclosed bracket &apos;{&apos;" type="unreadable">k8s/broken.yaml:6: document 2, line 6, column 11: unclosed bracket &apos;{&apos;</error>
    </testcase>
  </testsuite>
  <testsuite name="k8s/ä %.yaml" tests="2" failures="1" errors="0">
    <testcase name="a" classname="Pod default/p" file="k8s/ä %.yaml"/>
    <testcase name="pod" classname="Pod default/p" file="k8s/ä %.yaml">
      <failure message="annotation &quot;gomemlimit.dev/ratio&quot;: &quot;&lt;lots &amp; more&gt;&quot; is not a ratio such as 0.85 or 85%; ignored" type="bad-setting">k8s/ä %.yaml:3: Pod default/p: annotation &quot;gomemlimit.dev/ratio&quot;: &quot;&lt;lots &amp; more&gt;&quot; is not a ratio such as 0.85 or 85%; ignored</failure>
    </testcase>
  </testsuite>
</testsuites>
"#
    );
}

/// Without a gate, warnings and errors fail, and notes do not.
#[test]
fn junit_without_fail_on_has_what_is_wrong() {
    let folder = manifests();
    let output = explain(folder.path(), &["-f", "k8s/api.yaml", "-o", "junit"]);
    assert_eq!((output.code, &*output.stderr), (0, ""));
    let failed: Vec<_> =
        output.stdout.split(" type=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(failed, ["invalid-limit", "broken-value"]);
}

/// Names that people write are no markup, and no characters that XML has not.
#[test]
fn junit_is_xml_whatever_is_in_the_manifest() {
    let pod = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "<&\"'>"}, "spec": {"containers": [{"name": "a\u0000\u001b\uffff"}]}}"#;
    let output = run_with_stdin(&["explain", "-f", "-", "-o", "junit", "--fail-on", "no-memory-limit"], pod);
    assert_eq!(output.code, 1, "{}", output.stderr);
    assert!(
        output.stdout.contains("classname=\"Pod default/&lt;&amp;&quot;&apos;&gt;\""),
        "{}",
        output.stdout
    );
    let is_allowed = |c: char| c >= ' ' || c == '\n';
    assert!(output.stdout.chars().all(|c| is_allowed(c) && c != '\u{ffff}'), "{:?}", output.stdout);
}

/// Of a cluster there are no files.
#[test]
fn reports_are_of_manifests() {
    for format in ["sarif", "junit"] {
        let output = run(&["explain", "deployment/api", "-o", format]);
        assert_eq!(output.code, 2);
        assert!(output.stderr.contains("-f"), "{}", output.stderr);
    }
}
