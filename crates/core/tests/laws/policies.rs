//! Arbitrary settings: defaults, rules, and annotations that do and do not make sense.

use gomemlimit_core::{
    NamespaceAnnotations, Policy, Rules, Settings,
    settings::{EnvFrom, Form, InitContainers, Setting},
    value::Ratio,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

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

/// Texts of a setting that are of its form.
fn text(setting: Setting) -> BoxedStrategy<String> {
    match setting.form() {
        Form::Ratio => prop_oneof![
            Just("0.9".to_owned()),
            (100_000..=980_000_u32).prop_map(|ppm| Ratio::from_ppm(ppm).unwrap().to_string()),
        ]
        .boxed(),
        Form::Quantity => prop_oneof![
            9 => select(vec!["0", "0", "1", "32Mi", "64Mi"]).prop_map(str::to_owned),
            1 => (0..=u64::MAX >> 1).prop_map(|bytes| bytes.to_string()),
        ]
        .boxed(),
        // The first one more often: without `inject` there is no value.
        Form::Words(words) => {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            prop_oneof![Just(words[0].to_owned()), select(words).prop_map(str::to_owned)].boxed()
        }
    }
}

/// The settings of a rule; together with `is` they are never empty.
fn set() -> impl Strategy<Value = Value> {
    let given = |setting: &Setting| {
        let off = u32::from(*setting == Setting::Ratio);
        option::weighted(0.25, prop_oneof![3 => text(*setting), off => Just("off".to_owned())])
    };
    Setting::ALL.iter().map(given).collect::<Vec<_>>().prop_map(|texts| {
        let given =
            Setting::ALL.iter().zip(texts).filter_map(|(setting, text)| Some((setting.camel_case(), text?)));
        let set: Map<_, Value> = given.map(|(key, text)| (key, text.into())).collect();
        if set.is_empty() { json!({"mode": "inject"}) } else { set.into() }
    })
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

fn defaults() -> impl Strategy<Value = Settings> {
    // Mostly those of a bare installation, so that values of earlier answers are kept, however many settings there are.
    let default =
        |setting: &Setting| prop_oneof![2 => Just(Settings::default().text(*setting)), 1 => text(*setting)];
    Setting::ALL.iter().map(default).collect::<Vec<_>>().prop_map(|texts| {
        let mut defaults = Settings::default();
        for (setting, text) in Setting::ALL.iter().zip(texts) {
            defaults.set(*setting, &text).unwrap();
        }
        defaults
    })
}

prop_compose! {
    pub(crate) fn policy()(
        defaults in defaults(),
        env_from in select(EnvFrom::ALL),
        init_containers in select(InitContainers::ALL),
        rules in rules(),
    ) -> Policy {
        Policy { defaults, env_from, init_containers, rules }
    }
}

pub(crate) fn namespace() -> impl Strategy<Value = NamespaceAnnotations> {
    vec(annotation(), 0..3).prop_map(|entries| entries.into_iter().collect())
}

/// Of the form of any setting, or of none.
pub(crate) fn setting_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(Setting::ALL).prop_flat_map(text),
        1 => select(vec!["off", "50%", "0.3", "", "1.2", "ninety", "-5Mi", "8Ei", "\n", "0.85 "]).prop_map(str::to_owned),
        1 => ".{0,20}",
    ]
}

/// An annotation that is a setting or not, with a text that fits it or not.
pub(crate) fn annotation() -> impl Strategy<Value = (String, String)> {
    let names = Setting::ALL.iter().map(|setting| setting.as_str()).chain(["colour"]);
    let setting = select(names.collect::<Vec<_>>());
    let key = prop_oneof![
        setting.clone().prop_map(|setting| format!("gomemlimit.dev/{setting}")),
        (setting, select(vec!["i0", "i1", "c0", "c1", "nope"]))
            .prop_map(|(setting, name)| format!("{setting}.gomemlimit.dev/{name}")),
        select(vec!["app/x", "gomemlimit.dev/inject", "gomemlimit.dev/", ".gomemlimit.dev/c0"])
            .prop_map(str::to_owned),
    ];
    (key, setting_text())
}
