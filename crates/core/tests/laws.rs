//! Laws that hold for arbitrary pods, settings and status annotations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use gomemlimit_core::{
    NamespaceAnnotations, Policy, Reason, Rules, Settings,
    memlimit::Ratio,
    quantity,
    settings::{EnvFrom, InitContainers, Mode, Repair, ValueKind},
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

mod support;
use support::{answer_in, containers, patched, review_of};

const TRACKING: &str = "$(GOMEMLIMIT_MIB)000000";
const STATUS: &str = "gomemlimit.dev/status";

fn quantity_text() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => select(vec!["1Gi", "512Mi", "32Mi", "33554431", "1.1Gi", "107374182400m", "129e6", "700M"]).prop_map(Value::from),
        2 => select(vec!["0", "1", "2", "8Ei", "-1Gi", "9223372036854775807", "lots", "", "1e30"]).prop_map(Value::from),
        1 => any::<u32>().prop_map(|bytes| json!(bytes)),
        1 => any::<u64>().prop_map(|bytes| json!(bytes.to_string())),
    ]
}

fn resources() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => quantity_text().prop_map(|memory| json!({"limits": {"cpu": "1", "memory": memory}})),
        1 => Just(json!({})),
        1 => Just(json!({"limits": null})),
        1 => Just(json!({"requests": {"memory": "1Gi"}})),
        1 => Just(Value::Null),
    ]
}

fn go_limit_text() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "966367641",
            "750MiB",
            "512Mi",
            "0",
            "",
            "off",
            "$(X)",
            "42",
            "1GiB",
            "+5",
            "-0",
            "\u{1}\u{7}"
        ])
        .prop_map(str::to_owned),
        any::<u64>().prop_map(|bytes| bytes.to_string()),
        ".{0,12}",
    ]
}

fn variable() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => ("[A-C]", ".{0,8}").prop_map(|(name, value)| json!({"name": name, "value": value})),
        3 => go_limit_text().prop_map(|value| json!({"name": "GOMEMLIMIT", "value": value})),
        1 => Just(json!({"name": "GOMEMLIMIT"})),
        1 => option::of(select(vec!["1", "1Mi", "0", "junk"])).prop_map(|divisor| {
            json!({"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": divisor}}})
        }),
        1 => Just(json!({"name": "GOMEMLIMIT", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}})),
        1 => select(vec!["off", "0.8"]).prop_map(|value| json!({"name": "AUTOMEMLIMIT", "value": value})),
        1 => Just(json!({"name": "GOMEMLIMIT", "value": TRACKING})),
        1 => select(vec!["1", "1Mi"]).prop_map(|divisor| {
            json!({"name": "GOMEMLIMIT_MIB", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": divisor}}})
        }),
        1 => Just(json!({"name": "GOMEMLIMIT_MIB", "value": "7"})),
    ]
}

fn env() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(Value::Null)),
        1 => Just(Some(json!([]))),
        5 => vec(variable(), 1..4).prop_map(|variables| Some(Value::from(variables))),
    ]
}

fn container(list: &'static str) -> impl Strategy<Value = Value> {
    let restart = option::of(select(vec!["Always", "OnFailure"]));
    let args = option::of(select(vec!["--auto-gomemlimit", "--no-auto-gomemlimit", "--verbose"]));
    let env_from = option::of(select(vec!["", "GOMEM", "DB_"]));
    (resources(), env(), restart, args, env_from).prop_map(move |(resources, env, restart, args, prefix)| {
        let mut container = json!({"image": "registry.example/app:1", "resources": resources});
        if let Some(env) = env {
            container["env"] = env;
        }
        if let Some(argument) = args {
            container["args"] = json!([argument]);
        }
        if let Some(prefix) = prefix {
            container["envFrom"] = json!([{"prefix": prefix, "configMapRef": {"name": "a"}}]);
        }
        if list == "initContainers" {
            container["restartPolicy"] = restart.into();
        }
        container
    })
}

fn setting_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(vec![
            "0.85", "50%", "0.3", "off", "inject", "audit", "64Mi", "1", "0", "report", "fix", "literal", "track",
        ]).prop_map(str::to_owned),
        1 => select(vec!["", "1.2", "ninety", "-5Mi", "8Ei", "\n", "0.85 "]).prop_map(str::to_owned),
        1 => ".{0,20}",
    ]
}

fn annotation_key() -> impl Strategy<Value = String> {
    let setting = select(vec!["ratio", "headroom", "min-limit", "mode", "value", "repair", "colour"]);
    prop_oneof![
        setting.clone().prop_map(|setting| format!("gomemlimit.dev/{setting}")),
        (setting, select(vec!["i0", "i1", "c0", "c1", "nope"]))
            .prop_map(|(setting, name)| format!("{setting}.gomemlimit.dev/{name}")),
        select(vec!["app/x", "gomemlimit.dev/inject", "gomemlimit.dev/", ".gomemlimit.dev/c0"])
            .prop_map(str::to_owned),
    ]
}

/// What somebody may have written there: garbage, other schemas, entries that do and do not add up.
fn status() -> impl Strategy<Value = String> {
    let entry = || {
        (
        go_limit_text(),
        prop_oneof![Just(1_073_741_824_u64), any::<u64>()],
        select(vec!["0.9", "0.85", "0.1", "9", ""]),
        prop_oneof![Just(0_u64), any::<u64>()],
    )
        .prop_map(|(value, limit, ratio, headroom)| {
            json!({"value": value, "limit": limit, "ratio": ratio, "headroom": headroom, "repaired": {"was": "x"}})
        })
    };
    let tracking = select(vec![1_u64 << 30, 1 << 20, 0])
        .prop_map(|limit| json!({"value": TRACKING, "limit": limit, "kind": "track"}));
    let honest = select(vec![("0.9", 966_367_641_u64), ("0.85", 912_680_550)]).prop_map(
        |(ratio, value)| json!({"value": value.to_string(), "limit": 1_073_741_824_u64, "ratio": ratio, "headroom": 0}),
    );
    prop_oneof![
        Just("not json {".to_owned()),
        Just(r#"{"c0":{"value":"42"}}"#.to_owned()),
        Just(r#"{"version":9,"containers":{"c0":7}}"#.to_owned()),
        (entry(), entry())
            .prop_map(|(a, b)| json!({"version": 1, "containers": {"c0": a, "i0": b}}).to_string()),
        tracking.prop_map(|e| json!({"version": 1, "containers": {"c0": e, "c1": e}}).to_string()),
        honest.prop_map(
            |e| json!({"version": 2, "new": [], "containers": {"c0": e, "c1": e, "i0": e}}).to_string()
        ),
    ]
}

fn metadata() -> impl Strategy<Value = Option<Value>> {
    let annotations = (vec((annotation_key(), setting_text()), 0..4), option::of(status()));
    let label = option::weighted(0.2, select(vec!["enabled", "disabled", "no"]));
    let full = (annotations, label).prop_map(|((entries, status), label)| {
        let mut annotations: Map<String, Value> =
            entries.into_iter().map(|(key, value)| (key, value.into())).collect();
        annotations.extend(status.map(|status| (STATUS.to_owned(), status.into())));
        let labels = label.map(|label| json!({"gomemlimit.dev/inject": label}));
        Some(json!({"name": "p", "labels": labels, "annotations": annotations}))
    });
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(Value::Null)),
        1 => Just(Some(json!({"generateName": "p-"}))),
        1 => Just(Some(json!({"name": "p", "annotations": null}))),
        8 => full,
    ]
}

/// Makes the first container one that an earlier answer has set, with the limit of then 1 GiB.
fn plant_own_value(pod: &mut Value, ratio: &str, value: u64) {
    if value == 0 {
        let entry = json!({"value": TRACKING, "limit": 1_u64 << 30, "kind": "track"});
        let status = json!({"version": 1, "containers": {"c0": entry}}).to_string();
        pod["metadata"] = json!({"name": "p", "annotations": {STATUS: status}});
        pod["spec"]["containers"][0]["env"] = json!([
            {"name": "A"},
            {"name": "GOMEMLIMIT_MIB", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            {"name": "B"},
            {"name": "GOMEMLIMIT", "value": TRACKING},
            {"name": "C", "value": "$(GOMEMLIMIT)"},
        ]);
        return;
    }
    let entry = json!({"value": value.to_string(), "limit": 1_u64 << 30, "ratio": ratio, "headroom": 0});
    let status = json!({"version": 1, "containers": {"c0": entry}}).to_string();
    pod["metadata"] = json!({"name": "p", "annotations": {STATUS: status}});
    pod["spec"]["containers"][0]["env"] = json!([{"name": "GOMEMLIMIT", "value": value.to_string()}]);
}

prop_compose! {
    fn pod()(
        metadata in metadata(),
        mut init in vec(container("initContainers"), 0..3),
        mut main in vec(container("containers"), 1..3),
        resources in option::weighted(0.3, resources()),
        windows in prop::bool::weighted(0.05),
        earlier in option::weighted(0.2, select(vec![("0.9", 966_367_641_u64), ("0.85", 912_680_550), ("", 0)])),
    ) -> Value {
        for (prefix, list) in [("i", &mut init), ("c", &mut main)] {
            for (index, container) in list.iter_mut().enumerate() {
                container["name"] = format!("{prefix}{index}").into();
            }
        }
        let mut pod = json!({"kind": "Pod", "spec": {"containers": main, "initContainers": init}});
        if let Some(metadata) = metadata {
            pod["metadata"] = metadata;
        }
        if let Some(resources) = resources {
            pod["spec"]["resources"] = resources;
        }
        if windows {
            pod["spec"]["os"] = json!({"name": "windows"});
        }
        if let Some((ratio, value)) = earlier {
            plant_own_value(&mut pod, ratio, value);
        }
        pod
    }
}

fn rules() -> impl Strategy<Value = Rules> {
    let rule = (
        select(vec![
            json!({}),
            json!({"containers": ["c0"]}),
            json!({"namespaces": ["sh*"]}),
            json!({"images": ["?"]}),
        ]),
        select(vec![
            json!({"mode": "audit"}),
            json!({"value": "track"}),
            json!({"repair": "fix", "ratio": "0.7"}),
        ]),
        option::weighted(0.2, select(vec!["go", "not-go", "self-managed"])),
    );
    vec(rule, 0..3).prop_map(|rules| {
        let written = rules.into_iter().enumerate();
        let rules: Vec<_> = written
            .map(|(index, (when, set, is))| json!({"name": index.to_string(), "match": when, "set": set, "is": is}))
            .collect();
        serde_json::from_value(json!({"rules": rules})).unwrap()
    })
}

prop_compose! {
    fn policy()(
        ppm in prop_oneof![Just(900_000_u32), 100_000..=980_000_u32],
        headroom in prop_oneof![Just(0), Just(64_u64 << 20), any::<u64>()],
        min_limit in prop_oneof![Just(32_u64 << 20), Just(0), Just(1)],
        mode in select(vec![Mode::Inject, Mode::Inject, Mode::Inject, Mode::Audit, Mode::Off]),
        value in select(vec![ValueKind::Literal, ValueKind::Track]),
        repair in select(vec![Repair::Off, Repair::Report, Repair::Fix, Repair::Fix]),
        env_from in select(vec![EnvFrom::Inject, EnvFrom::Skip]),
        init_containers in select(vec![InitContainers::Sidecars, InitContainers::All]),
        rules in rules(),
    ) -> Policy {
        let ratio = Ratio::from_ppm(ppm).unwrap();
        let defaults = Settings { ratio, headroom, min_limit, mode, value, repair };
        Policy { defaults, env_from, init_containers, rules }
    }
}

fn namespace() -> impl Strategy<Value = NamespaceAnnotations> {
    vec((annotation_key(), setting_text()), 0..3).prop_map(|entries| entries.into_iter().collect())
}

/// Every env entry named GOMEMLIMIT of a container.
fn limits(container: &Value) -> Vec<&Value> {
    let env = container["env"].as_array().into_iter().flatten();
    env.filter(|variable| variable["name"] == "GOMEMLIMIT").collect()
}

/// Every env entry named `GOMEMLIMIT_MIB` of a container.
fn mibs(container: &Value) -> Vec<&Value> {
    let env = container["env"].as_array().into_iter().flatten();
    env.filter(|variable| variable["name"] == "GOMEMLIMIT_MIB").collect()
}

fn is_ours_by_name(variable: &Value) -> bool {
    variable["name"] == "GOMEMLIMIT" || variable["name"] == "GOMEMLIMIT_MIB"
}

/// The pod without what we may touch; absent, null and empty are the same.
fn without_ours(pod: &Value) -> Value {
    let mut pod = pod.clone();
    for list in ["initContainers", "containers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            let container = container.as_object_mut().unwrap();
            let env = container.remove("env").unwrap_or_default();
            let others = env.as_array().into_iter().flatten().filter(|variable| !is_ours_by_name(variable));
            let others: Vec<_> = others.cloned().collect();
            container.insert("env".to_owned(), others.into());
        }
    }
    let mut metadata = pod["metadata"].as_object().cloned().unwrap_or_default();
    let mut annotations =
        metadata.remove("annotations").and_then(|a| a.as_object().cloned()).unwrap_or_default();
    annotations.remove(STATUS);
    metadata.insert("annotations".to_owned(), annotations.into());
    pod["metadata"] = metadata.into();
    pod
}

/// The same for a value that tracks: the variable that it expands belongs to it.
fn is_provably_tracking(pod: &Value, container: &Value) -> bool {
    let status = pod["metadata"]["annotations"][STATUS].as_str().unwrap_or_default();
    let status: Value = serde_json::from_str(status).unwrap_or_default();
    let entry = &status["containers"][container["name"].as_str().unwrap()];
    let env = container["env"].as_array().unwrap();
    let place = |name: &str| env.iter().position(|variable| variable["name"] == name);
    let reference = json!({"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}});
    matches!(mibs(container)[..], [mib] if mib["valueFrom"] == reference && mib.get("value").is_none())
        && place("GOMEMLIMIT_MIB") < place("GOMEMLIMIT")
        && limits(container)[0].get("valueFrom").is_none()
        && entry["kind"] == "track"
        && entry["value"] == TRACKING
        && entry["limit"].is_u64()
}

/// The rule for what is broken, written down a second time, without what follows from the limit's place.
fn is_broken(container: &Value, pod: &Value) -> bool {
    let Some(last) = limits(container).last().copied() else { return false };
    if !last["valueFrom"].is_null() {
        return last["valueFrom"]["resourceFieldRef"]["resource"] == "limits.memory";
    }
    let text = last["value"].as_str().unwrap_or_default();
    if text.is_empty() || text == "off" || text.contains("$(") {
        return false;
    }
    let unit = ["KiB", "MiB", "GiB", "TiB"].iter().position(|unit| text.ends_with(unit));
    let number = unit.map_or(text.strip_suffix('B').unwrap_or(text), |_| &text[..text.len() - 3]);
    let shift = unit.map_or(0, |unit| 10 * (unit + 1));
    let Ok(bytes) = number.parse::<i64>().map(|number| i128::from(number) << shift) else { return true };
    let limit = |resources: &Value| {
        let text = resources["limits"]["memory"].to_string();
        quantity::parse(text.trim_matches('"')).ok().filter(|bytes| *bytes > 0)
    };
    let own = limit(&container["resources"]);
    let measured = own.or(limit(&pod["spec"]["resources"])).map(i128::from);
    let is_odd = number.starts_with(['+', '-']) || bytes > i128::from(i64::MAX);
    is_odd || bytes == 0 || measured.is_some_and(|limit| bytes * 100 > limit * 98 || bytes * 100 < limit * 5)
        // What is left of a pod's limit may be less than the pod's.
        || own.is_none()
}

/// The rule for «ours», written down a second time.
fn is_provably_ours(pod: &Value, container: &Value) -> bool {
    let check = || {
        let [variable] = limits(container)[..] else { return None };
        if variable["value"] == TRACKING {
            return is_provably_tracking(pod, container).then_some(());
        }
        let status: Value = serde_json::from_str(pod["metadata"]["annotations"][STATUS].as_str()?).ok()?;
        let entry = &status["containers"][container["name"].as_str()?];
        let (limit, headroom) =
            (i128::from(entry["limit"].as_u64()?), i128::from(entry["headroom"].as_u64()?));
        let ratio: Ratio = entry["ratio"].as_str()?.parse().ok()?;
        let value = (limit * i128::from(ratio.ppm()) / 1_000_000).min(limit - headroom);
        let text = variable["value"].as_str()?;
        (value > 0 && text == value.to_string() && entry["value"] == text).then_some(())
    };
    check().is_some()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_patch_applies_is_idempotent_and_touches_only_our_names(
        pod in pod(), policy in policy(), namespace in namespace(),
    ) {
        let patch = answer_in(&review_of(&pod), &namespace, &policy).patch;
        let after = patched(&pod, &patch);
        prop_assert_eq!(without_ours(&pod), without_ours(&after));
        let again = answer_in(&review_of(&after), &namespace, &policy).patch;
        prop_assert_eq!(again, Vec::<Value>::new());
    }

    #[test]
    fn a_value_of_the_user_never_changes_unless_it_is_broken_and_to_be_fixed(
        pod in pod(), policy in policy(), namespace in namespace(),
    ) {
        let answer = answer_in(&review_of(&pod), &namespace, &policy);
        let after = patched(&pod, &answer.patch);
        for ((_, before), (_, after)) in containers(&pod).zip(containers(&after)) {
            let is_users = !limits(before).is_empty() && !is_provably_ours(&pod, before);
            if is_users && limits(before) != limits(after) {
                prop_assert!(is_broken(before, &pod), "{}", before);
                let settings = format!("{policy:?}{namespace:?}{}", pod["metadata"]);
                prop_assert!(settings.contains("Fix") || settings.contains("\"fix\""), "{}", settings);
                let name = before["name"].as_str().unwrap();
                prop_assert!(answer.decisions["containers"][name]["repaired"].is_object(), "{}", answer.decisions);
                prop_assert_eq!(limits(after).len(), 1);
            }
        }
    }

    #[test]
    fn a_gomemlimit_mib_of_the_user_never_changes(pod in pod(), policy in policy(), namespace in namespace()) {
        let after = patched(&pod, &answer_in(&review_of(&pod), &namespace, &policy).patch);
        for ((_, before), (_, after)) in containers(&pod).zip(containers(&after)) {
            let is_ours = limits(before).first().is_some_and(|limit| limit["value"] == TRACKING)
                && is_provably_ours(&pod, before);
            if !mibs(before).is_empty() && !is_ours {
                prop_assert_eq!(mibs(before), mibs(after));
            }
        }
    }

    /// Whatever stood behind the first GOMEMLIMIT may expand it, and GOMEMLIMIT may expand GOMEMLIMIT_MIB.
    #[test]
    fn order_is_kept_where_variables_expand_each_other(pod in pod(), policy in policy(), namespace in namespace()) {
        let after = patched(&pod, &answer_in(&review_of(&pod), &namespace, &policy).patch);
        let place = |container: &Value, name: &str| {
            container["env"].as_array().into_iter().flatten().position(|variable| variable["name"] == name)
        };
        let others_before = |container: &Value| {
            let env = container["env"].as_array().into_iter().flatten();
            let until = env.take_while(|variable| variable["name"] != "GOMEMLIMIT");
            until.filter(|variable| !is_ours_by_name(variable)).count()
        };
        for ((_, before), (_, after)) in containers(&pod).zip(containers(&after)) {
            if !limits(before).is_empty() {
                prop_assert_eq!(others_before(before), others_before(after));
            }
            if limits(before) != limits(after) && limits(after)[0]["value"] == TRACKING {
                prop_assert!(place(after, "GOMEMLIMIT_MIB").unwrap() < place(after, "GOMEMLIMIT").unwrap());
                prop_assert_eq!(mibs(after).len(), 1);
            }
        }
    }

    #[test]
    fn every_value_is_a_decimal_below_the_limit(pod in pod(), policy in policy(), namespace in namespace()) {
        let after = patched(&pod, &answer_in(&review_of(&pod), &namespace, &policy).patch);
        let limit_of = |resources: &Value| {
            let text = resources["limits"]["memory"].to_string();
            quantity::parse(text.trim_matches('"')).ok().filter(|bytes| *bytes > 0)
        };
        for ((_, before), (_, after)) in containers(&pod).zip(containers(&after)) {
            if limits(before) == limits(after) {
                continue;
            }
            let text = limits(after)[0]["value"].as_str().unwrap();
            if text == TRACKING {
                let limit = limit_of(&after["resources"]).unwrap();
                prop_assert!(u128::from(limit.div_ceil(1 << 20)) * 100_000_000 <= u128::from(limit) * 98);
                continue;
            }
            prop_assert!(!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()), "{}", text);
            let limit = limit_of(&after["resources"]).or(limit_of(&pod["spec"]["resources"])).unwrap();
            prop_assert!(text.parse::<u64>().unwrap() < limit, "{} of {}", text, limit);
        }
    }

    #[test]
    fn our_value_follows_the_limit_and_without_its_status_is_the_users(old in 32_u64..1 << 40, new in 32_u64..1 << 40) {
        let pod = |mib: u64| {
            json!({"metadata": {"name": "p"}, "spec": {"containers": [
                {"name": "c0", "resources": {"limits": {"memory": format!("{mib}Mi")}}},
            ]}})
        };
        let ask = |pod: &Value| answer_in(&review_of(pod), &NamespaceAnnotations::new(), &Policy::default()).patch;
        let value = |pod: &Value| pod["spec"]["containers"][0]["env"][0]["value"].clone();

        let mut resized = patched(&pod(old), &ask(&pod(old)));
        resized["spec"]["containers"][0]["resources"] = pod(new)["spec"]["containers"][0]["resources"].clone();
        let followed = patched(&resized, &ask(&resized));
        prop_assert_eq!(value(&followed), value(&patched(&pod(new), &ask(&pod(new)))));

        let mut orphaned = resized.clone();
        orphaned["metadata"]["annotations"].as_object_mut().unwrap().remove(STATUS);
        prop_assert_eq!(ask(&orphaned), Vec::<Value>::new());
    }

    #[test]
    fn a_forged_status_never_makes_us_overwrite(
        bytes in 1_u64..1 << 62, limit in any::<u64>(), ratio in 100_000..=980_000_u32, headroom in any::<u64>(),
    ) {
        let ratio = Ratio::from_ppm(ratio).unwrap();
        let yields = (u128::from(limit) * u128::from(ratio.ppm()) / 1_000_000).min(u128::from(limit.saturating_sub(headroom)));
        prop_assume!(yields != u128::from(bytes));
        let status = json!({"version": 1, "containers": {"c0": {
            "value": bytes.to_string(), "limit": limit, "ratio": ratio.to_string(), "headroom": headroom, "kind": "literal",
        }}});
        let pod = json!({"metadata": {"annotations": {STATUS: status.to_string()}}, "spec": {"containers": [{
            "name": "c0", "resources": {"limits": {"memory": "1Gi"}}, "env": [{"name": "GOMEMLIMIT", "value": bytes.to_string()}],
        }]}});
        let patch = answer_in(&review_of(&pod), &NamespaceAnnotations::new(), &Policy::default()).patch;
        prop_assert_eq!(patch, Vec::<Value>::new());
    }
}

/// The laws above mean nothing for pods that never occur.
#[test]
fn the_generators_reach_every_reason() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let inputs = (pod(), policy(), namespace());
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..5000 {
        let (pod, policy, namespace) = inputs.new_tree(&mut runner).unwrap().current();
        let body = review_of(&pod);
        let judgement = gomemlimit_core::Review::parse(&body).unwrap().judge(&namespace, &policy);
        seen.extend(judgement.verdict.reason);
        seen.extend(judgement.verdict.containers.iter().map(|container| container.decision.reason));
    }
    // Reasons of a request as a whole stand in tests/review.rs.
    let elsewhere = [Reason::NotAPod, Reason::NotCreate, Reason::MirrorPod];
    let missing: Vec<_> =
        Reason::ALL.into_iter().filter(|r| !seen.contains(r) && !elsewhere.contains(r)).collect();
    assert_eq!(missing, [], "seen: {seen:?}");
}
