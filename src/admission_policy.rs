//! The webhook's decisions as a `MutatingAdmissionPolicy`: CEL that the API server evaluates by itself.
//!
//! `admission_policy.yaml` is the text; names, defaults and bounds are filled in from the core. PURE.

use std::collections::BTreeMap;

use gomemlimit_core::{
    Policy,
    names::{
        AUTO_GOMEMLIMIT_FLAG, AUTOMEMLIMIT, DOMAIN, GOMEMLIMIT, GOMEMLIMIT_MIB, INJECT_LABEL, LIMITS_MEMORY,
        MIB_DIVISOR, MIRROR_ANNOTATION, NO_AUTO_GOMEMLIMIT_FLAG, OPTED_OUT, OS_LABEL, TRACKING_VALUE,
    },
    settings::{BUILT_IN, Engines, Form, Setting},
    value::{MIB, MIN_TRACKED_LIMIT, Ratio},
};
use gomemlimit_manifest::{self as manifest, AliasBudget, ManifestError};
use serde_json::{Value, json};

const TEMPLATE: &str = include_str!("admission_policy.yaml");

/// Features of the webhook that a policy does not have. docs/policy-engine.md has the reason for each.
pub const LIMITS: [&str; 6] = [
    "A value is never updated: where a later webhook changes the limit, or a manifest is copied from a pod, the \
     earlier value stays.",
    "No status annotation, no warnings, no reasons in metrics or the audit log.",
    "mode: audit only leaves alone, repair does nothing, a resize is not looked at.",
    "There are no rules of a policy file, only the built-in ones.",
    "One container that the policy fails on keeps all of the pod from a value.",
    "Kubernetes 1.36 or later is needed.",
];

/// Objects of a policy.
#[derive(Clone, Debug)]
pub struct AdmissionPolicy {
    /// The name of the policy and of its binding.
    pub name: String,
    /// The weakest level of settings. `repair` has no effect.
    pub policy: Policy,
    /// Whether annotations of namespaces are settings.
    pub follow_namespaces: bool,
}

impl AdmissionPolicy {
    /// The policy and its binding as YAML with comments.
    #[must_use]
    pub fn yaml(&self) -> String {
        let limits = LIMITS.map(|limit| format!("# - {limit}\n")).concat();
        format!("# What the webhook does and this policy cannot:\n{limits}{}", self.fill(TEMPLATE))
    }

    /// The same objects as a List.
    ///
    /// # Errors
    ///
    /// If the YAML cannot be parsed, which the tests rule out.
    pub fn json(&self) -> Result<Value, ManifestError> {
        let documents = manifest::read(&self.yaml(), &mut AliasBudget::default()).into_iter();
        let items: Vec<Value> = documents
            .map(|document| document.map(|document| document.value).map_err(|unreadable| unreadable.error))
            .collect::<Result<_, _>>()?;
        Ok(json!({"apiVersion": "v1", "kind": "List", "items": items}))
    }

    fn fill(&self, template: &str) -> String {
        let lines = template.split_inclusive('\n');
        let mut text: String = lines.filter(|line| !line.starts_with("##")).collect();
        for setting in followed() {
            let constant = setting.as_str().to_ascii_uppercase().replace('-', "_");
            text = text.replace(&format!("${{{constant}}}"), setting.as_str());
        }
        let settings = json!(self.settings()).to_string();
        let [levels, quantities, defaults, of_namespace] = [
            each(followed(), ",\n          ", |name| format!("'{name}': {}", levels(name))),
            each(quantities(), "|", str::to_owned),
            each(quantities(), ", ", |name| format!("variables.settings['{name}']")),
            each(quantities(), " +\n          ", |name| {
                format!("[variables.of_namespace[?'{DOMAIN}/{name}'].orValue('')]")
            }),
        ];
        // A list in both YAML and CEL.
        let opted_out = json!(OPTED_OUT).to_string();
        let [min_ratio, max_ratio] = [Ratio::MIN, Ratio::MAX].map(|ratio| ratio.ppm().to_string());
        let [mib, min_tracked_limit] = [MIB, MIN_TRACKED_LIMIT].map(|bytes| bytes.to_string());
        for (name, value) in [
            ("NAME", &*self.name),
            ("SETTINGS", &settings),
            ("LEVELS", &levels),
            ("QUANTITIES", &quantities),
            ("QUANTITIES_BY_DEFAULT", &defaults),
            ("QUANTITIES_OF_NAMESPACE", &of_namespace),
            ("MIN_RATIO", &min_ratio),
            ("MAX_RATIO", &max_ratio),
            ("DOMAIN", DOMAIN),
            ("BUILT_IN", &built_in()),
            ("MIB", &mib),
            ("MIN_TRACKED_LIMIT", &min_tracked_limit),
            ("GOMEMLIMIT", GOMEMLIMIT),
            ("GOMEMLIMIT_MIB", GOMEMLIMIT_MIB),
            ("TRACKING_VALUE", TRACKING_VALUE),
            ("LIMITS_MEMORY", LIMITS_MEMORY),
            ("MIB_DIVISOR", MIB_DIVISOR),
            ("AUTOMEMLIMIT", AUTOMEMLIMIT),
            ("AUTO_GOMEMLIMIT_FLAG", AUTO_GOMEMLIMIT_FLAG),
            ("NO_AUTO_GOMEMLIMIT_FLAG", NO_AUTO_GOMEMLIMIT_FLAG),
            ("INJECT_LABEL", INJECT_LABEL),
            ("OPTED_OUT", &opted_out),
            ("MIRROR_ANNOTATION", MIRROR_ANNOTATION),
            ("OS_LABEL", OS_LABEL),
        ] {
            text = text.replace(&format!("${{{name}}}"), value);
        }
        text
    }

    /// A literal of both JSON and CEL, so that the chart can change single settings.
    fn settings(&self) -> BTreeMap<&'static str, String> {
        let text = |setting: Setting| (setting.as_str(), self.policy.defaults.text(setting));
        let mut settings: BTreeMap<_, _> = followed().map(text).collect();
        settings.extend([
            ("env-from", self.policy.env_from.as_str().to_owned()),
            ("init-containers", self.policy.init_containers.as_str().to_owned()),
            ("namespace-annotations", if self.follow_namespaces { "follow" } else { "ignore" }.to_owned()),
        ]);
        settings
    }
}

/// The settings that a policy follows.
fn followed() -> impl Iterator<Item = Setting> {
    Setting::ALL.iter().copied().filter(|setting| setting.engines() == Engines::All)
}

/// Those of them that are bytes.
fn quantities() -> impl Iterator<Item = Setting> {
    followed().filter(|setting| setting.form() == Form::Quantity)
}

fn each(
    settings: impl Iterator<Item = Setting>,
    separator: &str,
    text: impl Fn(&'static str) -> String,
) -> String {
    settings.map(|setting| text(setting.as_str())).collect::<Vec<_>>().join(separator)
}

/// CEL for the value of the setting `name` at each level, the strongest first, `''` for none.
fn levels(name: &str) -> String {
    format!(
        "dyn([
            variables.annotations[?'{name}.{DOMAIN}/' + x.name].orValue(''),
            variables.annotations[?'{DOMAIN}/{name}'].orValue(''),
            variables.of_namespace[?'{DOMAIN}/{name}'].orValue(''),
            variables.settings['{name}']])"
    )
}

/// Whether one of the built-in rules is about the container `x`, whose `AUTOMEMLIMIT` is `off` if it is there.
fn built_in() -> String {
    let rules = BUILT_IN.iter().map(|rule| {
        let mut conditions = vec![format!("x.image.matches('{}')", regex(rule.images))];
        if !rule.without_arguments.is_empty() {
            let arguments = regex(rule.without_arguments);
            conditions.push(format!("!x.arguments.exists(a, a.matches('{arguments}'))"));
        }
        if rule.uses_automemlimit {
            conditions.push("x.automemlimit.size() == 0".to_owned());
        }
        conditions.join(" &&\n              ")
    });
    rules.collect::<Vec<_>>().join(" ||\n            ")
}

/// A regular expression for texts that one of the patterns matches as a whole.
fn regex(patterns: &[&str]) -> String {
    let one = |pattern: &&str| {
        pattern.chars().fold(String::new(), |regex, c| match c {
            '*' => regex + ".*",
            '?' => regex + ".",
            c if c.is_ascii_alphanumeric() || "-/:_".contains(c) => format!("{regex}{c}"),
            c => format!("{regex}[{c}]"),
        })
    };
    format!("^({})$", patterns.iter().map(one).collect::<Vec<_>>().join("|"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cluster::policy_engine::AdmissionPolicy as FoundPolicy;

    /// The policy that this program prints, as the API server returns it, without the variable of that name.
    fn found(without: &str, labels: &Value) -> FoundPolicy {
        let policy = AdmissionPolicy { name: "x".into(), policy: Policy::default(), follow_namespaces: true };
        let mut found = policy.json().unwrap()["items"][0].take();
        found["spec"]["variables"].as_array_mut().unwrap().retain(|variable| variable["name"] != without);
        found["metadata"]["labels"] = labels.clone();
        serde_json::from_value(found).unwrap()
    }

    #[test]
    fn the_printed_policy_is_known_by_its_variables() {
        assert!(found("", &json!({})).is_of_gomemlimit());
        assert!(!found("plans", &json!({})).is_of_gomemlimit());
        assert!(found("plans", &json!({"helm.sh/chart": "gomemlimit-0.1.0"})).is_of_gomemlimit());
    }

    #[test]
    fn its_settings_are_read_as_those_of_the_webhook() {
        let arguments = found("", &json!({})).serve_args().unwrap();
        assert_eq!(arguments.first().unwrap(), "serve");
        for one in ["--ratio=0.9", "--min-limit=32Mi", "--mode=inject", "--namespace-settings"] {
            assert!(arguments.iter().any(|argument| argument == one), "{one}: {arguments:?}");
        }
    }

    fn text() -> String {
        AdmissionPolicy { name: "x".into(), policy: Policy::default(), follow_namespaces: true }.yaml()
    }

    /// The names in `variables.settings['…']` and the like.
    fn read(text: &str, from: &str) -> BTreeSet<String> {
        let before = format!("{from}['");
        let reads = text.split(&before).skip(1);
        reads.filter_map(|rest| rest.split('\'').next()).map(str::to_owned).collect()
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        assert!(!text().contains("${"), "{}", text());
    }

    /// CEL that reads a key that is not in the map fails for every pod, which only the API server's CEL shows (`tests/admission_policy/cel.rs`).
    #[test]
    fn cel_reads_every_setting_of_the_map_and_no_other() {
        let policy = AdmissionPolicy { name: "x".into(), policy: Policy::default(), follow_namespaces: true };
        let map = policy.settings();
        assert_eq!(read(&text(), "variables.settings"), map.keys().map(|&name| name.to_owned()).collect());
        // What the levels give is used, beyond being collected.
        let used = read(&text(), "x");
        let followed: BTreeSet<_> = followed().map(|setting| setting.as_str().to_owned()).collect();
        assert_eq!(used, followed, "`plans` of src/admission_policy.yaml");
        for &setting in Setting::ALL {
            let is_followed = setting.engines() == Engines::All;
            assert_eq!(map.contains_key(setting.as_str()), is_followed, "{}", setting.as_str());
        }
    }
}
