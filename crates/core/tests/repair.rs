//! `repair: fix`: what is broken is replaced by what would have been injected, everything else is left.

use gomemlimit_core::{
    NamespaceAnnotations, Policy, Rules, Settings,
    settings::{Mode, Repair, ValueKind},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{DecodedResponse, answer_in, app, patched, review_of};

const STATUS: &str = "gomemlimit.dev/status";
const SOUND: &str = "966367641";

fn fixing() -> Policy {
    Policy { defaults: Settings { repair: Repair::Fix, ..Settings::default() }, ..Policy::default() }
}

fn ask(pod: &Value, policy: &Policy) -> DecodedResponse {
    answer_in(&review_of(pod), &NamespaceAnnotations::new(), policy)
}

/// A container with a limit of 1Gi, or none, and this env.
fn with(limit: Option<&str>, env: Value) -> Value {
    let mut pod = app("1Gi");
    pod["spec"]["containers"][0]["resources"]["limits"] = json!({"memory": limit});
    pod["spec"]["containers"][0]["env"] = env;
    pod
}

fn literal(value: &str) -> Value {
    json!({"name": "GOMEMLIMIT", "value": value})
}

fn variable(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

fn from(name: &str, source: &Value) -> Value {
    json!({"name": name, "valueFrom": source})
}

/// The memory limit in MiB.
fn mib(name: &str) -> Value {
    from(name, &json!({"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}))
}

fn reference(divisor: Option<&str>) -> Value {
    json!({"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": divisor}}})
}

fn env(pod: &Value) -> Vec<Value> {
    pod["spec"]["containers"][0]["env"].as_array().unwrap().clone()
}

#[rstest]
#[case::whole_limit(json!([reference(Some("0"))]), "resourceFieldRef limits.memory, divisor 0", "at-limit", 1)]
#[case::whole_limit_without_divisor(json!([reference(None)]), "resourceFieldRef limits.memory", "at-limit", 1)]
#[case::equal_to_the_limit(json!([literal("1073741824")]), "1073741824", "at-limit", 1)]
#[case::above_98_percent(json!([literal("1010MiB")]), "1010MiB", "at-limit", 1)]
#[case::above_the_limit(json!([literal("1073741825")]), "1073741825", "above-limit", 1)]
#[case::malformed(json!([literal("900Mi")]), "900Mi", "malformed", 1)]
#[case::malformed_and_long(json!([literal(&"x".repeat(3000))]), &format!("{}…", "x".repeat(100)), "malformed", 1)]
#[case::zero(json!([literal("0")]), "0", "too-low", 1)]
#[case::below_5_percent(json!([literal("50MiB")]), "50MiB", "too-low", 1)]
#[case::wrong_order(json!([literal("$(M)MiB"), mib("M")]), "$(M)MiB", "malformed", 1)]
#[case::of_nothing(json!([literal("$(LIMIT)")]), "$(LIMIT)", "malformed", 1)]
#[case::escaped(json!([mib("M"), literal("$$(M)MiB")]), "$$(M)MiB", "malformed", 1)]
#[case::half_a_reference(json!([literal("$(M")]), "$(M", "malformed", 1)]
#[case::tracking_nothing(json!([literal("$(GOMEMLIMIT_MIB)000000")]), "$(GOMEMLIMIT_MIB)000000", "malformed", 1)]
#[case::literal_part(json!([variable("M", "512Mi"), literal("$(M)")]), "$(M)", "malformed", 1)]
#[case::redefined(json!([variable("M", "512"), variable("M", "0"), literal("$(M)MiB")]), "$(M)MiB", "too-low", 1)]
#[case::expands_the_whole(json!([mib("M"), literal("$(M)MiB")]), "$(M)MiB", "at-limit", 1)]
#[case::expands_more(json!([mib("M"), literal("$(M)0MiB")]), "$(M)0MiB", "above-limit", 1)]
#[case::twice(json!([literal("700MiB"), literal("900Mi")]), "900Mi", "malformed", 2)]
#[case::twice_over_a_reference(json!([reference(Some("1")), literal("2Gi")]), "2Gi", "malformed", 2)]
fn each_broken_kind_becomes_sound_and_ours(
    #[case] entries: Value,
    #[case] was: &str,
    #[case] problem: &str,
    #[case] count: usize,
) {
    let pod = with(Some("1Gi"), entries);
    let answer = ask(&pod, &fixing());
    assert_eq!(answer.decisions["containers"]["app"]["value"], SOUND);
    let after = patched(&pod, &answer.patch);
    let is_limit = |variable: &&Value| variable["name"] == "GOMEMLIMIT";
    let (limits, others): (Vec<_>, Vec<_>) =
        env(&after).into_iter().partition(|variable| is_limit(&variable));
    let kept = env(&pod).into_iter().filter(|variable| !is_limit(&variable));
    assert_eq!((limits, others), (vec![literal(SOUND)], kept.collect()));
    let status: Value =
        serde_json::from_str(after["metadata"]["annotations"][STATUS].as_str().unwrap()).unwrap();
    let mut repaired = json!({"was": was, "problem": problem});
    if count > 1 {
        repaired["entries"] = count.into();
    }
    assert_eq!(status["containers"]["app"]["repaired"], repaired);
    let [warning] = &answer.warnings[..] else { panic!("{:?}", answer.warnings) };
    assert!(warning.ends_with("; repaired: GOMEMLIMIT=966367641") || problem == "malformed", "{warning}");

    // Now it is an own value: nothing is left to do, it follows the limit, and the old value is recorded.
    let again = ask(&after, &Policy::default());
    assert_eq!((again.patch.len(), again.warnings.len()), (0, 0), "{:?}", again.warnings);
    let mut raised = after.clone();
    raised["spec"]["containers"][0]["resources"]["limits"]["memory"] = "2Gi".into();
    let followed = ask(&raised, &Policy::default());
    assert_eq!(followed.decisions["containers"]["app"]["value"], "1932735283");
    assert_eq!(followed.decisions["containers"]["app"]["repaired"], repaired);
}

#[rstest]
#[case::sound(json!([literal("700MiB")]), 0)]
#[case::sound_bytes(json!([literal("966367642")]), 0)]
#[case::off(json!([literal("off")]), 0)]
#[case::empty(json!([literal("")]), 0)]
#[case::expansion_of_a_literal(json!([variable("M", "700"), literal("$(M)MiB")]), 0)]
#[case::expansion_of_an_expansion(json!([variable("A", "7"), variable("B", "$(A)00M"), literal("$(B)iB")]), 0)]
#[case::expansion_of_a_config_map(json!([from("M", &json!({"configMapKeyRef": {"name": "a", "key": "b"}})), literal("$(M)MiB")]), 0)]
#[case::expansion_of_a_service(json!([literal("$(CACHE_PORT)MiB")]), 0)]
#[case::tracking_without_a_status(json!([mib("GOMEMLIMIT_MIB"), literal("$(GOMEMLIMIT_MIB)000000")]), 0)]
#[case::too_many_references(json!([variable("A", "0"), literal("$(A)$(A)$(A)$(A)$(A)$(A)$(A)$(A)$(A)")]), 0)]
#[case::config_map(json!([{"name": "GOMEMLIMIT", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}]), 0)]
#[case::secret(json!([{"name": "GOMEMLIMIT", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]), 0)]
#[case::field(json!([{"name": "GOMEMLIMIT", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]), 0)]
#[case::of_no_container(
    json!([{"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "containerName": "b"}}}]), 0
)]
#[case::cpu_of_the_node(
    json!([{"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]), 0
)]
#[case::unknown_resource(
    json!([{"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.hugepages-2Mi"}}}]), 0
)]
#[case::twice_but_the_last_is_sound(json!([literal("900Mi"), literal("700MiB")]), 1)]
#[case::twice_but_the_last_is_opaque(json!([literal("0"), from("GOMEMLIMIT", &json!({"configMapKeyRef": {"name": "a", "key": "b"}}))]), 1)]
fn sound_and_opaque_values_are_never_touched(#[case] entries: Value, #[case] warnings: usize) {
    let answer = ask(&with(Some("1Gi"), entries), &fixing());
    assert_eq!((answer.patch.len(), answer.warnings.len()), (0, warnings), "{:?}", answer.warnings);
    assert_eq!(answer.decisions["containers"]["app"], json!({"skipped": "already-set"}));
}

/// Where nothing would be injected, nothing is invented.
#[rstest]
#[case::node_size(None, reference(Some("1")), "no memory limit")]
#[case::malformed_without_a_limit(None, literal("900Mi"), "no memory limit")]
#[case::below_minimum(Some("16Mi"), reference(Some("1")), "too small")]
#[case::invalid_limit(Some("9Ei"), literal("900Mi"), "not a usable quantity")]
#[case::request_of_nothing(
    None, from("GOMEMLIMIT", &json!({"resourceFieldRef": {"resource": "requests.memory", "divisor": "1"}})), "no memory limit"
)]
fn what_cannot_be_derived_is_reported(
    #[case] limit: Option<&str>,
    #[case] entry: Value,
    #[case] expected: &str,
) {
    let answer = ask(&with(limit, json!([entry])), &fixing());
    assert_eq!(answer.patch.len(), 0);
    assert_eq!(answer.decisions["containers"]["app"], json!({"skipped": "already-set"}));
    let [warning] = &answer.warnings[..] else { panic!("{:?}", answer.warnings) };
    assert!(warning.contains("; not repaired: ") && warning.contains(expected), "{warning}");
}

#[test]
fn a_program_that_would_get_no_value_is_not_repaired() {
    let mut pod = with(Some("1Gi"), json!([literal("900Mi"), {"name": "AUTOMEMLIMIT", "value": "0.9"}]));
    let answer = ask(&pod, &fixing());
    assert_eq!(answer.decisions["containers"]["app"]["skipped"], "already-set");
    assert!(
        answer.warnings[0].ends_with("not repaired: the program sets its limit itself"),
        "{:?}",
        answer.warnings
    );

    // A reason that comes before the value is reported.
    pod["metadata"]["labels"] = json!({"gomemlimit.dev/inject": "disabled"});
    let answer = ask(&pod, &fixing());
    assert_eq!(
        (&answer.decisions["containers"]["app"]["skipped"], answer.warnings.len()),
        (&"opted-out".into(), 0)
    );

    let rules: Rules = serde_json::from_value(json!({"rules": [{"name": "a", "is": "not-go"}]})).unwrap();
    let answer = ask(&with(Some("1Gi"), json!([literal("900Mi")])), &Policy { rules, ..fixing() });
    assert_eq!((answer.patch.len(), answer.warnings.len()), (0, 1));
}

#[test]
fn audit_mode_says_what_would_be_repaired() {
    let mut policy = fixing();
    policy.defaults.mode = Mode::Audit;
    let answer = ask(&with(Some("1Gi"), json!([literal("900Mi")])), &policy);
    let app = &answer.decisions["containers"]["app"];
    assert_eq!(
        (answer.patch.len(), &app["skipped"], &app["would"]["value"]),
        (0, &"audit-mode".into(), &SOUND.into())
    );
    assert_eq!(app["would"]["repaired"]["was"], "900Mi");
    assert!(answer.warnings[0].ends_with("write bytes or MiB"), "{:?}", answer.warnings);
}

#[test]
fn the_first_place_is_kept_since_others_may_expand_it() {
    let expands = json!({"name": "FLAGS", "value": "-m $(GOMEMLIMIT)"});
    let (before, between) = (json!({"name": "A", "value": "1"}), json!({"name": "B", "value": "2"}));
    let pod =
        with(Some("1Gi"), json!([before, literal("x"), expands, literal("700MiB"), between, literal("y")]));
    let after = patched(&pod, &ask(&pod, &fixing()).patch);
    assert_eq!(env(&after), [before.clone(), literal(SOUND), expands.clone(), between.clone()]);

    let mut tracking = fixing();
    tracking.defaults.value = ValueKind::Track;
    let after = patched(&pod, &ask(&pod, &tracking).patch);
    let mib = json!({"name": "GOMEMLIMIT_MIB", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}});
    assert_eq!(env(&after), [before, mib, literal("$(GOMEMLIMIT_MIB)000000"), expands, between]);
    assert_eq!(ask(&after, &tracking).patch.len(), 0);
}

#[test]
fn nobody_writes_a_hundred_entries() {
    let pod = with(Some("1Gi"), (0..101).map(|_| literal("x")).collect());
    let answer = ask(&pod, &fixing());
    assert_eq!((answer.patch.len(), answer.warnings.len()), (0, 1));
    let pod = with(Some("1Gi"), (0..100).map(|_| literal("x")).collect());
    assert_eq!(env(&patched(&pod, &ask(&pod, &fixing()).patch)), [literal(SOUND)]);
}

#[test]
fn an_env_from_that_is_respected_does_not_protect_a_broken_value() {
    // `env` wins over `envFrom`, so the broken value is the one that counts.
    let mut pod = with(Some("1Gi"), json!([literal("0")]));
    pod["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "a"}}]);
    assert_eq!(ask(&pod, &fixing()).decisions["containers"]["app"]["value"], SOUND);
}

/// `requests.memory` and other references that the pod determines, against a limit of 1Gi.
#[rstest]
#[case::two_percent(json!({"requests": {"memory": "20Mi"}}), "requests.memory", json!({}), "too-low")]
#[case::all_of_it(json!({"requests": {"memory": "1Gi"}}), "requests.memory", json!({}), "at-limit")]
#[case::defaulted_from_the_limit(json!({}), "requests.memory", json!({}), "at-limit")]
#[case::without_requests(json!({"requests": null}), "requests.memory", json!({}), "at-limit")]
#[case::a_half(json!({"requests": {"memory": "512Mi"}}), "requests.memory", json!({}), "")]
#[case::divided(json!({"requests": {"memory": "512Mi"}}), "requests.memory", json!({"divisor": "1Mi"}), "too-low")]
#[case::no_request_that_is_one(json!({"requests": {"memory": "lots"}}), "requests.memory", json!({}), "")]
#[case::cpus(json!({"limits": {"memory": "1Gi", "cpu": "1500m"}}), "limits.cpu", json!({}), "too-low")]
#[case::milli_cpus(json!({"limits": {"memory": "1Gi", "cpu": "1"}}), "limits.cpu", json!({"divisor": "1m"}), "too-low")]
#[case::requested_cpus(json!({}), "requests.cpu", json!({}), "too-low")]
#[case::storage(
    json!({"limits": {"memory": "1Gi", "ephemeral-storage": "2Gi"}}), "limits.ephemeral-storage", json!({}), "above-limit"
)]
#[case::storage_of_the_node(json!({}), "limits.ephemeral-storage", json!({}), "")]
#[case::of_a_larger_container(json!({}), "limits.memory", json!({"containerName": "large"}), "above-limit")]
#[case::of_half_a_larger_container(json!({}), "limits.memory", json!({"containerName": "large", "divisor": "4"}), "")]
#[case::of_an_unlimited_container(json!({}), "limits.memory", json!({"containerName": "unlimited"}), "node-size")]
#[case::request_of_an_unlimited_container(json!({}), "requests.memory", json!({"containerName": "unlimited"}), "too-low")]
fn references_are_judged_by_what_the_pod_says(
    #[case] resources: Value,
    #[case] resource: &str,
    #[case] more: Value,
    #[case] problem: &str,
) {
    let mut source = json!({"resource": resource});
    source.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    for through_an_expansion in [false, true] {
        let source = json!({"resourceFieldRef": source});
        let env = if through_an_expansion {
            json!([from("M", &source), literal("$(M)")])
        } else {
            json!([from("GOMEMLIMIT", &source)])
        };
        let mut pod = with(Some("1Gi"), env);
        pod["spec"]["containers"][0]["resources"]
            .as_object_mut()
            .unwrap()
            .extend(resources.as_object().unwrap().clone());
        let others = [
            json!({"name": "large", "resources": {"limits": {"memory": "2Gi"}}}),
            json!({"name": "unlimited", "resources": {"limits": {"cpu": "1"}}}),
        ];
        pod["spec"]["containers"].as_array_mut().unwrap().extend(others);
        let reported = ask(&pod, &Policy::default());
        assert_eq!(reported.warnings.len(), usize::from(!problem.is_empty()), "{:?}", reported.warnings);
        let app = &ask(&pod, &fixing()).decisions["containers"]["app"];
        assert_eq!(app["repaired"]["problem"].as_str().unwrap_or_default(), problem, "{app}");
    }
}

/// What the pod does not show may define the variable.
#[rstest]
#[case::any(json!([{"configMapRef": {"name": "a"}}]), false)]
#[case::that_prefix(json!([{"prefix": "LI", "secretRef": {"name": "a"}}]), false)]
#[case::another_prefix(json!([{"prefix": "DB_", "secretRef": {"name": "a"}}]), true)]
#[case::none(json!([]), true)]
#[case::null(Value::Null, true)]
fn an_env_from_may_define_what_is_expanded(#[case] env_from: Value, #[case] is_broken: bool) {
    let mut pod = with(Some("1Gi"), json!([literal("$(LIMIT)MiB")]));
    pod["spec"]["containers"][0]["envFrom"] = env_from.clone();
    assert_eq!(ask(&pod, &Policy::default()).warnings.len(), usize::from(is_broken));
    // An entry before it wins over envFrom.
    let mut pod = with(Some("1Gi"), json!([variable("LIMIT", "1024"), literal("$(LIMIT)MiB")]));
    pod["spec"]["containers"][0]["envFrom"] = env_from;
    assert_eq!(ask(&pod, &Policy::default()).warnings.len(), 1);
}

#[test]
fn an_expansion_that_grows_or_a_long_env_is_opaque() {
    let doubled = |last: usize| {
        let mut env = vec![variable("V0", "0123456789abcdef0123456789abcdef0123456789abcdef")];
        env.extend((1..=last).map(|n| variable(&format!("V{n}"), &format!("$(V{0})$(V{0})", n - 1))));
        env.push(literal(&format!("$(V{last})")));
        with(Some("1Gi"), env.into())
    };
    for (last, is_broken) in [(0, true), (1, true), (3, false), (60, false)] {
        let answer = ask(&doubled(last), &fixing());
        assert_eq!(answer.warnings.len(), usize::from(is_broken), "{last}: {:?}", answer.warnings);
    }
    let long = with(Some("1Gi"), json!([variable("A", &"x".repeat(70_000)), literal("$(B)")]));
    assert_eq!(ask(&long, &fixing()).warnings.len(), 0);
}
