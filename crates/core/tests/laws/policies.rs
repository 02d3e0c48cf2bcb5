//! Arbitrary settings: defaults, rules, and annotations that do and do not make sense.

use gomemlimit_core::{
    NamespaceAnnotations, Policy, Rules, Settings,
    settings::{EnvFrom, InitContainers, Mode, Repair, ValueKind},
    value::Ratio,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

/// What a rule matches: everything, what occurs, and what never does.
fn selector() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({"containers": ["c0"]}),
        json!({"containers": ["c*", "i?"]}),
        json!({"namespaces": ["sh*"]}),
        json!({"namespaces": ["other"]}),
        json!({"images": ["registry.example/*"]}),
        json!({"images": ["?"]}),
        json!({"owners": ["Job", "DaemonSet"]}),
        json!({"podLabels": {"app": "a*"}}),
        json!({"podLabels": {"app": "*", "tier": "*"}}),
        json!({"withoutArguments": ["--verbose", "--auto*"]}),
        json!({"owners": ["Job"], "podLabels": {"app": "api"}, "images": ["*"]}),
    ])
}

/// The settings of a rule; together with `is` they are never empty.
fn set() -> impl Strategy<Value = Value> {
    select(vec![
        json!({"mode": "inject"}),
        json!({"mode": "audit"}),
        json!({"mode": "off"}),
        json!({"ratio": "off"}),
        json!({"ratio": "off", "repair": "fix"}),
        json!({"ratio": "0.7", "mode": "inject"}),
        json!({"value": "track"}),
        json!({"repair": "fix", "ratio": "0.7"}),
        json!({"headroom": "64Mi", "minLimit": "1"}),
        json!({"minLimit": "600Mi"}),
    ])
}

fn rules() -> impl Strategy<Value = Rules> {
    let is = option::weighted(0.2, select(vec!["go", "not-go", "self-managed"]));
    let rules = vec((selector(), set(), is), 0..4);
    (rules, prop::bool::weighted(0.8)).prop_map(|(rules, built_in)| {
        let written = rules.into_iter().enumerate();
        let rules: Vec<_> = written
            .map(|(index, (when, set, is))| json!({"name": index.to_string(), "match": when, "set": set, "is": is}))
            .collect();
        serde_json::from_value(json!({"rules": rules, "builtInRules": built_in})).unwrap()
    })
}

prop_compose! {
    pub(crate) fn policy()(
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

pub(crate) fn namespace() -> impl Strategy<Value = NamespaceAnnotations> {
    vec((annotation_key(), setting_text()), 0..3).prop_map(|entries| entries.into_iter().collect())
}

pub(crate) fn setting_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(vec![
            "0.85", "50%", "0.3", "off", "inject", "audit", "64Mi", "1", "0", "report", "fix", "literal", "track",
        ]).prop_map(str::to_owned),
        1 => select(vec!["", "1.2", "ninety", "-5Mi", "8Ei", "\n", "0.85 "]).prop_map(str::to_owned),
        1 => ".{0,20}",
    ]
}

pub(crate) fn annotation_key() -> impl Strategy<Value = String> {
    let setting = select(vec!["ratio", "headroom", "min-limit", "mode", "value", "repair", "colour"]);
    prop_oneof![
        setting.clone().prop_map(|setting| format!("gomemlimit.dev/{setting}")),
        (setting, select(vec!["i0", "i1", "c0", "c1", "nope"]))
            .prop_map(|(setting, name)| format!("{setting}.gomemlimit.dev/{name}")),
        select(vec!["app/x", "gomemlimit.dev/inject", "gomemlimit.dev/", ".gomemlimit.dev/c0"])
            .prop_map(str::to_owned),
    ]
}
