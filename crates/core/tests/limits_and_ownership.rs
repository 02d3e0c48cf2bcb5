//! Decisions that the real reviews do not reach: the limit that applies, own values, bounds, in-place resize.

use gomemlimit_core::{
    NamespaceAnnotations, Policy,
    printable::is_hidden,
    settings::{EnvFrom, InitContainers},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{answer, answer_in, app, patched, review_of};

#[test]
fn an_earlier_status_counts_once_against_the_size() {
    // The annotations are full, but most of them is an earlier status that is replaced.
    let mut pod = app("1Gi");
    pod["metadata"]["annotations"] = json!({"gomemlimit.dev/status": "x".repeat((256 << 10) - 100)});
    let answer = answer(&review_of(&pod));
    assert_eq!((answer.patch.len(), answer.warnings.len()), (2, 0));
}

/// Outcome of one container of a pod: value or reason.
fn outcome(answer: &crate::support::DecodedResponse, container: &str) -> String {
    let entry = &answer.decisions["containers"][container];
    entry.get("skipped").or(entry.get("value")).unwrap().as_str().unwrap().to_owned()
}

#[rstest]
#[case::what_the_others_leave(json!([limited("a", "600Mi"), {"name": "b"}]), json!([]), "b", "400136601")]
#[case::sidecars_count(json!([{"name": "b"}]), json!([sidecar("s", "600Mi")]), "b", "400136601")]
#[case::a_sidecar_without_its_own_shares(
    json!([{"name": "b"}]), json!([{"name": "s", "restartPolicy": "Always"}]), "b", "shared-pod-limit"
)]
#[case::init_containers_do_not_count(json!([{"name": "b"}]), json!([limited("i", "600Mi")]), "b", "966367641")]
#[case::nothing_left(json!([limited("a", "1Gi"), {"name": "b"}]), json!([]), "b", "shared-pod-limit")]
#[case::an_invalid_limit_beside_it(json!([limited("a", "9Ei"), {"name": "b"}]), json!([]), "b", "invalid-limit")]
#[case::zero_is_no_limit(json!([limited("a", "0"), {"name": "b"}]), json!([]), "b", "shared-pod-limit")]
#[case::an_init_container_gets_no_share(json!([{"name": "b"}]), json!([{"name": "i"}]), "i", "shared-pod-limit")]
fn pod_level_limits(#[case] main: Value, #[case] init: Value, #[case] container: &str, #[case] wanted: &str) {
    let pod = json!({"metadata": {"name": "p"}, "spec": {
        "resources": {"limits": {"memory": "1Gi"}}, "containers": main, "initContainers": init,
    }});
    let policy = Policy { init_containers: InitContainers::All, ..Policy::default() };
    let answer = answer_in(&review_of(&pod), &NamespaceAnnotations::new(), &policy);
    assert_eq!(outcome(&answer, container), wanted);
}

/// Right-to-left overrides and what nobody sees show as escapes, wherever somebody reads them; values stay what they are.
#[test]
fn names_that_are_not_what_they_seem_are_escaped() {
    let hostile = "a\u{202e}b\u{2066}\u{200b}\u{feff}\u{2028}\u{9b}";
    let pod = json!({
        "metadata": {"annotations": {"gomemlimit.dev/ratio": hostile, "gomemlimit.dev/mode.x\u{202e}": "inject"}},
        "spec": {"containers": [{
            "name": hostile, "resources": {"limits": {"memory": "1Gi"}}, "env": [{"name": "GOMEMLIMIT", "value": hostile}],
        }, {"name": "\u{202e}", "resources": {"limits": {"memory": "1Gi"}}}]},
    });
    let answer = answer(&review_of(&pod));
    let warnings = answer.warnings.join("\n");
    assert!(warnings.contains(r"a\u{202e}b\u{2066}\u{200b}\u{feff}\u{2028}\u{9b}"), "{warnings}");
    assert!(answer.decisions["containers"][hostile].is_object(), "{}", answer.decisions);
    let pod = patched(&pod, &answer.patch);
    let status = pod["metadata"]["annotations"]["gomemlimit.dev/status"].as_str().unwrap();
    assert!(status.contains(r"\u202e") && !status.contains(is_hidden), "{status}");
    assert!(crate::support::answer(&review_of(&pod)).patch.is_empty(), "what was written is known again");
}

/// The worst file and the worst pods: what is not compared does not count, and the pod is decided about.
#[test]
fn a_pod_that_takes_too_long_to_compare_is_told_of() {
    let policy = |patterns: &[String]| {
        let rules =
            json!({"rules": [{"name": "off", "match": {"images": patterns}, "set": {"mode": "off"}}]});
        Policy { rules: serde_json::from_value(rules).unwrap(), ..Policy::default() }
    };
    let pod = |count: usize, image: &str| {
        let containers: Vec<_> = (0..count)
            .map(|at| json!({"name": format!("c{at}"), "image": image, "resources": {"limits": {"memory": "1Gi"}}}))
            .collect();
        review_of(&json!({"spec": {"containers": containers}}))
    };
    let slow: Vec<_> = (0..127).map(|_| format!("*{}?{}b", "a".repeat(255), "a".repeat(200))).collect();
    let answer = |policy: &Policy, review: Vec<u8>| answer_in(&review, &NamespaceAnnotations::new(), policy);
    let worst = answer(&policy(&slow), pod(400, &"a".repeat(512)));
    assert_eq!(outcome(&worst, "c0"), "966367641");
    let warning =
        "the pod is too large to be compared with all rules; those that were not compared do not count";
    assert!(worst.warnings.iter().any(|one| one.ends_with(warning)), "{:?}", worst.warnings);
    // 500 patterns and 40 containers are nothing unusual.
    let usual: Vec<_> = (0..500).map(|at| format!("*/team-{at}/program:v1.?.*")).collect();
    let many = answer(&policy(&usual), pod(40, "registry.example/team-499/program:v1.2.3"));
    assert_eq!((outcome(&many, "c39").as_str(), many.warnings.len()), ("opted-out", 0));
}

fn limited(name: &str, limit: &str) -> Value {
    json!({"name": name, "resources": {"limits": {"memory": limit}}})
}

fn sidecar(name: &str, limit: &str) -> Value {
    json!({"name": name, "restartPolicy": "Always", "resources": {"limits": {"memory": limit}}})
}

#[rstest]
#[case::node_selector(json!({"nodeSelector": {"kubernetes.io/os": "windows"}}), "windows")]
#[case::os(json!({"os": {"name": "windows"}}), "windows")]
#[case::linux(json!({"os": {"name": "linux"}, "nodeSelector": {"kubernetes.io/os": "linux"}}), "966367641")]
fn windows(#[case] spec: Value, #[case] wanted: &str) {
    let mut pod = app("1Gi");
    pod["spec"].as_object_mut().unwrap().extend(spec.as_object().cloned().unwrap());
    assert_eq!(outcome(&answer(&review_of(&pod)), "app"), wanted);
}

#[rstest]
#[case::flag(json!({"args": ["--auto-gomemlimit"]}), "self-managed")]
#[case::flag_with_value(json!({"command": ["prometheus", "--auto-gomemlimit.ratio=0.8"]}), "self-managed")]
#[case::switched_off(json!({"args": ["--auto-gomemlimit.ratio=0.8", "--no-auto-gomemlimit"]}), "966367641")]
#[case::false_flag(json!({"args": ["--auto-gomemlimit=false"]}), "966367641")]
#[case::env(json!({"env": [{"name": "AUTOMEMLIMIT", "value": "0.9"}]}), "self-managed")]
#[case::env_from_elsewhere(json!({"env": [{"name": "AUTOMEMLIMIT", "valueFrom": {}}]}), "self-managed")]
#[case::env_off(json!({"env": [{"name": "AUTOMEMLIMIT", "value": "off"}]}), "966367641")]
#[case::env_despite_a_false_flag(
    json!({"env": [{"name": "AUTOMEMLIMIT", "value": "0.9"}], "args": ["--auto-gomemlimit=false"]}), "self-managed"
)]
#[case::a_script_that_mentions_it(
    json!({"args": ["-c", format!("# {}\nexec app --auto-gomemlimit", "x".repeat(500))]}), "966367641"
)]
fn self_managed(#[case] container: Value, #[case] wanted: &str) {
    let mut pod = app("1Gi");
    pod["spec"]["containers"][0].as_object_mut().unwrap().extend(container.as_object().cloned().unwrap());
    assert_eq!(outcome(&answer(&review_of(&pod)), "app"), wanted);
}

/// The words that the chart's selectors know are those of the core.
#[rstest]
#[case("disabled", "opted-out", 0)]
#[case("false", "opted-out", 0)]
#[case("enabled", OURS, 0)]
#[case("true", OURS, 0)]
#[case("no", OURS, 1)]
#[case("", OURS, 1)]
#[case("False", OURS, 1)]
fn labels_of_a_pod(#[case] value: &str, #[case] wanted: &str, #[case] warnings: usize) {
    let mut pod = app("1Gi");
    pod["metadata"]["labels"] = json!({"gomemlimit.dev/inject": value});
    let answer = answer(&review_of(&pod));
    assert_eq!(
        (&*outcome(&answer, "app"), answer.warnings.len()),
        (wanted, warnings),
        "{:?}",
        answer.warnings
    );
}

/// The pod after our answer.
fn injected(pod: &Value) -> Value {
    patched(pod, &answer(&review_of(pod)).patch)
}

const OURS: &str = "966367641";

#[rstest]
#[case::twice(json!([{"name": "GOMEMLIMIT", "value": OURS}, {"name": "GOMEMLIMIT", "value": OURS}]))]
#[case::with_value_from(json!([{"name": "GOMEMLIMIT", "value": OURS, "valueFrom": {"fieldRef": {"fieldPath": "a"}}}]))]
#[case::written_differently(json!([{"name": "GOMEMLIMIT", "value": "0966367641"}]))]
fn only_a_single_plain_value_is_ours(#[case] env: Value) {
    let mut pod = injected(&app("1Gi"));
    pod["spec"]["containers"][0]["env"] = env;
    pod["spec"]["containers"][0]["resources"]["limits"]["memory"] = "2Gi".into();
    let answer = answer(&review_of(&pod));
    assert_eq!((answer.patch.len(), &*outcome(&answer, "app")), (0, "already-set"));
}

#[rstest]
#[case::with_a_sign("value", json!("+966367641"))]
#[case::as_a_number("value", json!(966_367_641))]
#[case::of_another_kind("kind", json!("track"))]
fn a_record_must_say_exactly_what_we_write(#[case] field: &str, #[case] value: Value) {
    let mut pod = injected(&app("1Gi"));
    let annotation = &mut pod["metadata"]["annotations"]["gomemlimit.dev/status"];
    let mut status: Value = serde_json::from_str(annotation.as_str().unwrap()).unwrap();
    status["containers"]["app"][field] = value;
    *annotation = status.to_string().into();
    pod["spec"]["containers"][0]["resources"]["limits"]["memory"] = "2Gi".into();
    assert_eq!(outcome(&answer(&review_of(&pod)), "app"), "already-set");
}

#[test]
fn a_value_of_ours_stays_ours_while_its_container_is_skipped() {
    let mut pod = app("1Gi");
    pod["spec"]["containers"].as_array_mut().unwrap().push(limited("other", "1Gi"));
    let mut pod = injected(&pod);
    let limit = |pod: &mut Value, container: usize, limit: Value| {
        pod["spec"]["containers"][container]["resources"]["limits"] = json!({"memory": limit});
    };
    // The other one changes while app has no limit: app's value stays, with a warning.
    limit(&mut pod, 0, Value::Null);
    limit(&mut pod, 1, "2Gi".into());
    let between = answer(&review_of(&pod));
    assert_eq!(outcome(&between, "app"), "no-memory-limit");
    assert!(between.warnings[0].contains("GOMEMLIMIT=966367641 was injected for a limit of 1Gi"));
    let mut pod = patched(&pod, &between.patch);
    limit(&mut pod, 0, "512Mi".into());
    let after = answer(&review_of(&pod));
    assert_eq!(outcome(&after, "app"), "483183820");
    assert_eq!(patched(&pod, &after.patch)["spec"]["containers"][0]["env"][0]["value"], "483183820");
}

#[rstest]
#[case::opted_out(json!({"gomemlimit.dev/mode": "off"}), "512Mi", 1)]
#[case::opted_out_but_it_fits(json!({"gomemlimit.dev/mode": "off"}), "1Gi", 0)]
#[case::below_minimum(json!({}), "16Mi", 1)]
fn a_value_left_behind_is_reported(#[case] annotations: Value, #[case] limit: &str, #[case] warnings: usize) {
    let mut pod = injected(&app("1Gi"));
    let own = pod["metadata"]["annotations"].as_object_mut().unwrap();
    own.extend(annotations.as_object().cloned().unwrap());
    pod["spec"]["containers"][0]["resources"]["limits"]["memory"] = limit.into();
    let answer = answer(&review_of(&pod));
    assert_eq!((answer.patch.len(), answer.warnings.len()), (0, warnings), "{:?}", answer.warnings);
}

#[test]
fn env_from_skip_does_not_touch_what_is_ours() {
    let mut pod = injected(&app("1Gi"));
    pod["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "a"}}]);
    pod["spec"]["containers"][0]["resources"]["limits"]["memory"] = "2Gi".into();
    let policy = Policy { env_from: EnvFrom::Skip, ..Policy::default() };
    let answer = answer_in(&review_of(&pod), &NamespaceAnnotations::new(), &policy);
    assert_eq!(outcome(&answer, "app"), "1932735283");
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    let pod = r#"{"metadata":{"annotations":{"gomemlimit.dev/ratio":"0.5","gomemlimit.dev/ratio":"0.8"}},
        "spec":{"containers":[{"name":"app","resources":{"limits":{"memory":"1Gi"}}}]}}"#;
    let body = String::from_utf8(review_of(&json!("POD"))).unwrap().replace("\"POD\"", pod);
    assert_eq!(outcome(&answer(body.as_bytes()), "app"), "858993459");
}

/// A resize from one pair of limits to another: warnings.
fn resize(old: &Value, new: &Value) -> Vec<String> {
    let mut review: Value = serde_json::from_slice(&review_of(new)).unwrap();
    review["request"]["operation"] = "UPDATE".into();
    review["request"]["subResource"] = "resize".into();
    review["request"]["oldObject"] = old.clone();
    let answer = answer(&serde_json::to_vec(&review).unwrap());
    assert_eq!((answer.patch.len(), &answer.decisions["skipped"]), (0, &"not-create".into()));
    answer.warnings
}

#[test]
fn a_resize_warns_where_the_limit_that_applies_moves_under_a_literal() {
    let with = |limit: &str, value: Value| {
        let mut pod = app(limit);
        pod["spec"]["containers"][0]["env"] = json!([{"name": "GOMEMLIMIT", "value": value}]);
        pod
    };
    let literal = |limit: &str| with(limit, OURS.into());
    assert_eq!(resize(&literal("1Gi"), &literal("2Gi")).len(), 1);
    assert_eq!(resize(&literal("1Gi"), &app("2Gi")).len(), 1, "the new object need not repeat env");
    assert_eq!(resize(&literal("1Gi"), &literal("1024Mi")), [] as [&str; 0], "the same limit");
    assert_eq!(resize(&app("1Gi"), &app("2Gi")), [] as [&str; 0], "no GOMEMLIMIT");
    assert_eq!(resize(&with("1Gi", "off".into()), &app("2Gi")), [] as [&str; 0]);
    assert_eq!(resize(&with("1Gi", "$(X)".into()), &app("2Gi")), [] as [&str; 0]);

    let pod_level = |limit: &str| {
        let mut pod = literal("1Gi");
        pod["spec"]["containers"][0]["resources"] = json!({});
        pod["spec"]["resources"] = json!({"limits": {"memory": limit}});
        pod
    };
    assert_eq!(resize(&pod_level("1Gi"), &pod_level("512Mi")).len(), 1);
}

#[rstest]
#[case::containers(json!({"spec": {"containers": vec![json!({}); 1001]}}))]
#[case::settings(json!({"metadata": {"annotations": (0..1001).map(|n| (format!("gomemlimit.dev/{n}"), json!("x"))).collect::<serde_json::Map<_, _>>()}}))]
fn more_than_any_real_pod_has_is_left_alone(#[case] pod: Value) {
    let answer = answer(&review_of(&pod));
    assert_eq!(answer.patch.len(), 0);
    assert!(answer.warnings[0].contains("more than 1000"), "{:?}", answer.warnings);
}

#[test]
fn a_reference_beside_an_invalid_limit_is_not_called_missing() {
    let mut pod = app("9Ei");
    pod["spec"]["containers"][0]["env"] =
        json!([{"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}}]);
    assert_eq!(answer(&review_of(&pod)).warnings, [] as [&str; 0]);
}
