//! Rules of a policy file: what they match, which of them counts, and the built-in ones.

use gomemlimit_core::{NamespaceAnnotations, Pod, PodContext, Policy, Rules, decide, settings::BUILT_IN};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{DecodedResponse, answer_in, review_of};

fn rules(file: Value) -> Rules {
    serde_json::from_value(file).unwrap()
}

/// A pod of a Job in the namespace `shop`, whose container has 100 MiB.
fn pod() -> Value {
    json!({
        "metadata": {
            "name": "p", "labels": {"app": "billing-api", "tier": "back"},
            "ownerReferences": [{"kind": "Job", "name": "j"}],
        },
        "spec": {"containers": [{
            "name": "app", "image": "registry.example/shop/api:1.4.2", "args": ["--verbose", "--port=1"],
            "resources": {"limits": {"memory": "100Mi"}},
        }]},
    })
}

fn ask(pod: &Value, namespace: &NamespaceAnnotations, rules: Rules) -> DecodedResponse {
    answer_in(&review_of(pod), namespace, &Policy { rules, ..Policy::default() })
}

fn outcome(answer: &DecodedResponse) -> String {
    let app = &answer.decisions["containers"]["app"];
    let outcome = app.get("skipped").or(app.get("value")).unwrap().as_str().unwrap();
    match outcome.parse::<u64>() {
        Ok(bytes) => format!("{}Mi", bytes >> 20),
        Err(_) => outcome.to_owned(),
    }
}

#[rstest]
#[case::everything(json!({}), true)]
#[case::namespace(json!({"namespaces": ["shop"]}), true)]
#[case::one_of_several(json!({"namespaces": ["other", "sh*"]}), true)]
#[case::another_namespace(json!({"namespaces": ["other"]}), false)]
#[case::label(json!({"podLabels": {"app": "billing-*"}}), true)]
#[case::both_labels(json!({"podLabels": {"app": "billing-*", "tier": "back"}}), true)]
#[case::one_label_is_not_enough(json!({"podLabels": {"app": "billing-*", "tier": "front"}}), false)]
#[case::no_such_label(json!({"podLabels": {"zone": "*"}}), false)]
#[case::owner(json!({"owners": ["Job"]}), true)]
#[case::another_owner(json!({"owners": ["ReplicaSet", "DaemonSet"]}), false)]
#[case::container(json!({"containers": ["a??"]}), true)]
#[case::another_container(json!({"containers": ["istio-proxy"]}), false)]
#[case::image(json!({"images": ["*/shop/api:*"]}), true)]
#[case::another_image(json!({"images": ["shop/api:*"]}), false)]
#[case::without_an_argument(json!({"withoutArguments": ["--quiet"]}), true)]
#[case::with_the_argument(json!({"withoutArguments": ["--quiet", "--port=*"]}), false)]
#[case::all_must_hold(json!({"namespaces": ["shop"], "owners": ["ReplicaSet"]}), false)]
fn what_a_rule_matches(#[case] selector: Value, #[case] matches: bool) {
    let rules = rules(json!({"rules": [{"name": "r", "match": selector, "set": {"ratio": "0.5"}}]}));
    let answer = ask(&pod(), &NamespaceAnnotations::new(), rules);
    assert_eq!(outcome(&answer), if matches { "50Mi" } else { "90Mi" });
    let app = &answer.decisions["containers"]["app"];
    assert_eq!(app.get("rule").is_some(), matches);
    assert_eq!(app["source"], if matches { "rule" } else { "default" });
}

#[test]
fn the_first_rule_that_gives_a_setting_counts() {
    let rules = rules(json!({"rules": [
        {"name": "elsewhere", "match": {"namespaces": ["other"]}, "set": {"ratio": "0.2"}},
        {"name": "first", "set": {"ratio": "0.6"}},
        {"name": "second", "set": {"ratio": "0.7", "headroom": "45Mi"}},
    ]}));
    let answer = ask(&pod(), &NamespaceAnnotations::new(), rules.clone());
    assert_eq!(
        (outcome(&answer), &answer.decisions["containers"]["app"]["rule"]),
        ("55Mi".to_owned(), &"second".into())
    );
    let mut small = pod();
    small["spec"]["containers"][0]["resources"]["limits"]["memory"] = "1000Mi".into();
    let answer = ask(&small, &NamespaceAnnotations::new(), rules);
    assert_eq!(
        (outcome(&answer), &answer.decisions["containers"]["app"]["rule"]),
        ("600Mi".to_owned(), &"first".into())
    );
}

#[rstest]
#[case::over_the_namespace(json!({}), "60Mi", "rule")]
#[case::below_the_pod(json!({"gomemlimit.dev/ratio": "0.7"}), "70Mi", "pod")]
#[case::below_the_container(json!({"gomemlimit.dev/ratio": "0.7", "ratio.gomemlimit.dev/app": "0.8"}), "80Mi", "container")]
fn rules_stand_between_pod_and_namespace(
    #[case] annotations: Value,
    #[case] wanted: &str,
    #[case] source: &str,
) {
    let rules = rules(json!({"rules": [{"name": "r", "set": {"ratio": "0.6"}}]}));
    let mut pod = pod();
    pod["metadata"]["annotations"] = annotations;
    let namespace = [("gomemlimit.dev/ratio".to_owned(), "0.5".to_owned())].into();
    let answer = ask(&pod, &namespace, rules);
    assert_eq!(
        (&*outcome(&answer), &answer.decisions["containers"]["app"]["source"]),
        (wanted, &source.into())
    );
}

#[rstest]
#[case::mode(json!({"mode": "off"}), "opted-out")]
#[case::ratio(json!({"ratio": "off"}), "opted-out")]
#[case::audit(json!({"mode": "audit"}), "audit-mode")]
#[case::min_limit(json!({"minLimit": "101Mi"}), "below-minimum")]
#[case::value(json!({"value": "track"}), "$(GOMEMLIMIT_MIB)000000")]
fn every_setting_can_be_given(#[case] set: Value, #[case] wanted: &str) {
    let rules = rules(json!({"rules": [{"name": "r", "set": set}]}));
    let answer = ask(&pod(), &NamespaceAnnotations::new(), rules);
    assert_eq!(outcome(&answer), wanted);
    assert_eq!(answer.decisions["containers"]["app"]["rule"], "r");
}

/// As between the levels: `ratio: off` counts unless a stronger rule gives a ratio or a mode.
#[rstest]
#[case::a_stronger_mode(json!([{"mode": "inject"}, {"ratio": "off"}]), "90Mi", None)]
#[case::a_stronger_mode_and_a_weaker_ratio(json!([{"mode": "inject"}, {"ratio": "off"}, {"ratio": "0.7"}]), "70Mi", Some("2"))]
#[case::a_stronger_ratio(json!([{"ratio": "0.7"}, {"ratio": "off"}]), "70Mi", Some("0"))]
#[case::a_weaker_mode(json!([{"ratio": "off"}, {"mode": "inject"}]), "opted-out", Some("0"))]
#[case::a_weaker_ratio(json!([{"headroom": "1Mi"}, {"ratio": "off"}, {"ratio": "0.7"}]), "opted-out", Some("1"))]
#[case::both_of_one_rule(json!([{"ratio": "off", "mode": "inject"}]), "opted-out", Some("0"))]
#[case::a_mode_of_off(json!([{"ratio": "0.7"}, {"mode": "off"}, {"ratio": "off"}]), "opted-out", Some("1"))]
fn a_ratio_of_off_is_a_mode_of_off(#[case] sets: Value, #[case] wanted: &str, #[case] rule: Option<&str>) {
    let sets = sets.as_array().unwrap().iter().enumerate();
    let rules: Vec<_> = sets.map(|(index, set)| json!({"name": index.to_string(), "set": set})).collect();
    let answer = ask(&pod(), &NamespaceAnnotations::new(), rules_of(&rules));
    assert_eq!(outcome(&answer), wanted);
    assert_eq!(answer.decisions["containers"]["app"]["rule"].as_str(), rule);
}

fn rules_of(list: &[Value]) -> Rules {
    rules(json!({"rules": list}))
}

/// A pod that chose a mode or a ratio is not opted out by a rule, and a weaker rule's ratio still counts.
#[rstest]
#[case::mode(json!({"gomemlimit.dev/mode": "inject"}), "70Mi")]
#[case::ratio(json!({"gomemlimit.dev/ratio": "0.8"}), "80Mi")]
fn the_pods_own_word_beats_a_rules_off(#[case] annotations: Value, #[case] wanted: &str) {
    let mut pod = pod();
    pod["metadata"]["annotations"] = annotations;
    let rules = rules_of(&[
        json!({"name": "off", "set": {"ratio": "off"}}),
        json!({"name": "on", "set": {"ratio": "0.7", "mode": "inject"}}),
    ]);
    assert_eq!(outcome(&ask(&pod, &NamespaceAnnotations::new(), rules)), wanted);
}

/// Whatever a rule brought about names it; a value names the rule that made it.
#[rstest]
#[case::audit(json!({"mode": "audit"}), json!({}), "audit-mode")]
#[case::audit_of_another(json!({"mode": "audit"}), json!({"ratio": "0.7"}), "audit-mode")]
#[case::minimum(json!({"minLimit": "101Mi"}), json!({"ratio": "0.7"}), "below-minimum")]
#[case::repaired(json!({"repair": "fix"}), json!({}), "90Mi")]
#[case::made_by(json!({"ratio": "0.5"}), json!({"repair": "fix"}), "50Mi")]
fn the_rule_that_decided_is_named(#[case] first: Value, #[case] second: Value, #[case] wanted: &str) {
    let mut pod = pod();
    if first.get("repair").or(second.get("repair")).is_some() {
        pod["spec"]["containers"][0]["env"] = json!([{"name": "GOMEMLIMIT", "value": "0"}]);
    }
    let second = if second == json!({}) { json!({"headroom": "1Ki"}) } else { second };
    let rules = rules_of(&[json!({"name": "a", "set": first}), json!({"name": "b", "set": second})]);
    let answer = ask(&pod, &NamespaceAnnotations::new(), rules);
    assert_eq!(outcome(&answer), wanted);
    assert_eq!(answer.decisions["containers"]["app"]["rule"], "a", "{}", answer.decisions);
}

#[test]
fn a_minimum_of_nobodys_rule_names_none() {
    let rules = rules_of(&[json!({"name": "a", "set": {"ratio": "0.7"}})]);
    let mut pod = pod();
    pod["spec"]["containers"][0]["resources"]["limits"]["memory"] = "16Mi".into();
    let answer = ask(&pod, &NamespaceAnnotations::new(), rules);
    assert_eq!(answer.decisions["containers"]["app"], json!({"skipped": "below-minimum"}));
}

#[test]
fn a_headroom_that_leaves_too_little_names_its_rule() {
    let rules = rules_of(&[json!({"name": "batch jobs", "set": {"headroom": "95Mi"}})]);
    let answer = ask(&pod(), &NamespaceAnnotations::new(), rules);
    let [warning] = &answer.warnings[..] else { panic!("{:?}", answer.warnings) };
    assert_eq!(
        warning,
        "container \"app\": the headroom of 95Mi of rule \"batch jobs\" leaves less than 10 % of the memory \
         limit of 100Mi; ignored"
    );
}

#[test]
fn an_argument_may_be_as_long_as_a_pattern_looks_at() {
    let script = |length: usize| json!(["-c", format!("{} --flag", "x".repeat(length))]);
    let rules = |pattern: &str| {
        rules_of(&[json!({"name": "r", "match": {"withoutArguments": [pattern]}, "set": {"ratio": "0.5"}})])
    };
    for (length, wanted) in [(100, "90Mi"), (300, "90Mi"), (4000, "90Mi"), (4097, "50Mi")] {
        let mut pod = pod();
        pod["spec"]["containers"][0]["args"] = script(length);
        assert_eq!(outcome(&ask(&pod, &NamespaceAnnotations::new(), rules("*--flag"))), wanted, "{length}");
    }
}

/// A ratio that wastes half of the memory is followed, and said once where it is written.
#[test]
fn doubtful_ratios_are_told_by_name() {
    let mut policy = Policy {
        rules: rules_of(&[
            json!({"name": "low", "set": {"ratio": "0.3"}}),
            json!({"name": "fine", "set": {"ratio": "0.5"}}),
        ]),
        ..Policy::default()
    };
    let of_rule = "rule \"low\": the ratio 0.3 leaves more than half of the memory limit unused";
    assert_eq!(policy.lints(), [of_rule]);
    policy.defaults.ratio = "0.499999".parse().unwrap();
    let of_flag = "the default ratio 0.499999 leaves more than half of the memory limit unused";
    assert_eq!(policy.lints(), [of_flag, of_rule]);
    let answer = ask(&pod(), &NamespaceAnnotations::new(), policy.rules);
    assert_eq!((outcome(&answer), answer.warnings.len()), ("30Mi".to_owned(), 0));
}

#[test]
fn a_program_is_known_by_rules_and_a_mode_on_the_pod_knows_better() {
    let rules = rules(json!({"rules": [
        {"name": "java", "match": {"images": ["*/shop/*"]}, "is": "not-go"},
        {"name": "late", "is": "self-managed"},
    ]}));
    let mut pod = pod();
    let answer = ask(&pod, &NamespaceAnnotations::new(), rules.clone());
    assert_eq!(answer.decisions["containers"]["app"], json!({"skipped": "not-go", "rule": "java"}));
    pod["spec"]["containers"][0]["image"] = "other".into();
    let answer = ask(&pod, &NamespaceAnnotations::new(), rules.clone());
    assert_eq!(answer.decisions["containers"]["app"], json!({"skipped": "self-managed", "rule": "late"}));
    for key in ["gomemlimit.dev/mode", "mode.gomemlimit.dev/app"] {
        pod["metadata"]["annotations"] = json!({key: "inject"});
        assert_eq!(outcome(&ask(&pod, &NamespaceAnnotations::new(), rules.clone())), "90Mi");
    }
}

fn of_image(image: &str, args: Value) -> Value {
    let mut pod = pod();
    pod["spec"]["containers"][0]["image"] = image.into();
    pod["spec"]["containers"][0]["args"] = args;
    pod
}

#[rstest]
#[case("prom/prometheus:v3.5.0", json!([]), Some("prometheus-3"))]
#[case("quay.io/prometheus/prometheus:v3.5.0-distroless@sha256:00", json!(["--web.enable-lifecycle"]), Some("prometheus-3"))]
#[case("quay.io/prometheus/prometheus:v3.5.0", json!(["--no-auto-gomemlimit"]), None)]
#[case("quay.io/prometheus/prometheus:v2.55.0", json!([]), None)]
#[case("quay.io/prometheus/node-exporter:v3.0.0", json!([]), None)]
#[case("docker.io/grafana/alloy:v1.5.0", json!(["run"]), Some("grafana-alloy"))]
#[case("docker.io/grafana/alloy:v1.12.1", json!(["run"]), Some("grafana-alloy"))]
#[case("docker.io/grafana/alloy:v1.4.3", json!(["run"]), None)]
#[case("victoriametrics/vmstorage:v1.120.0-cluster", json!([]), Some("victoria-metrics"))]
#[case("notvictoriametrics/app:1", json!([]), None)]
fn built_in_rules(#[case] image: &str, #[case] args: Value, #[case] rule: Option<&str>) {
    let pod = of_image(image, args);
    let answer = ask(&pod, &NamespaceAnnotations::new(), Rules::default());
    let wanted = rule.map_or(json!(null), |rule| json!({"skipped": "self-managed", "rule": rule}));
    if rule.is_some() {
        assert_eq!(answer.decisions["containers"]["app"], wanted);
        for file in [json!({"builtInRules": false}), json!({"rules": [{"name": "a", "is": "go"}]})] {
            assert_eq!(
                outcome(&ask(&pod, &NamespaceAnnotations::new(), rules(file))),
                "90Mi",
                "switched off"
            );
        }
    } else {
        assert_eq!(outcome(&answer), "90Mi");
    }
}

/// `AUTOMEMLIMIT=off` switches automemlimit off, also where it was switched on before; nothing else.
#[rstest]
#[case("prom/prometheus:v3.5.0", json!(["off"]), json!([]), "90Mi")]
#[case("prom/prometheus:v3.5.0", json!(["off"]), json!(["--auto-gomemlimit.ratio=0.8"]), "90Mi")]
#[case("prom/prometheus:v3.5.0", json!(["0.8", "off"]), json!([]), "90Mi")]
#[case("prom/prometheus:v3.5.0", json!(["off", "0.8"]), json!([]), "self-managed")]
#[case("docker.io/grafana/alloy:v1.5.0", json!(["off"]), json!(["run"]), "90Mi")]
#[case("victoriametrics/vmstorage:v1.120.0-cluster", json!(["off"]), json!([]), "self-managed")]
#[case("other", json!(["off"]), json!(["--auto-gomemlimit"]), "90Mi")]
fn automemlimit_can_be_switched_off(
    #[case] image: &str,
    #[case] values: Value,
    #[case] args: Value,
    #[case] wanted: &str,
) {
    let mut pod = of_image(image, args);
    let variables = values.as_array().unwrap().iter();
    let variables = variables.map(|value| json!({"name": "AUTOMEMLIMIT", "value": value}));
    pod["spec"]["containers"][0]["env"] = variables.collect();
    assert_eq!(outcome(&ask(&pod, &NamespaceAnnotations::new(), Rules::default())), wanted);
}

#[test]
fn built_in_rules_are_well_formed_and_have_a_source() {
    for rule in BUILT_IN {
        // As somebody would write it.
        let mut when = json!({"images": rule.images});
        if !rule.without_arguments.is_empty() {
            when["withoutArguments"] = json!(rule.without_arguments);
        }
        rules(json!({"rules": [{"name": rule.name, "match": when, "is": "self-managed"}]}));
        assert!(rule.source.starts_with("https://"), "{rule:?}");
    }
}

#[test]
fn where_the_namespace_and_the_owner_come_from() {
    let rules = rules(json!({"rules": [
        {"name": "n", "match": {"namespaces": ["shop"]}, "set": {"ratio": "0.5"}},
        {"name": "o", "match": {"owners": ["ReplicaSet"]}, "set": {"ratio": "0.6"}},
    ]}));
    let policy = Policy { rules, ..Policy::default() };
    let none = NamespaceAnnotations::new();
    let value = |pod: &Value, context: PodContext<'_>| {
        let json = pod.to_string();
        let decision = decide(&Pod::parse(&json).unwrap(), context, &policy);
        decision.containers[0].outcome.value.unwrap().bytes >> 20
    };
    let mut live = pod();
    assert_eq!(value(&live, (&none).into()), 90, "nobody names the place");
    live["metadata"]["namespace"] = "shop".into();
    assert_eq!(value(&live, (&none).into()), 50, "the pod names it");
    let elsewhere = PodContext { namespace: "other", ..(&none).into() };
    assert_eq!(value(&live, elsewhere), 90, "the request knows better");
    let template = PodContext { owner: Some("ReplicaSet"), ..elsewhere };
    assert_eq!(value(&live, template), 60);
}

#[test]
fn labels_are_read_as_go_reads_them() {
    let rules =
        rules(json!({"rules": [{"name": "r", "match": {"podLabels": {"a": "2"}}, "set": {"ratio": "0.5"}}]}));
    let pod = r#"{"metadata":{"labels":{"a":"1","a":"2","b":null}},"spec":{"containers":[
        {"name":"app","resources":{"limits":{"memory":"100Mi"}}}]}}"#;
    let body = String::from_utf8(review_of(&json!("POD"))).unwrap().replace("\"POD\"", pod);
    let answer =
        answer_in(body.as_bytes(), &NamespaceAnnotations::new(), &Policy { rules, ..Policy::default() });
    assert_eq!(outcome(&answer), "50Mi");
}
