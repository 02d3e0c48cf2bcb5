//! `inject -f -` as a KRM function: a `ResourceList` in and out, as kustomize and kpt hand it over.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::command::run_with_stdin;

const LIST: &str = r"apiVersion: config.kubernetes.io/v1
kind: ResourceList
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata:
    name: api
    namespace: shop
    annotations:
      config.kubernetes.io/index: '0'
      internal.config.kubernetes.io/index: '1'
      internal.config.kubernetes.io/path: 'k8s/api.yaml'
  spec:
    template:
      spec:
        containers:
        - name: api # the Go one
          resources:
            limits:
              memory: 1Gi
        - name: envoy
        - name: old
          resources: {limits: {memory: 128MiB}}
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: c}
functionConfig:
  apiVersion: v1
  kind: ConfigMap
  data: {}
";

/// The list that comes out, read.
fn list(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn env(list: &Value) -> &Value {
    &list["items"][0]["spec"]["template"]["spec"]["containers"][0]["env"]
}

#[test]
fn items_get_values_and_results_report_them() {
    let output = run_with_stdin(&["inject", "-f", "-"], LIST);
    assert_eq!(output.code, 0, "{}", output.stderr);
    // Nothing else is changed: comments stay.
    for line in LIST.lines() {
        assert!(output.stdout.lines().any(|other| other == line), "{line}: {}", output.stdout);
    }
    let list = list(&output.stdout);
    assert_eq!(env(&list), &json!([{"name": "GOMEMLIMIT", "value": "966367641"}]));
    let results = list["results"].as_array().unwrap();
    assert_eq!(results.len(), 3, "{list:#}");
    assert_eq!(
        results[0],
        json!({
            "message": "container api: GOMEMLIMIT=966367641 (injected)",
            "severity": "info",
            "resourceRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api", "namespace": "shop"},
            "field": {"path": "spec.template.spec.containers[0]"},
            "file": {"path": "k8s/api.yaml", "index": 1},
        })
    );
    assert_eq!(results[1]["severity"], "info");
    assert_eq!(results[2]["severity"], "warning");
    assert!(results[2]["message"].as_str().unwrap().contains("did you mean 128Mi?"), "{}", results[2]);
}

/// What a person need not act on is no result, and is not on stderr.
#[test]
fn a_quiet_function_reports_what_is_wrong() {
    let output = run_with_stdin(&["inject", "-q", "-f", "-"], LIST);
    assert_eq!((output.code, &*output.stderr), (0, ""));
    let list = list(&output.stdout);
    assert_eq!(list["results"].as_array().unwrap().len(), 1, "{list:#}");
    let sound = LIST.replace("128MiB", "128Mi");
    let output = run_with_stdin(&["inject", "-q", "-f", "-"], &sound);
    assert!(!output.stdout.contains("results"), "{}", output.stdout);
}

#[test]
fn a_second_function_adds_its_results() {
    let first = run_with_stdin(&["inject", "-f", "-"], LIST).stdout;
    let second = run_with_stdin(&["inject", "-f", "-"], &first).stdout;
    let list = list(&second);
    let results = list["results"].as_array().unwrap();
    assert_eq!(results.len(), 4, "{list:#}");
    assert!(results[3]["message"].as_str().unwrap().ends_with("(kept)"), "{list:#}");
    assert_eq!(run_with_stdin(&["inject", "-f", "-"], &second).stdout, second, "nothing is said twice");
}

#[rstest]
#[case::of_a_config_map("kind: ConfigMap\n  data: {ratio: '0.8'}", "858993459")]
#[case::of_a_kind_of_its_own("kind: GoMemLimit\n  spec: {ratio: 0.8}", "858993459")]
#[case::as_a_percentage("kind: GoMemLimit\n  spec: {ratio: 80%, headroom: 100Mi}", "858993459")]
#[case::by_the_name_of_a_policy_file("kind: GoMemLimit\n  spec: {minLimit: 2Gi}", "")]
#[case::by_the_name_of_a_flag(
    "kind: ConfigMap\n  data: {min-limit: 2Gi, env-from: skip, init-containers: all}",
    ""
)]
#[case::stronger_than_a_flag("kind: ConfigMap\n  data: {headroom: 512Mi}", "536870912")]
#[case::without_settings("kind: GoMemLimit", "966367641")]
fn settings_come_from_the_function_config(#[case] config: &str, #[case] value: &str) {
    let text = LIST.replace("kind: ConfigMap\n  data: {}", config);
    let output = run_with_stdin(&["inject", "-f", "-", "--headroom", "1Mi"], &text);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let list = list(&output.stdout);
    let env = env(&list);
    assert_eq!(env[0]["value"].as_str().unwrap_or_default(), value, "{list:#}");
}

#[rstest]
#[case::name(
    "data: {ration: '0.8'}",
    "document 1, line 30, column 10: functionConfig: data: there is no setting \"ration\"; one of ratio, headroom,"
)]
#[case::value("data: {ratio: '8'}", "line 30, column 17: functionConfig: data: ratio: \"8\": ")]
#[case::another_name(
    "data:\n    ratio: '0.8'\n    # A comment.\n    ration: '0.8'",
    "line 33, column 5: functionConfig: data: there is no setting \"ration\""
)]
#[case::word(
    "data: {env-from: maybe}",
    "functionConfig: data: env-from: \"maybe\": is neither `inject` nor `skip`"
)]
#[case::list("data: [ratio]", "line 30, column 9: functionConfig: data is not a mapping")]
#[case::kind("data: {ratio: [0.8]}", "functionConfig: data: ratio is neither a text nor a number")]
fn a_function_config_that_is_not_understood_fails(#[case] config: &str, #[case] sentence: &str) {
    let output = run_with_stdin(&["inject", "-f", "-"], &LIST.replace("data: {}", config));
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains(sentence), "{}", output.stderr);
    assert!(!output.stdout.contains("GOMEMLIMIT"), "{}", output.stdout);
}

/// A pod that cannot be decided is an error in the results, too; the others are done.
#[test]
fn an_item_that_cannot_be_decided_is_an_error() {
    let text = LIST.replace("        - name: envoy\n", "        - name: envoy\n          args: [8080]\n").replace(
        "functionConfig",
        "- apiVersion: v1\n  kind: Pod\n  metadata: {name: p}\n  spec:\n    containers:\n    - {name: a, resources: {limits: {memory: \
         1Gi}}}\nfunctionConfig",
    );
    let output = run_with_stdin(&["inject", "-f", "-"], &text);
    assert_eq!(output.code, 2);
    let list = list(&output.stdout);
    assert_eq!(list["items"][2]["spec"]["containers"][0]["env"][0]["value"], "966367641");
    let errors = list["results"].as_array().unwrap().iter().filter(|result| result["severity"] == "error");
    assert_eq!(errors.count(), 1, "{list:#}");
}

/// The same with objects instead of text.
#[test]
fn a_list_of_json_has_results() {
    let json = list(LIST).to_string();
    for arguments in [&["inject", "-f", "-"][..], &["inject", "-f", "-", "-o", "json"]] {
        let output = run_with_stdin(arguments, &json);
        assert_eq!(output.code, 0, "{}", output.stderr);
        let list: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(env(&list)[0]["value"], "966367641");
        assert_eq!(list["results"].as_array().unwrap().len(), 3, "{list:#}");
    }
}

/// What is written does not depend on whether the list has a place for it.
#[rstest]
#[case::none("")]
#[case::nothing("results:\n")]
#[case::null("results: null\n")]
#[case::empty("results: []\n")]
#[case::of_another_function("results:\n- message: of another\n  severity: info\n")]
fn results_are_added_to_what_is_there(#[case] earlier: &str) {
    let output = run_with_stdin(&["inject", "-f", "-"], &format!("{LIST}{earlier}"));
    assert_eq!(output.code, 0, "{}", output.stderr);
    let list = list(&output.stdout);
    let messages: Vec<_> =
        list["results"].as_array().unwrap().iter().map(|one| one["message"].as_str().unwrap()).collect();
    let own = messages.iter().position(|one| one.starts_with("container api: ")).unwrap();
    assert_eq!((own, messages.len() - own), (usize::from(earlier.contains("another")), 3), "{list:#}");
}
