//! Reviews of every wrong form, settings and their precedence, warnings and their bounds.

use gomemlimit_core::{
    NamespaceAnnotations, Pod, Policy, Review, Settings,
    admission::{Patch, admit},
    quantity,
    settings::{Form, Level, Setting},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{answer, answer_in, app, patched, review_of};

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

/// A review whose uid can be read is always allowed, unchanged, with a warning about what is wrong.
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
fn with_a_uid_it_is_allowed_with_a_warning(
    #[case] outer: Value,
    #[case] request: Value,
    #[case] message: &str,
) {
    let mut review: Value = serde_json::from_slice(&review_of(&json!({"spec": {}}))).unwrap();
    review.as_object_mut().unwrap().extend(outer.as_object().cloned().unwrap());
    review["request"].as_object_mut().unwrap().extend(request.as_object().cloned().unwrap());
    let answer = answer(&serde_json::to_vec(&review).unwrap());
    assert_eq!(answer.patch, Vec::<Value>::new());
    let [warning] = &answer.warnings[..] else { panic!("one warning, not {:?}", answer.warnings) };
    assert!(warning.contains(message), "{warning}");
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
#[case::spaces_around(
    json!({"gomemlimit.dev/ratio": " 0.8 ", "gomemlimit.dev/min-limit": "1Mi  "}), &[], "90", 2
)]
#[case::space_around_a_mode(json!({"gomemlimit.dev/mode": "off "}), &[], "90", 1)]
#[case::a_line_break_after_it(json!({"gomemlimit.dev/ratio": "0.8\n"}), &[], "90", 1)]
#[case::headroom_in_bytes_is_doubtful(json!({"gomemlimit.dev/headroom": "30"}), &[], "90", 1)]
#[case::min_limit_in_milli_is_doubtful(json!({"gomemlimit.dev/min-limit": "128m"}), &[], "90", 1)]
#[case::no_headroom(json!({"gomemlimit.dev/headroom": "0"}), &[], "90", 0)]
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
#[case::track(json!({"gomemlimit.dev/value": "track"}), &[], "$(GOMEMLIMIT_MIB)000000", 0)]
#[case::literal_over_track(
    json!({"value.gomemlimit.dev/app": "literal"}), &[("gomemlimit.dev/value", "track")], "90", 0
)]
#[case::bad_value(json!({"gomemlimit.dev/value": "tracked"}), &[], "90", 1)]
#[case::bad_repair(json!({"repair.gomemlimit.dev/app": "fixed"}), &[], "90", 1)]
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

/// A patch is asked for as often as somebody likes, and changes nothing.
#[test]
fn a_patch_without_room_for_the_status_has_the_same_warning_each_time() {
    let mut pod = app("1Gi");
    pod["metadata"]["annotations"] = json!({"filler": "x".repeat((256 << 10) - 100)});
    let body = review_of(&pod);
    let admission = admit(&body, |_| NamespaceAnnotations::new(), &Policy::default()).unwrap();
    let decision = admission.outcome.decision;
    let [first, second] = [Patch::new(&decision), Patch::new(&decision)];
    assert!(first.warning.is_some());
    assert_eq!(first.warning, second.warning);
    assert_eq!(
        serde_json::to_value(first.operations).unwrap(),
        serde_json::to_value(second.operations).unwrap()
    );
    assert_eq!(decision.warnings, [first.warning.unwrap()]);
}

#[test]
fn annotations_at_their_size_limit_stay_valid() {
    const MAX: usize = 256 << 10;
    let mut pod = app("1Gi");
    let mut ask = |filler: usize| {
        pod["metadata"]["annotations"] = json!({"filler": "x".repeat(filler)});
        let answer = answer(&review_of(&pod));
        let after = patched(&pod, &answer.patch);
        let annotations = after["metadata"]["annotations"].as_object().unwrap();
        let size: usize = annotations.iter().map(|(k, v)| k.len() + v.as_str().unwrap().len()).sum();
        assert!(size <= MAX, "{size}");
        assert_eq!(after["spec"]["containers"][0]["env"][0]["value"], "966367641");
        (annotations.len(), answer.warnings.len(), size)
    };
    let (_, _, size) = ask(1000);
    let fits = MAX - (size - 1000);
    assert_eq!(ask(fits), (2, 0, MAX), "exactly full");
    assert_eq!((ask(fits + 1).0, ask(fits + 1).1), (1, 1), "no room: left out, with a warning");
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

/// The containers of the pod after the answer, with a setting at one level, which is noted if the setting makes the value.
fn spec_with(pod: &Value, level: Level, setting: Setting, text: &str) -> Value {
    let (mut pod, mut namespace, mut policy) = (pod.clone(), NamespaceAnnotations::new(), Policy::default());
    let name = setting.as_str();
    match level {
        Level::Container => {
            pod["metadata"]["annotations"] = json!({format!("{name}.gomemlimit.dev/app"): text});
        }
        Level::Pod => pod["metadata"]["annotations"] = json!({format!("gomemlimit.dev/{name}"): text}),
        Level::Rule => {
            let rules = json!({"rules": [{"name": "r", "set": {setting.camel_case(): text}}]});
            policy.rules = serde_json::from_value(rules).unwrap();
        }
        Level::Namespace => {
            namespace.insert(format!("gomemlimit.dev/{name}"), text.to_owned());
        }
        Level::Default => policy.defaults.set(setting, text).unwrap(),
    }
    let json = pod.to_string();
    let decision = gomemlimit_core::decide(&Pod::parse(&json).unwrap(), &namespace, &policy);
    if let Some(value) = decision.containers[0].outcome.value {
        let given = match setting.form() {
            Form::Quantity => json!(quantity::parse(text).unwrap()),
            Form::Ratio | Form::Words(_) => json!(text),
        };
        if json!(value.recipe)[setting.camel_case()] == given {
            assert_eq!(value.levels.of(setting), level, "{setting:?}: {text}");
        }
    }
    let patch = answer_in(&review_of(&pod), &namespace, &policy).patch;
    patched(&pod, &patch)["spec"].clone()
}

#[test]
fn every_setting_counts_at_every_level() {
    let mut broken = app("1Gi");
    broken["spec"]["containers"][0]["env"] = json!([{"name": "GOMEMLIMIT", "value": "900Mi"}]);
    for &setting in Setting::ALL {
        let texts = match setting.form() {
            Form::Ratio => vec!["0.5"],
            Form::Quantity => vec!["300Mi", "2Gi"],
            Form::Words(words) => words.into_iter().map(|(word, _)| word).collect(),
        };
        let default = Settings::default().text(setting);
        let mut counts = false;
        for (pod, text) in
            [app("1Gi"), broken.clone()].iter().flat_map(|pod| texts.iter().map(move |text| (pod, text)))
        {
            let without = spec_with(pod, Level::Default, setting, &default);
            let [first, others @ ..] = Level::ALL else { unreachable!() };
            let spec = spec_with(pod, *first, setting, text);
            counts |= spec != without;
            for level in others {
                assert_eq!(spec_with(pod, *level, setting, text), spec, "{setting:?}: {text} at {level:?}");
            }
        }
        assert!(counts, "{setting:?} changes nothing");
    }
}
