//! `value: track`: where a value follows the limit by itself, and how it comes and goes.

use gomemlimit_core::{
    NamespaceAnnotations, Policy, Settings, names::MIB_DIVISOR, quantity, settings::ValueKind, value,
};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{DecodedResponse, answer_in, app, patched, review_of};

const STATUS: &str = "gomemlimit.dev/status";
const TRACKING: &str = "$(GOMEMLIMIT_MIB)000000";

fn tracking() -> Policy {
    Policy { defaults: Settings { value: ValueKind::Track, ..Settings::default() }, ..Policy::default() }
}

fn ask(pod: &Value, policy: &Policy) -> DecodedResponse {
    answer_in(&review_of(pod), &NamespaceAnnotations::new(), policy)
}

fn injected(pod: &Value, policy: &Policy) -> Value {
    patched(pod, &ask(pod, policy).patch)
}

fn limited(pod: &Value, limit: Option<&str>) -> Value {
    let mut pod = pod.clone();
    pod["spec"]["containers"][0]["resources"]["limits"] = json!({"memory": limit});
    pod
}

fn mib() -> Value {
    json!({"name": "GOMEMLIMIT_MIB", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}})
}

fn limit(value: &str) -> Value {
    json!({"name": "GOMEMLIMIT", "value": value})
}

fn env(pod: &Value) -> Vec<Value> {
    pod["spec"]["containers"][0]["env"].as_array().unwrap().clone()
}

fn entry(pod: &Value) -> Value {
    let status: Value =
        serde_json::from_str(pod["metadata"]["annotations"][STATUS].as_str().unwrap()).unwrap();
    status["containers"]["app"].clone()
}

#[test]
fn the_divisor_is_a_mebibyte() {
    assert_eq!(quantity::parse(MIB_DIVISOR), Ok(value::MIB));
}

#[test]
fn two_variables_in_order_and_a_status_that_says_what_they_are() {
    let after = injected(&app("1Gi"), &tracking());
    assert_eq!(env(&after), [mib(), limit(TRACKING)]);
    let note = "95.37 % of the memory limit, read anew whenever the container starts; other settings of its size do not apply";
    assert_eq!(
        entry(&after),
        json!({"value": TRACKING, "bytes": 1_024_000_000_u64, "limit": 1_u64 << 30, "kind": "track", "source": "default", "note": note})
    );
    let mut others = app("1Gi");
    others["spec"]["containers"][0]["env"] = json!([{"name": "A"}]);
    assert_eq!(env(&injected(&others, &tracking())), [json!({"name": "A"}), mib(), limit(TRACKING)]);
}

#[rstest]
#[case::whole_mi("33Mi", None)]
#[case::from_64_mi_on("67108865", None)]
#[case::odd_and_small("67108863", Some("below 64Mi and not a whole number of Mi"))]
#[case::odd_and_large("1.1Gi", None)]
fn only_where_rounding_up_leaves_room(#[case] size: &str, #[case] because: Option<&str>) {
    let after = injected(&app(size), &tracking());
    let why = entry(&after)["notTracked"].clone();
    assert_eq!(why.as_str().map(|why| why.contains(because.unwrap())), because.map(|_| true), "{why}");
    assert_eq!(env(&after).len(), if because.is_some() { 1 } else { 2 });
}

#[rstest]
#[case::pod_level(json!({"resources": {}}), "no memory limit of its own")]
#[case::variable_of_the_user(json!({"env": [{"name": "GOMEMLIMIT_MIB", "value": "7"}]}), "GOMEMLIMIT_MIB of its own")]
#[case::even_one_like_ours(json!({"env": [mib()]}), "GOMEMLIMIT_MIB of its own")]
fn else_a_literal_that_says_why(#[case] container: Value, #[case] because: &str) {
    let mut pod = app("1Gi");
    pod["spec"]["resources"] = json!({"limits": {"memory": "1Gi"}});
    pod["spec"]["containers"][0].as_object_mut().unwrap().extend(container.as_object().cloned().unwrap());
    let after = injected(&pod, &tracking());
    let entry = entry(&after);
    assert_eq!(
        (&entry["value"], &entry["kind"], &entry["ratio"]),
        (&"966367641".into(), &"literal".into(), &"0.9".into())
    );
    assert!(entry["notTracked"].as_str().unwrap().contains(because), "{entry}");
    assert_eq!(*env(&after).last().unwrap(), limit("966367641"));
    assert_eq!(ask(&after, &tracking()).patch.len(), 0);
}

#[test]
fn the_minimum_holds_and_the_ratio_does_not() {
    let answer = ask(&app("16Mi"), &tracking());
    assert_eq!(answer.decisions["containers"]["app"]["skipped"], "below-minimum");
    let mut pod = app("1Gi");
    // No warning about a headroom that has no part in it.
    pod["metadata"]["annotations"] = json!({"gomemlimit.dev/headroom": "1Gi", "gomemlimit.dev/ratio": "0.5"});
    let answer = ask(&pod, &tracking());
    assert_eq!(
        (&answer.decisions["containers"]["app"]["value"], answer.warnings.len()),
        (&TRACKING.into(), 0)
    );
}

#[test]
fn another_limit_changes_the_status_only() {
    let before = injected(&app("1Gi"), &tracking());
    let raised = limited(&before, Some("2Gi"));
    let answer = ask(&raised, &tracking());
    assert_eq!(answer.patch.len(), 1, "{:?}", answer.patch);
    let after = patched(&raised, &answer.patch);
    assert_eq!(env(&after), env(&before));
    assert_eq!(
        (&entry(&after)["limit"], &entry(&after)["bytes"]),
        (&(2_u64 << 30).into(), &2_048_000_000_u64.into())
    );
    assert_eq!(ask(&after, &tracking()).patch.len(), 0);
}

#[test]
fn settings_switch_our_own_value_and_nobody_elses() {
    let mut pod = app("1Gi");
    let (a, b) = (json!({"name": "A"}), json!({"name": "B", "value": "$(GOMEMLIMIT)"}));
    pod["spec"]["containers"][0]["env"] = json!([a]);
    let mut literal = injected(&pod, &Policy::default());
    literal["spec"]["containers"][0]["env"].as_array_mut().unwrap().push(b.clone());
    let tracks = injected(&literal, &tracking());
    assert_eq!(env(&tracks), [a.clone(), mib(), limit(TRACKING), b.clone()]);
    let back = injected(&tracks, &Policy::default());
    assert_eq!(env(&back), [a, limit("966367641"), b]);
    assert_eq!(env(&back), env(&literal));

    // Without its status, or in another order, the pair is the user's.
    let mut foreign = tracks.clone();
    foreign["metadata"]["annotations"] = json!({});
    assert_eq!(ask(&foreign, &Policy::default()).decisions["containers"]["app"]["skipped"], "already-set");
    let mut swapped = tracks.clone();
    swapped["spec"]["containers"][0]["env"].as_array_mut().unwrap().swap(1, 2);
    assert_eq!(ask(&swapped, &Policy::default()).decisions["containers"]["app"]["skipped"], "already-set");
    let mut other = tracks;
    other["spec"]["containers"][0]["env"][1]["valueFrom"]["resourceFieldRef"]["divisor"] = "1".into();
    assert_eq!(ask(&other, &Policy::default()).decisions["containers"]["app"]["skipped"], "already-set");
}

#[test]
fn a_limit_that_cannot_be_tracked_makes_it_a_literal_again() {
    let tracks = injected(&app("1Gi"), &tracking());
    let odd = injected(&limited(&tracks, Some("50000001")), &tracking());
    assert_eq!(env(&odd), [limit("45000000")]);
    assert!(entry(&odd)["notTracked"].as_str().unwrap().contains("64Mi"));
}

#[test]
fn a_limit_that_goes_away_is_reported() {
    let tracks = injected(&app("1Gi"), &tracking());
    let answer = ask(&limited(&tracks, None), &tracking());
    assert_eq!(answer.patch.len(), 0);
    assert!(answer.warnings[0].contains("becomes the node's size"), "{:?}", answer.warnings);
    // Opted out, it goes on following the limit: nothing is wrong.
    let mut out = limited(&tracks, Some("2Gi"));
    out["metadata"]["labels"] = json!({"gomemlimit.dev/inject": "disabled"});
    assert_eq!(ask(&out, &tracking()).warnings, [] as [&str; 0]);
}

#[test]
fn a_resize_says_nothing_about_a_value_that_tracks() {
    let old = injected(&app("1Gi"), &tracking());
    let mut review: Value = serde_json::from_slice(&review_of(&limited(&old, Some("2Gi")))).unwrap();
    review["request"]["operation"] = "UPDATE".into();
    review["request"]["subResource"] = "resize".into();
    review["request"]["oldObject"] = old;
    let answer = answer_in(&serde_json::to_vec(&review).unwrap(), &NamespaceAnnotations::new(), &tracking());
    assert_eq!((answer.patch.len(), answer.warnings.len()), (0, 0));
}

proptest! {
    /// What kubelet makes of it stays below 98 % of the limit, and what Go reads is a number.
    #[test]
    fn what_tracks_keeps_its_distance(limit in 1_u64..1 << 62) {
        if value::is_trackable(limit) {
            let value = value::tracking_value(limit);
            prop_assert!(u128::from(value) * 100 <= u128::from(limit) * 98, "{} of {}", value, limit);
            prop_assert_eq!(value.to_string(), format!("{}000000", limit.div_ceil(1 << 20)));
        }
    }
}
