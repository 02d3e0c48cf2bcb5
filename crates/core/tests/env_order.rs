//! A variable that refers to `$(GOMEMLIMIT)` is expanded only if GOMEMLIMIT comes before it.

use gomemlimit_core::{NamespaceAnnotations, Policy, Settings, settings::ValueKind};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{answer_in, app, patched, review_of};

fn env_after(env: Value, kind: ValueKind) -> Vec<Value> {
    let mut pod = app("1Gi");
    pod["spec"]["containers"][0]["env"] = env;
    let policy = Policy { defaults: Settings { value: kind, ..Settings::default() }, ..Policy::default() };
    let ask = |pod: &Value| answer_in(&review_of(pod), &NamespaceAnnotations::new(), &policy);
    let after = patched(&pod, &ask(&pod).patch);
    assert_eq!(ask(&after).patch, Vec::<Value>::new());
    // It stays there, also with another limit.
    let mut raised = after.clone();
    raised["spec"]["containers"][0]["resources"]["limits"]["memory"] = "2Gi".into();
    let names = |pod: &Value| -> Vec<Value> {
        let env = pod["spec"]["containers"][0]["env"].as_array().unwrap();
        env.iter().map(|variable| variable["name"].clone()).collect()
    };
    assert_eq!(names(&patched(&raised, &ask(&raised).patch)), names(&after));
    after["spec"]["containers"][0]["env"].as_array().unwrap().clone()
}

fn refers(value: &str) -> Value {
    json!({"name": "CACHE", "value": value})
}

#[rstest]
#[case::alone("$(GOMEMLIMIT)", true)]
#[case::within("--max=$(GOMEMLIMIT)B", true)]
#[case::after_an_escape("$$$(GOMEMLIMIT)", true)]
#[case::escaped("$$(GOMEMLIMIT)", false)]
#[case::another("$(GOMEMLIMIT_MIB)", false)]
#[case::shell("$GOMEMLIMIT", false)]
fn ours_comes_first_if_something_refers_to_it(#[case] value: &str, #[case] is_first: bool) {
    let other = json!({"name": "A", "value": "1"});
    let injected = json!({"name": "GOMEMLIMIT", "value": "966367641"});
    let found = env_after(json!([other, refers(value)]), ValueKind::Literal);
    let wanted = if is_first { [injected, other, refers(value)] } else { [other, refers(value), injected] };
    assert_eq!(found, wanted);
}

#[test]
fn both_variables_of_a_value_that_tracks_come_first() {
    let found = env_after(json!([refers("$(GOMEMLIMIT)")]), ValueKind::Track);
    let names: Vec<_> = found.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["GOMEMLIMIT_MIB", "GOMEMLIMIT", "CACHE"]);
}

/// An argument sees all variables, wherever they are.
#[test]
fn arguments_move_nothing() {
    let mut pod = app("1Gi");
    pod["spec"]["containers"][0]["env"] = json!([{"name": "A", "value": "1"}]);
    pod["spec"]["containers"][0]["args"] = json!(["--max=$(GOMEMLIMIT)"]);
    let answer = answer_in(&review_of(&pod), &NamespaceAnnotations::new(), &Policy::default());
    assert_eq!(answer.patch[0]["path"], "/spec/containers/0/env/-");
}
