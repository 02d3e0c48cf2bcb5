//! An `envFrom` that may define GOMEMLIMIT: overridden by a value in env, or respected.

use gomemlimit_core::{
    NamespaceAnnotations, Policy, Settings,
    settings::{EnvFrom, Repair},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{DecodedResponse, answer, answer_in, app, patched, review_of};

#[test]
fn an_env_from_that_may_define_it_is_overridden_or_respected() {
    let with = |sources: Value| {
        let mut pod = app("1Gi");
        pod["spec"]["containers"][0]["envFrom"] = sources;
        pod
    };
    let ask = |pod: &Value, env_from| {
        let policy = Policy { env_from, ..Policy::default() };
        answer_in(&review_of(pod), &NamespaceAnnotations::new(), &policy).decisions["containers"]["app"]
            .clone()
    };
    let any = with(json!([{"configMapRef": {"name": "a"}}]));
    assert_eq!(ask(&any, EnvFrom::Inject)["value"], "966367641");
    assert_eq!(ask(&any, EnvFrom::Inject)["envFrom"], "overridden");
    assert_eq!(ask(&any, EnvFrom::Skip), json!({"skipped": "already-set", "envFrom": "respected"}));
    let prefixed = with(json!([{"prefix": "DB_", "secretRef": {"name": "a"}}]));
    assert_eq!(ask(&prefixed, EnvFrom::Skip)["value"], "966367641");
}

/// The status of a later answer is that of a first one.
#[rstest]
#[case::another_limit("2Gi", json!([]))]
#[case::the_same_limit("1Gi", json!([]))]
#[case::beside_a_container_that_changes("1Gi", json!([{"name": "other", "resources": {"limits": {"memory": "3Gi"}}}]))]
#[case::repaired("2Gi", json!([{"name": "repair", "env": [{"name": "GOMEMLIMIT", "value": "0"}]}]))]
fn an_update_keeps_what_the_status_has_of_an_env_from(#[case] limit: &str, #[case] others: Value) {
    let policy =
        Policy { defaults: Settings { repair: Repair::Fix, ..Settings::default() }, ..Policy::default() };
    let ask = |pod: &Value| answer_in(&review_of(pod), &NamespaceAnnotations::new(), &policy);
    let sources = json!([{"configMapRef": {"name": "a"}}]);
    let mut pod = app("1Gi");
    let containers = pod["spec"]["containers"].as_array_mut().unwrap();
    containers.extend(others.as_array().unwrap().clone());
    for container in containers {
        container["envFrom"] = sources.clone();
        if container["resources"].is_null() {
            container["resources"] = json!({"limits": {"memory": "1Gi"}});
        }
    }
    let set_limits = |pod: &mut Value| {
        for container in pod["spec"]["containers"].as_array_mut().unwrap() {
            container["resources"]["limits"]["memory"] = limit.into();
        }
    };
    let mut fresh = pod.clone();
    set_limits(&mut fresh);
    let first = ask(&fresh);
    let mut later = patched(&pod, &ask(&pod).patch);
    set_limits(&mut later);
    let update = ask(&later);
    assert_eq!(first.decisions["containers"]["app"]["envFrom"], "overridden");
    assert_eq!(update.decisions["containers"], first.decisions["containers"]);
    let status = |pod: &Value, answer: &DecodedResponse| {
        let pod = patched(pod, &answer.patch);
        let text = pod["metadata"]["annotations"]["gomemlimit.dev/status"].as_str().unwrap();
        serde_json::from_str::<Value>(text).unwrap()["containers"].clone()
    };
    assert_eq!(status(&later, &update), status(&fresh, &first));
}

#[rstest]
#[case::self_managed("1Gi", json!({"args": ["--auto-gomemlimit"]}), "self-managed")]
#[case::below_minimum("16Mi", json!({}), "below-minimum")]
#[case::no_limit("0", json!({}), "no-memory-limit")]
fn an_env_from_is_not_overridden_without_a_value(
    #[case] limit: &str,
    #[case] more: Value,
    #[case] reason: &str,
) {
    let mut pod = app(limit);
    let container = pod["spec"]["containers"][0].as_object_mut().unwrap();
    container.insert("envFrom".to_owned(), json!([{"configMapRef": {"name": "a"}}]));
    container.extend(more.as_object().unwrap().clone());
    assert_eq!(answer(&review_of(&pod)).decisions["containers"]["app"], json!({"skipped": reason}));
}
