//! The rules of a policy file, in their order.
//!
//! Every setting is looked up by itself, as between the levels: the first rule that matches *and* gives it counts. So
//! does `is`, by which a rule excludes a program. The built-in rules come last.

use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, de::Error};

use crate::{
    glob::{Glob, Work},
    json,
    pod::containers::Container,
    quote::quote,
    settings::{
        builtin::{BUILT_IN, BuiltIn},
        layer::SettingKey,
        rule::{Any, Program, Rule, Selector, Target},
        table::{PartialSettings, Setting},
    },
    value::ratio::LOW_RATIO,
    warning::{Warning, WarningKind},
};

/// Maximum number of rules: each costs time in every request.
const MAX_RULES: usize = 500;

/// Maximum size of all patterns and label keys of a file, in bytes.
const MAX_PATTERNS: usize = 64 << 10;

/// The rules that hold: those of a policy file, then the built-in ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    own: Vec<Rule>,
    /// Off only by the policy file.
    without_built_in: bool,
}

impl Rules {
    /// Number of rules besides the built-in ones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.own.len()
    }

    /// Whether there are none besides the built-in ones.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// Settings of rules that are followed but unlikely to be meant, one sentence each. For the reader of the file, not for
    /// each pod.
    pub fn lints(&self) -> impl Iterator<Item = String> {
        self.own.iter().filter_map(|rule| {
            let ratio = rule.set.doubtful_ratio()?;
            Some(format!("rule {}: the ratio {ratio} {LOW_RATIO}", quote(&rule.name)))
        })
    }

    /// The rules that a pod does not rule out. They are looked for once, since a pod has many labels and containers.
    pub(crate) fn for_pod(&self, target: Target<'_, '_>) -> PodRules<'_> {
        let built_in = if self.without_built_in { &[][..] } else { built_in_rules() };
        let work = Work::new();
        let rules =
            self.own.iter().chain(built_in).filter(|rule| rule.when.matches_pod(target, &work)).collect();
        PodRules { rules, work }
    }
}

/// The rules that a pod does not rule out.
pub(crate) struct PodRules<'r> {
    rules: Vec<&'r Rule>,
    work: Work,
}

impl<'r> PodRules<'r> {
    /// The rules that match one of its containers.
    pub(crate) fn matching(&self, container: &Container<'_>) -> MatchedRules<'r> {
        let mut matched = MatchedRules::default();
        for rule in self.rules.iter().filter(|rule| rule.when.matches_container(container, &self.work)) {
            matched.add(rule);
        }
        matched
    }

    /// A warning if comparing would have taken too long. A pod cannot win by it: `mode: inject` on the pod goes
    /// before rules, too.
    pub(crate) fn warning(&self) -> Option<Warning> {
        let text =
            "the pod is too large to be compared with all rules; those that were not compared do not count";
        (!self.work.was_enough()).then(|| Warning::new(WarningKind::RulesCutOff, text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "camelCase", rename = "policy file")]
        struct File {
            #[serde(default, deserialize_with = "json::or_default")]
            rules: Named,
            #[serde(default = "yes")]
            built_in_rules: bool,
        }
        const fn yes() -> bool {
            true
        }
        let File { rules, built_in_rules } = File::deserialize(deserializer)?;
        Ok(Self { own: rules.0, without_built_in: !built_in_rules })
    }
}

/// Rules with names of their own.
#[derive(Default)]
struct Named(Vec<Rule>);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (mut rules, mut patterns): (Vec<Rule>, usize) = (Vec::new(), 0);
        // One by one, so that an error has the position of its rule.
        json::each(deserializer, "a list of rules", |rule: Rule| {
            if rules.iter().any(|earlier| earlier.name == rule.name) {
                return Err(D::Error::custom(format!("two rules have the name {}", quote(&rule.name))));
            }
            if rules.len() == MAX_RULES {
                return Err(D::Error::custom(format!("more than {MAX_RULES} rules")));
            }
            patterns += rule.when.len();
            if patterns > MAX_PATTERNS {
                return Err(D::Error::custom(format!(
                    "with rule {} the patterns of the file have more than {MAX_PATTERNS} bytes",
                    quote(&rule.name)
                )));
            }
            rules.push(rule);
            Ok(())
        })?;
        Ok(Self(rules))
    }
}

/// The result of all rules for one container, with the rule that each part comes from.
#[derive(Debug, Default)]
pub(crate) struct MatchedRules<'r> {
    pub(crate) layer: PartialSettings,
    pub(crate) program: Option<(Program, &'r str)>,
    names: Vec<(SettingKey, &'r str)>,
}

impl<'r> MatchedRules<'r> {
    fn add(&mut self, rule: &'r Rule) {
        if self.program.is_none() {
            self.program = rule.is.map(|program| (program, &*rule.name));
        }
        let added = self.layer.fill_from(&rule.set);
        self.names.extend(added.map(|key| (key, &*rule.name)));
    }

    /// The name of the rule that gave this setting.
    pub(crate) fn name_of(&self, setting: Setting) -> Option<&'r str> {
        self.name_of_key(SettingKey::Setting(setting))
    }

    /// The same, also for `ratio: off`.
    pub(crate) fn name_of_key(&self, key: SettingKey) -> Option<&'r str> {
        self.names.iter().find(|(named, _)| *named == key).map(|(_, name)| *name)
    }
}

/// The built-in rules.
fn built_in_rules() -> &'static [Rule] {
    static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| BUILT_IN.iter().map(built_in_rule).collect());
    &RULES
}

fn built_in_rule(built_in: &BuiltIn) -> Rule {
    // Patterns that are not well-formed would be left out; a test sees to it that there are none.
    let globs = |patterns: &[&str]| Any(patterns.iter().flat_map(|pattern| Glob::new(pattern)).collect());
    let when = Selector {
        images: globs(built_in.images),
        without_arguments: globs(built_in.without_arguments),
        with_automemlimit: built_in.uses_automemlimit,
        ..Selector::default()
    };
    Rule {
        name: built_in.name.to_owned(),
        when,
        set: PartialSettings::default(),
        is: Some(Program::SelfManaged),
    }
}
