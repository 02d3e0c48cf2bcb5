//! Laws that hold for arbitrary pods, settings and status annotations.

use gomemlimit_core::{
    NamespaceAnnotations, Policy, Reason, Rules, admission::admit, settings::BUILT_IN, value::Ratio,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

mod again;
mod pods;
mod policies;

use crate::support::{DecodedResponse, answer_in, app, containers, patched, review_of};
use again::{is_broken, is_ours_by_name, is_provably_ours, limit_of, limits, mibs, without_ours};
use pods::pod;
use policies::{namespace, policy};

const TRACKING: &str = "$(GOMEMLIMIT_MIB)000000";
const STATUS: &str = "gomemlimit.dev/status";

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
        for ((list, before), (_, after)) in containers(&pod).zip(containers(&after)) {
            let is_users = !limits(before).is_empty() && !is_provably_ours(&pod, before);
            if is_users && limits(before) != limits(after) {
                prop_assert!(is_broken(&pod, list, before), "{}", before);
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

    /// Whatever came after the first GOMEMLIMIT may expand it, and GOMEMLIMIT may expand GOMEMLIMIT_MIB.
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
            let refers = before["env"].as_array().into_iter().flatten().position(|variable| {
                let value = variable["value"].as_str().unwrap_or_default();
                value.replace("$$", "").contains("$(GOMEMLIMIT)")
            });
            if limits(before).is_empty() && refers.is_some() && !limits(after).is_empty() {
                prop_assert!(place(after, "GOMEMLIMIT").unwrap() < 2);
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
        for ((list, before), (_, after)) in containers(&pod).zip(containers(&after)) {
            if limits(before) == limits(after) {
                continue;
            }
            let text = limits(after)[0]["value"].as_str().unwrap();
            let limit = limit_of(&pod, list, after).unwrap();
            if text == TRACKING {
                prop_assert!(!after["resources"]["limits"]["memory"].is_null());
                prop_assert!(((limit - 1) / (1 << 20) + 1) * 100_000_000 <= limit * 98);
                continue;
            }
            prop_assert!(!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()), "{}", text);
            prop_assert!(text.parse::<i128>().unwrap() < limit, "{} of {}", text, limit);
        }
    }

    /// Rules count one by one, as levels do.
    #[test]
    fn rules_are_as_levels(
        sets in vec((option::of(select(vec!["off", "0.5", "0.7"])), option::of(select(vec!["inject", "audit", "off"]))), 0..5),
    ) {
        let written = sets.iter().enumerate().map(|(index, (ratio, mode))| {
            json!({"name": index.to_string(), "set": {"ratio": ratio, "mode": mode, "repair": "fix"}})
        });
        let rules: Rules = serde_json::from_value(json!({"rules": written.collect::<Vec<_>>()})).unwrap();
        let policy = Policy { rules, ..Policy::default() };
        let answer = answer_in(&review_of(&app("100M")), &NamespaceAnnotations::new(), &policy);
        let found = &answer.decisions["containers"]["app"];

        let (mut mode, mut by, mut share) = ("inject", None, None);
        for (index, (ratio, own)) in sets.iter().enumerate() {
            if by.is_none() && *ratio == Some("off") && share.is_none() {
                (mode, by) = ("off", Some(index));
            }
            if share.is_none() && ratio.is_some_and(|ratio| ratio != "off") {
                share = ratio.map(|ratio| (index, ratio));
            }
            if let (None, Some(own)) = (by, own) {
                (mode, by) = (own, Some(index));
            }
        }
        let name = |index: Option<usize>| index.map_or(Value::Null, |index| index.to_string().into());
        let bytes = match share {
            Some((_, "0.5")) => "50000000",
            Some(_) => "70000000",
            None => "90000000",
        };
        let rule = found.get("rule").cloned().unwrap_or_default();
        match mode {
            "off" => prop_assert_eq!((&found["skipped"], rule), (&"opted-out".into(), name(by))),
            "audit" => {
                prop_assert_eq!((&found["skipped"], rule), (&"audit-mode".into(), name(by)));
                prop_assert_eq!(&found["would"]["value"], bytes);
            }
            _ => prop_assert_eq!((&found["value"], rule), (&bytes.into(), name(share.map(|(index, _)| index)))),
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
    fn a_first_value_and_an_update_have_the_same_status(
        pod in pod(), policy in policy(), namespace in namespace(), mib in 32_u64..1 << 20,
    ) {
        let with_limits = |pod: &Value| {
            let mut pod = pod.clone();
            for list in ["initContainers", "containers"] {
                for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
                    if !container["resources"]["limits"]["memory"].is_null() {
                        container["resources"]["limits"]["memory"] = format!("{mib}Mi").into();
                    }
                }
            }
            pod
        };
        let ask = |pod: &Value| answer_in(&review_of(pod), &namespace, &policy);
        let after = patched(&pod, &ask(&pod).patch);
        let (first, update) = (ask(&with_limits(&pod)), ask(&with_limits(&after)));
        for ((_, before), (_, after)) in containers(&pod).zip(containers(&after)) {
            let name = before["name"].as_str().unwrap().to_owned();
            if limits(before).is_empty() && !limits(after).is_empty() {
                let entry = |answer: &DecodedResponse| answer.decisions["containers"][&name].clone();
                // One that would get none keeps the value of before.
                if entry(&first)["skipped"].is_null() {
                    prop_assert_eq!(entry(&update), entry(&first));
                }
            }
        }
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
    let mut by_rules = std::collections::BTreeSet::new();
    for _ in 0..5000 {
        let (pod, policy, namespace) = inputs.new_tree(&mut runner).unwrap().current();
        let body = review_of(&pod);
        let outcome = admit(&body, |_| namespace, &policy).unwrap().outcome;
        seen.extend(outcome.decision.reason);
        for container in &outcome.decision.containers {
            seen.insert(container.outcome.reason);
            by_rules.extend(container.rule().map(|rule| (container.outcome.reason, rule.to_owned())));
        }
    }
    // Reasons of a request as a whole are in the tests of reviews.
    let elsewhere = [Reason::NotAPod, Reason::NotCreate, Reason::MirrorPod];
    let missing: Vec<_> =
        Reason::ALL.iter().copied().filter(|r| !seen.contains(r) && !elsewhere.contains(r)).collect();
    assert_eq!(missing, [], "seen: {seen:?}");
    for reason in [
        Reason::OptedOut,
        Reason::SelfManaged,
        Reason::NotGo,
        Reason::BelowMinimum,
        Reason::AuditMode,
        Reason::Injected,
        Reason::Updated,
        Reason::Repaired,
    ] {
        assert!(by_rules.iter().any(|(by, _)| *by == reason), "no rule decided {reason}");
    }
    for rule in BUILT_IN {
        assert!(by_rules.contains(&(Reason::SelfManaged, rule.name.to_owned())), "{} never held", rule.name);
    }
}
