//! What `explain` names: the setting that decided, the container to correct, the template, and a value that stays.

use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::Value;

use crate::support::command::run_with_stdin;

/// A namespace, and a pod in it with two containers.
const POD: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata:
  name: api
  namespace: shop
  labels: {tier: a}
  annotations: {}
spec:
  containers:
  - name: app
    resources: {limits: {memory: 1Gi}}
  - name: proxy
    resources: {limits: {memory: 1Gi}}
";

/// The reason and explanation of each container.
fn explanations(arguments: &[&str], manifest: &str) -> Vec<(String, String)> {
    let output =
        run_with_stdin(&[&["explain", "-f", "-", "-o", "json"], arguments].concat(), manifest).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let containers = output["objects"][0]["containers"].as_array().unwrap().iter();
    containers.map(|container| (text(&container["reason"]), text(&container["explanation"]))).collect()
}

#[rstest]
#[case::label(
    "labels: {",
    "labels: {gomemlimit.dev/inject: disabled, ",
    "the label \"gomemlimit.dev/inject\""
)]
#[case::mode(
    "annotations: {",
    "annotations: {gomemlimit.dev/mode: off",
    "the annotation \"gomemlimit.dev/mode\""
)]
#[case::ratio(
    "annotations: {",
    "annotations: {gomemlimit.dev/ratio: off",
    "the annotation \"gomemlimit.dev/ratio\""
)]
#[case::container(
    "annotations: {",
    "annotations: {mode.gomemlimit.dev/app: off",
    "the annotation \"mode.gomemlimit.dev/app\""
)]
#[case::namespace(
    "{name: shop}",
    "{name: shop, annotations: {gomemlimit.dev/mode: off}}",
    "the annotation \"gomemlimit.dev/mode\" of the namespace"
)]
fn the_setting_that_opted_out(#[case] before: &str, #[case] after: &str, #[case] by: &str) {
    let found = explanations(&[], &POD.replacen(before, after, 1).replace(": off", ": 'off'"));
    assert_eq!(found[0], ("opted-out".to_owned(), format!("opted out by {by}")));
    assert_eq!(found[1].0 == "opted-out", !by.ends_with("/app\""), "{found:?}");
}

#[test]
fn the_flag_or_the_rule_that_opted_out() {
    assert_eq!(explanations(&["--mode", "off"], POD)[0].1, "opted out by --mode=off");
    let policy = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        &policy,
        "rules:\n- name: no-proxies\n  match: {containers: [proxy]}\n  \
         set: {mode: 'off'}\n",
    )
    .unwrap();
    let rows = run_with_stdin(&["explain", "-f", "-", "--policy-file", policy.path().to_str().unwrap()], POD);
    let row =
        rows.stdout.lines().find(|row| row.contains(" proxy ")).unwrap_or_else(|| panic!("{}", rows.stderr));
    assert!(row.ends_with("opted out by a rule of the policy file (rule no-proxies)"), "{row}");
}

/// A container without a limit gets what the others leave of the pod's.
#[test]
fn the_container_whose_limit_is_no_quantity() {
    let pod = POD
        .replace("spec:\n", "spec:\n  resources: {limits: {memory: 4Gi}}\n")
        .replace("name: app\n    resources: {limits: {memory: 1Gi}}\n", "name: app\n")
        .replace("memory: 1Gi", "memory: 64MB");
    let of_proxy = "the memory limit \"64MB\" is not a Kubernetes quantity such as 512Mi; did you mean 64M?";
    let of_app =
        format!("what is left of the pod's memory limit is not known: in container \"proxy\", {of_proxy}");
    let invalid = |explanation: &str| ("invalid-limit".to_owned(), explanation.to_owned());
    assert_eq!(explanations(&[], &pod), [invalid(&of_app), invalid(of_proxy)]);
}

#[test]
fn a_value_that_was_injected_and_stays() {
    let injected = run_with_stdin(&["inject", "-q", "-f", "-"], POD).stdout;
    let text = injected.replace("tier: a", "gomemlimit.dev/inject: disabled");
    let rows = run_with_stdin(&["explain", "-f", "-"], &text);
    let row: Vec<_> =
        rows.stdout.lines().find(|row| row.contains(" app ")).unwrap().split("  ").map(str::trim).collect();
    let row: Vec<_> = row.into_iter().filter(|cell| !cell.is_empty()).collect();
    assert_eq!(
        row[2..],
        [
            "1Gi",
            "966367641",
            "opted-out",
            "opted out by the label \"gomemlimit.dev/inject\"; its GOMEMLIMIT was injected earlier and stays",
        ]
    );
    let report = run_with_stdin(&["explain", "-f", "-", "-o", "json"], &text).json();
    let existing = |index: usize| report["objects"][0]["containers"][index]["existing"].clone();
    let expected =
        serde_json::json!({"value": "966367641", "bytes": 966_367_641, "problem": null, "injected": true});
    assert_eq!((existing(0), existing(1)), (expected.clone(), expected));
}

/// The templates of one object differ in every report.
#[test]
fn the_template_of_an_object_that_has_several() {
    let template = |name: &str| {
        format!(
            "  - name: {name}\n    template: {{spec: {{template: {{spec: {{containers: [{{name: app}}]}}}}}}}}\n"
        )
    };
    let manifest = format!(
        "apiVersion: jobset.x-k8s.io/v1alpha2\nkind: JobSet\nmetadata: {{name: train, namespace: ml}}\nspec:\n  \
         replicatedJobs:\n{}{}",
        template("leader"),
        template("workers")
    );
    let run = |format: &str| run_with_stdin(&["explain", "-f", "-", "-o", format], &manifest);
    for format in ["table", "junit"] {
        let output = run(format).stdout;
        for name in ["leader", "workers"] {
            assert_eq!(
                output.matches(&format!("JobSet ml/train replicatedJobs[{name}]")).count(),
                1,
                "{output}"
            );
        }
    }
    let sarif = run("sarif").json();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let identities: BTreeSet<_> = results.iter().map(|one| one["partialFingerprints"].to_string()).collect();
    assert_eq!((results.len(), identities.len()), (2, 2), "{sarif}");
    let report = run("json").json();
    let templates: Vec<_> =
        report["objects"].as_array().unwrap().iter().map(|one| one["template"].as_str().unwrap()).collect();
    assert_eq!(templates, ["replicatedJobs[leader]", "replicatedJobs[workers]"]);
    let injected = run_with_stdin(&["inject", "-f", "-"], &manifest);
    assert!(
        injected.stderr.contains("JobSet ml/train replicatedJobs[workers], container app: "),
        "{}",
        injected.stderr
    );
}
