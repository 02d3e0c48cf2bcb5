//! Reviews of every wrong form, and the rules that the real reviews do not reach.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use gomemlimit_core::{
    NamespaceAnnotations, Policy, Review, Settings,
    settings::{EnvFrom, InitContainers},
};
use rstest::rstest;
use serde_json::{Value, json};

mod support;
use support::{answer, answer_in, patched, review_of};

#[rstest]
#[case::empty("")]
#[case::not_json("GOMEMLIMIT")]
#[case::truncated(r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u""#)]
#[case::array("[]")]
#[case::null("null")]
#[case::number("1")]
#[case::no_request(r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#)]
#[case::null_request(r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":null}"#)]
#[case::no_uid(r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{}}"#)]
#[case::empty_uid(r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":""}}"#)]
#[case::null_uid(r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":null}}"#)]
#[case::uid_of_wrong_type(
    r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":7}}"#
)]
#[case::review_as_array(r#"["admission.k8s.io/v1","AdmissionReview",{"uid":"u"}]"#)]
#[case::request_as_array(r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":["u"]}"#)]
#[case::two_uids(r#"{"request":{"uid":"a","uid":"b"}}"#)]
#[case::two_requests(r#"{"request":{"uid":"a"},"request":{"uid":"b"}}"#)]
#[case::trailing_text(r#"{"request":{"uid":"a"}} x"#)]
fn without_a_uid_there_is_no_answer(#[case] body: &str) {
    let error = Review::parse(body.as_bytes()).expect_err("an error").to_string();
    assert!(error.contains("AdmissionReview"), "{error}");
}

#[test]
fn deep_nesting_neither_overflows_nor_refuses() {
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let pod =
        |depth| format!(r#"{{"metadata":{{"name":"p"}},"spec":{{"containers":[],"x":{}}}}}"#, deep(depth));
    for depth in [10, 200, 1_000_000] {
        let body = String::from_utf8(review_of(&json!("POD"))).unwrap().replace("\"POD\"", &pod(depth));
        assert_eq!(answer(body.as_bytes()).patch, Vec::<Value>::new());
    }
    assert!(Review::parse(deep(1_000_000).as_bytes()).is_err());
    assert!(Review::parse("[".repeat(1_000_000).as_bytes()).is_err());
}

/// A review whose uid can be read is always allowed, unchanged, and says what is wrong.
#[rstest]
#[case::wrong_kind(json!({"kind": "Pod"}), json!({}), "expected AdmissionReview")]
#[case::wrong_version(json!({"apiVersion": "admission.k8s.io/v1beta1"}), json!({}), "v1beta1")]
#[case::other_resource(
    json!({}),
    json!({"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}}),
    "apps/v1 Deployment"
)]
#[case::object_null(json!({}), json!({"object": null}), "no object")]
#[case::object_of_wrong_type(json!({}), json!({"object": 5}), "cannot be read")]
#[case::containers_of_wrong_type(json!({}), json!({"object": {"spec": {"containers": 5}}}), "cannot be read")]
#[case::env_value_of_wrong_type(
    json!({}),
    json!({"object": {"spec": {"containers": [{"name": "a", "env": [{"name": "A", "value": 5}]}]}}}),
    "cannot be read"
)]
#[case::operation_of_wrong_type(json!({}), json!({"operation": 5}), "cannot be read")]
fn with_a_uid_it_is_allowed_with_a_warning(#[case] outer: Value, #[case] request: Value, #[case] says: &str) {
    let mut review: Value = serde_json::from_slice(&review_of(&json!({"spec": {}}))).unwrap();
    review.as_object_mut().unwrap().extend(outer.as_object().cloned().unwrap());
    review["request"].as_object_mut().unwrap().extend(request.as_object().cloned().unwrap());
    let answer = answer(&serde_json::to_vec(&review).unwrap());
    assert_eq!(answer.patch, Vec::<Value>::new());
    let [warning] = &answer.warnings[..] else { panic!("one warning, not {:?}", answer.warnings) };
    assert!(warning.contains(says), "{warning}");
}

#[rstest]
#[case::invalid_utf8(b"{\"metadata\":{\"name\":\"\xff\"}}".as_slice())]
#[case::duplicate_spec(br#"{"spec":{},"spec":{}}"#.as_slice())]
#[case::duplicate_env(br#"{"spec":{"containers":[{"name":"a","env":[],"env":[]}]}}"#.as_slice())]
// Serde reads a struct from an array, too, where a patch could not point into it.
#[case::pod_as_array(br#"[{"name":"p"},{"containers":[]}]"#.as_slice())]
#[case::spec_as_array(br#"{"spec":[[{"name":"a","resources":{"limits":{"memory":"1Gi"}}}]]}"#.as_slice())]
#[case::metadata_as_array(br#"{"metadata":["p"],"spec":{"containers":[]}}"#.as_slice())]
#[case::container_as_array(br#"{"spec":{"containers":[["app",[["1Gi"]]]]}}"#.as_slice())]
#[case::resources_as_array(br#"{"spec":{"containers":[{"name":"a","resources":[["1Gi"]]}]}}"#.as_slice())]
#[case::variable_as_array(br#"{"spec":{"containers":[{"name":"a","env":[["GOMEMLIMIT","1"]]}]}}"#.as_slice())]
#[case::lone_surrogate(br#"{"spec":{"containers":[{"name":"\ud800"}]}}"#.as_slice())]
fn an_odd_pod_is_allowed_with_a_warning(#[case] pod: &[u8]) {
    let body = review_of(&json!("POD"));
    let at = body.windows(5).position(|window| window == b"\"POD\"").unwrap();
    let body = [&body[..at], pod, &body[at + 5..]].concat();
    let answer = answer(&body);
    assert_eq!(answer.patch, Vec::<Value>::new());
    assert_eq!(answer.warnings.len(), 1, "{:?}", answer.warnings);
}

#[rstest]
#[case::update("UPDATE", "", "not-create")]
#[case::delete("DELETE", "", "not-create")]
#[case::connect("CONNECT", "exec", "not-create")]
#[case::ephemeral("UPDATE", "ephemeralcontainers", "not-create")]
#[case::sub_resource_of_create("CREATE", "binding", "not-create")]
fn only_the_creation_of_a_pod_is_patched(#[case] operation: &str, #[case] sub: &str, #[case] reason: &str) {
    let mut review: Value = serde_json::from_slice(&review_of(&app("1Gi"))).unwrap();
    review["request"]["operation"] = operation.into();
    review["request"]["subResource"] = sub.into();
    let answer = answer(&serde_json::to_vec(&review).unwrap());
    assert_eq!((answer.patch, answer.warnings), (vec![], vec![]));
    assert_eq!(answer.decisions["skipped"], reason);
}

fn app(limit: &str) -> Value {
    json!({"metadata": {"name": "p"}, "spec": {"containers": [
        {"name": "app", "resources": {"limits": {"memory": limit}}},
    ]}})
}

/// The pod with these annotations, in a namespace with those: value or reason, and the warnings.
fn decide(pod: &Value, annotations: Value, namespace: &[(&str, &str)]) -> (String, Vec<String>) {
    let mut pod = pod.clone();
    pod["metadata"]["annotations"] = annotations;
    let namespace = namespace.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let answer = answer_in(&review_of(&pod), &namespace, &Policy::default());
    let app = &answer.decisions["containers"]["app"];
    let outcome = app.get("value").or(app.get("skipped")).unwrap().as_str().unwrap().to_owned();
    (outcome, answer.warnings)
}

const MIB: u64 = 1 << 20;

/// 100 MiB, so that ratios can be read off the value.
#[rstest]
#[case::default(json!({}), &[], "90", 0)]
#[case::namespace(json!({}), &[("gomemlimit.dev/ratio", "0.8")], "80", 0)]
#[case::pod_over_namespace(json!({"gomemlimit.dev/ratio": "0.7"}), &[("gomemlimit.dev/ratio", "0.8")], "70", 0)]
#[case::container_over_pod(
    json!({"gomemlimit.dev/ratio": "0.7", "ratio.gomemlimit.dev/app": "60%"}), &[("gomemlimit.dev/ratio", "0.8")], "60", 0
)]
#[case::bad_container_degrades_to_pod(
    json!({"gomemlimit.dev/ratio": "0.7", "ratio.gomemlimit.dev/app": "60"}), &[("gomemlimit.dev/ratio", "0.8")], "70", 1
)]
#[case::bad_pod_degrades_to_namespace(json!({"gomemlimit.dev/ratio": "0.99"}), &[("gomemlimit.dev/ratio", "0.8")], "80", 1)]
#[case::bad_namespace_degrades_to_default(json!({}), &[("gomemlimit.dev/ratio", "lots")], "90", 1)]
#[case::all_bad(
    json!({"gomemlimit.dev/ratio": "x", "ratio.gomemlimit.dev/app": "y"}), &[("gomemlimit.dev/ratio", "z")], "90", 3
)]
#[case::low_ratio_is_followed_with_a_warning(json!({"gomemlimit.dev/ratio": "0.4"}), &[], "40", 1)]
#[case::headroom(json!({"gomemlimit.dev/headroom": "30Mi"}), &[], "70", 0)]
#[case::headroom_smaller_than_the_ratio_leaves(json!({"gomemlimit.dev/headroom": "5Mi"}), &[], "90", 0)]
#[case::headroom_too_large_degrades(
    json!({"gomemlimit.dev/headroom": "95Mi"}), &[("gomemlimit.dev/headroom", "20Mi")], "80", 1
)]
#[case::settings_are_looked_up_one_by_one(
    json!({"ratio.gomemlimit.dev/app": "0.95"}), &[("gomemlimit.dev/headroom", "20Mi")], "80", 0
)]
#[case::min_limit(json!({"gomemlimit.dev/min-limit": "101Mi"}), &[], "below-minimum", 0)]
#[case::min_limit_is_inclusive(json!({"gomemlimit.dev/min-limit": "100Mi"}), &[], "90", 0)]
#[case::bad_min_limit(json!({"gomemlimit.dev/min-limit": "-1"}), &[], "90", 1)]
#[case::mode_off(json!({"gomemlimit.dev/mode": "off"}), &[], "opted-out", 0)]
#[case::ratio_off(json!({"gomemlimit.dev/ratio": "off"}), &[], "opted-out", 0)]
#[case::namespace_off(json!({}), &[("gomemlimit.dev/mode", "off")], "opted-out", 0)]
#[case::pod_on_over_namespace_off(json!({"gomemlimit.dev/mode": "inject"}), &[("gomemlimit.dev/mode", "off")], "90", 0)]
#[case::ratio_over_weaker_ratio_off(json!({"ratio.gomemlimit.dev/app": "0.8", "gomemlimit.dev/ratio": "off"}), &[], "80", 0)]
#[case::mode_over_weaker_ratio_off(json!({"mode.gomemlimit.dev/app": "inject", "gomemlimit.dev/ratio": "off"}), &[], "90", 0)]
#[case::ratio_not_over_weaker_mode_off(
    json!({"ratio.gomemlimit.dev/app": "0.8", "gomemlimit.dev/mode": "off"}), &[], "opted-out", 0
)]
#[case::audit(json!({"gomemlimit.dev/mode": "audit"}), &[], "audit-mode", 0)]
#[case::bad_mode(json!({"gomemlimit.dev/mode": "Inject"}), &[], "90", 1)]
#[case::literal(json!({"gomemlimit.dev/value": "literal"}), &[], "90", 0)]
#[case::track_is_not_there_yet(json!({"gomemlimit.dev/value": "track"}), &[], "90", 1)]
#[case::repair_fix_is_not_there_yet(json!({"repair.gomemlimit.dev/app": "fix"}), &[], "90", 1)]
#[case::unknown_setting(json!({"gomemlimit.dev/ration": "0.8"}), &[], "90", 1)]
#[case::unknown_container(json!({"ratio.gomemlimit.dev/ap": "0.8"}), &[], "90", 1)]
#[case::container_setting_on_a_namespace(json!({}), &[("ratio.gomemlimit.dev/app", "0.8")], "90", 1)]
#[case::label_as_annotation(json!({"gomemlimit.dev/inject": "disabled"}), &[], "90", 1)]
#[case::namespace_with_its_label_as_annotation(json!({}), &[("gomemlimit.dev/inject", "enabled")], "90", 0)]
#[case::foreign_annotations(json!({"xgomemlimit.dev/ratio": "0.8", "a.b/ratio": "0.8"}), &[], "90", 0)]
#[case::annotations_of_odd_names(json!({".gomemlimit.dev/app": "1", "gomemlimit.dev/": "1"}), &[], "90", 2)]
fn precedence(
    #[case] pod: Value,
    #[case] namespace: &[(&str, &str)],
    #[case] wanted: &str,
    #[case] warning_count: usize,
) {
    let (outcome, warnings) = decide(&app("100Mi"), pod, namespace);
    let wanted = wanted.parse::<u64>().map_or(wanted.to_owned(), |mib| (mib * MIB).to_string());
    assert_eq!(outcome, wanted);
    assert_eq!(warnings.len(), warning_count, "{warnings:?}");
}

#[test]
fn a_warning_quotes_what_the_user_wrote_without_control_characters() {
    let text = format!("a\n\u{7}\"{}", "x".repeat(500));
    let (_, warnings) = decide(&app("1Gi"), json!({"gomemlimit.dev/ratio": text}), &[]);
    let x = "x".repeat(96);
    assert_eq!(
        warnings,
        [format!(
            r#"annotation "gomemlimit.dev/ratio": "a\n\u{{7}}\"{x}…" is not a ratio such as 0.85 or 85%; ignored"#
        )]
    );
}

#[test]
fn a_warning_quotes_the_key_too() {
    // The API server validates names of containers and annotations only after mutating webhooks.
    let mut pod = app("1Gi");
    pod["spec"]["containers"][0]["name"] = "app\n".into();
    pod["metadata"]["annotations"] =
        json!({"ratio.gomemlimit.dev/app\n": "0.4", "mode.gomemlimit.dev/app\n": "x"});
    // `answer` checks for control characters.
    assert_eq!(answer(&review_of(&pod)).warnings.len(), 2);
}

#[test]
fn warnings_stay_within_what_the_api_server_passes_on() {
    let annotations: serde_json::Map<_, _> =
        (0..200).map(|i| (format!("gomemlimit.dev/unknown-{i:0>100}"), Value::from("x"))).collect();
    // `answer` checks the limits.
    let (_, warnings) = decide(&app("1Gi"), annotations.into(), &[]);
    assert!((20..200).contains(&warnings.len()), "{}", warnings.len());
}

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

#[test]
fn annotations_at_their_size_limit_stay_valid() {
    const MOST: usize = 256 << 10;
    let mut pod = app("1Gi");
    let mut ask = |filler: usize| {
        pod["metadata"]["annotations"] = json!({"filler": "x".repeat(filler)});
        let answer = answer(&review_of(&pod));
        let after = patched(&pod, &answer.patch);
        let annotations = after["metadata"]["annotations"].as_object().unwrap();
        let size: usize = annotations.iter().map(|(k, v)| k.len() + v.as_str().unwrap().len()).sum();
        assert!(size <= MOST, "{size}");
        assert_eq!(after["spec"]["containers"][0]["env"][0]["value"], "966367641");
        (annotations.len(), answer.warnings.len(), size)
    };
    let (_, _, size) = ask(1000);
    let fits = MOST - (size - 1000);
    assert_eq!(ask(fits), (2, 0, MOST), "exactly full");
    assert_eq!((ask(fits + 1).0, ask(fits + 1).1), (1, 1), "no room: left out, with a warning");
}

#[test]
fn an_earlier_status_counts_once_against_the_size() {
    // The annotations are full, but most of them is an earlier status that is replaced.
    let mut pod = app("1Gi");
    pod["metadata"]["annotations"] = json!({"gomemlimit.dev/status": "x".repeat((256 << 10) - 100)});
    let answer = answer(&review_of(&pod));
    assert_eq!((answer.patch.len(), answer.warnings.len()), (2, 0));
}

/// Outcome of one container of a pod: value or reason.
fn outcome(answer: &support::Answer, container: &str) -> String {
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
    assert!(between.warnings[0].contains("GOMEMLIMIT=966367641 was injected for a limit of 1073741824"));
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

#[test]
fn a_broken_value_is_reported_unless_repair_is_off() {
    let mut pod = app("1Gi");
    pod["spec"]["containers"][0]["env"] = json!([{"name": "GOMEMLIMIT", "value": "900Mi"}]);
    let (outcome, warnings) = decide(&pod, json!({}), &[]);
    assert_eq!((&*outcome, warnings.len()), ("already-set", 1));
    let (outcome, warnings) = decide(&pod, json!({"gomemlimit.dev/repair": "off"}), &[]);
    assert_eq!((&*outcome, warnings.len()), ("already-set", 0));
}

#[test]
fn a_default_headroom_too_large_for_a_small_pod_falls_back_to_none() {
    let defaults = Settings { headroom: 1 << 30, ..Settings::default() };
    let policy = Policy { defaults, ..Policy::default() };
    let answer = answer_in(&review_of(&app("1Gi")), &NamespaceAnnotations::new(), &policy);
    assert_eq!(answer.decisions["containers"]["app"]["value"], "966367641");
    assert_eq!(answer.warnings.len(), 1);
}
