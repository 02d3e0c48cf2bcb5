//! `gomemlimit policy` as a user runs it, and the chart's copy of what it prints.

mod cel;

use std::{fs, path::Path};

use gomemlimit::admission_policy::LIMITS;
use gomemlimit_core::{
    Settings,
    names::{OPTED_IN, OPTED_OUT},
    settings::{Engines, Setting},
};
use gomemlimit_manifest::AliasBudget;
use rstest::rstest;
use serde_json::Value;

use gomemlimit_fake_api_server::CommandOutput;

use crate::support::command::run;

const PAGE: &str = include_str!("../../docs/policy-engine.md");

fn policy(arguments: &[&str]) -> CommandOutput {
    run(&[&["policy"], arguments].concat())
}

/// The policy and its binding.
fn objects(arguments: &[&str]) -> [Value; 2] {
    let output = policy(&[arguments, &["-o", "json"]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    let list: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((&list["apiVersion"], &list["kind"]), (&"v1".into(), &"List".into()));
    list["items"].as_array().unwrap().clone().try_into().unwrap()
}

fn expression<'p>(policy: &'p Value, variable: &str) -> &'p str {
    let variables = policy["spec"]["variables"].as_array().unwrap();
    variables.iter().find(|one| one["name"] == variable).unwrap()["expression"].as_str().unwrap()
}

fn settings(arguments: &[&str]) -> Value {
    serde_json::from_str(expression(&objects(arguments)[0], "settings")).unwrap()
}

#[test]
fn the_default_is_yaml_of_a_policy_and_its_binding() {
    let output = policy(&[]);
    assert_eq!(output.code, 0);
    let documents = gomemlimit_manifest::read(&output.stdout, &mut AliasBudget::default());
    let values: Vec<_> = documents.into_iter().map(|document| document.unwrap().value).collect();
    assert_eq!(values, objects(&[]), "the same as JSON");
    for (object, kind) in values.iter().zip(["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"]) {
        assert_eq!(object["apiVersion"], "admissionregistration.k8s.io/v1");
        assert_eq!((&object["kind"], &object["metadata"]["name"]), (&kind.into(), &"gomemlimit".into()));
    }
    assert_eq!(values[1]["spec"]["policyName"], "gomemlimit");
    assert_eq!(values[0]["spec"]["failurePolicy"], "Ignore", "never refuses a pod");
}

#[test]
fn what_it_cannot_do_is_said_on_stderr_in_comments_and_on_the_page() {
    let output = policy(&[]);
    for limit in LIMITS {
        assert!(output.stderr.contains(&format!("- {limit}\n")), "{limit}");
        assert!(output.stdout.contains(&format!("# - {limit}\n")), "{limit}");
        assert!(PAGE.contains(&format!("- {limit}\n")), "{limit}");
    }
    assert_eq!(policy(&["-o", "json"]).stderr, output.stderr);
}

#[test]
fn the_defaults_are_those_of_the_core() {
    let settings = settings(&[]);
    let defaults = Settings::default();
    for setting in Setting::ALL.iter().filter(|setting| setting.engines() == Engines::All) {
        assert_eq!(settings[setting.as_str()], defaults.text(*setting), "{setting:?}");
    }
    assert_eq!([&settings["env-from"], &settings["init-containers"]], ["inject", "sidecars"]);
}

#[rstest]
#[case(&["--ratio", "85%"], "ratio", "0.85")]
#[case(&["--ratio", "0.123456"], "ratio", "0.123456")]
#[case(&["--headroom", "64Mi"], "headroom", "64Mi")]
#[case(&["--headroom", "0.1Gi"], "headroom", "107374183")]
#[case(&["--headroom", "1.5Gi"], "headroom", "1536Mi")]
#[case(&["--min-limit", "0"], "min-limit", "0")]
#[case(&["--mode", "audit"], "mode", "audit")]
#[case(&["--mode", "off"], "mode", "off")]
#[case(&["--value", "track"], "value", "track")]
#[case(&["--env-from", "skip"], "env-from", "skip")]
#[case(&["--init-containers", "all"], "init-containers", "all")]
#[case(&["--ignore-namespace-annotations"], "namespace-annotations", "ignore")]
fn a_flag_changes_one_setting_and_nothing_else(
    #[case] arguments: &[&str],
    #[case] setting: &str,
    #[case] value: &str,
) {
    let mut wanted = settings(&[]);
    wanted[setting] = value.into();
    assert_eq!(settings(arguments), wanted);
    let everything_else = |arguments: &[&str]| {
        let mut objects = objects(arguments);
        let variables = objects[0]["spec"]["variables"].as_array_mut().unwrap();
        variables.retain(|variable| variable["name"] != "settings");
        objects
    };
    assert_eq!(everything_else(arguments), everything_else(&[]));
}

#[test]
fn the_name_is_that_of_both_objects() {
    let [policy, binding] = objects(&["--name", "go.shop-1"]);
    assert_eq!([&policy["metadata"]["name"], &binding["metadata"]["name"]], ["go.shop-1", "go.shop-1"]);
    assert_eq!(binding["spec"]["policyName"], "go.shop-1");
}

#[rstest]
#[case(&["--ratio", "1.5"], "is outside 0.10 to 0.98")]
#[case(&["--headroom", "64MB"], "is not a Kubernetes quantity")]
#[case(&["--name", "Shop"], "small letters, digits, dashes and dots only")]
#[case(&["--name=-shop"], "small letters, digits, dashes and dots only")]
#[case(&["--name", ""], "small letters, digits, dashes and dots only")]
#[case(&["-o", "table"], "[possible values: yaml, json]")]
#[case(&["--policy-file", "rules.yaml"], "a MutatingAdmissionPolicy has no rules of a policy file")]
#[case(&["shop"], "unexpected argument 'shop'")]
fn wrong_usage_ends_with_two_and_one_sentence(#[case] arguments: &[&str], #[case] said: &str) {
    let output = policy(arguments);
    assert_eq!((output.code, &*output.stdout), (2, ""), "{}", output.stderr);
    assert!(output.stderr.starts_with("error: ") && output.stderr.contains(said), "{}", output.stderr);
}

#[rstest]
#[case(&["--mode", "audit"], "note: with this --mode only containers whose annotations say mode: inject get a value\n")]
#[case(&["--repair", "off"], "note: --repair has no effect on a policy\n")]
fn a_flag_that_a_policy_cannot_follow_is_said_so(#[case] arguments: &[&str], #[case] note: &str) {
    let output = policy(arguments);
    assert_eq!(output.code, 0);
    assert!(output.stderr.ends_with(note), "{}", output.stderr);
}

#[test]
fn help_has_examples() {
    let output = policy(&["--help"]);
    assert_eq!((output.code, &*output.stderr), (0, ""));
    for part in ["Examples:", "gomemlimit policy | kubectl apply -f -", "--set engine=policy", "1.36"] {
        assert!(output.stdout.contains(part), "{part}");
    }
}

#[test]
fn every_annotation_in_the_text_is_a_setting() {
    let text = policy(&[]).stdout;
    let names = Setting::ALL.iter().map(|setting| setting.as_str()).collect::<Vec<_>>();
    let keys = text.split('\'').filter_map(|text| text.strip_prefix("gomemlimit.dev/"));
    let mut count = 0;
    for key in keys.filter(|key| *key != "inject") {
        assert!(names.contains(&key), "{key}");
        count += 1;
    }
    assert!(count >= 8, "{count}");
}

/// The words on a pod by which it opts out or in are those of the core, in the policy and in the chart.
#[test]
fn the_labels_of_pods_are_those_of_the_core() {
    let [policy, binding] = objects(&[]);
    let selector = &binding["spec"]["matchResources"]["objectSelector"]["matchExpressions"][0];
    assert_eq!((&selector["operator"], &selector["values"]), (&"NotIn".into(), &OPTED_OUT.into()));
    let conditions = policy["spec"]["matchConditions"].to_string();
    for value in OPTED_OUT {
        assert!(conditions.contains(value), "{value} is not in {conditions}");
    }
    let chart = include_str!("../../charts/gomemlimit/templates/_helpers.tpl");
    for (operator, [word, boolean]) in [("NotIn", OPTED_OUT), ("In", OPTED_IN)] {
        let requirement = format!(
            "key: gomemlimit.dev/inject\n    operator: {operator}\n    values: [{word}, {boolean:?}]\n"
        );
        assert!(chart.contains(&requirement), "{requirement}");
    }
}

/// The chart installs what the command prints.
#[test]
fn the_charts_file_is_what_the_command_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/gomemlimit/files/policy.yaml");
    let printed = policy(&[]).stdout;
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &printed).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap();
    assert_eq!(
        stored, printed,
        "write it anew: UPDATE_GOLDEN=1 cargo test --test integration admission_policy"
    );
}

#[test]
fn the_pages_output_is_real() {
    let shown = PAGE.split("$ gomemlimit policy --ratio 85% --headroom 64Mi 2>/dev/null | grep -Eo").nth(1);
    let shown = shown.unwrap().split("```").next().unwrap();
    let output = policy(&["--ratio", "85%", "--headroom", "64Mi"]).stdout;
    let lines: Vec<_> = shown.lines().skip(1).collect();
    assert!(lines.len() == 2 && lines.iter().all(|line| output.contains(line)), "{lines:?}");
}
