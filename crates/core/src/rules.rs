//! The rules of a policy file: which containers each matches, and what it says about them.
//!
//! A rule matches where everything that it names holds. Rules are ordered, and every setting is looked up by
//! itself, as between the levels: the first rule that matches *and* gives it counts. So does `is`, by which
//! a rule keeps us away from a program. The built-in rules come last.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error};

use crate::{
    annotations::{Given, LOW_RATIO, Layer},
    builtin,
    env::Automemlimit,
    glob::{Glob, Work},
    json,
    pod::{Container, Pod},
    settings::Setting,
    text::quote,
    warning::{Warning, WarningKind},
};

/// Maximum number of rules: each costs time in every request.
const MAX_RULES: usize = 500;

/// Maximum size of all patterns and label keys of a file, in bytes.
const MAX_PATTERNS: usize = 64 << 10;

/// Longest name of a rule, in bytes; names stand in the status annotation.
const LONGEST_NAME: usize = 63;

/// The rules that hold: those of a policy file, then the built-in ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    own: Vec<Rule>,
    /// Off only where a file says so.
    without_built_in: bool,
}

impl Rules {
    /// How many rules there are besides the built-in ones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.own.len()
    }

    /// Whether there are none besides the built-in ones.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// What is followed, but unlikely to be meant: a sentence each. To be told once, where the file is read.
    pub fn doubts(&self) -> impl Iterator<Item = String> {
        self.own.iter().filter_map(|rule| {
            let ratio = rule.set.doubtful_ratio()?;
            Some(format!("rule {}: the ratio {ratio} {LOW_RATIO}", quote(&rule.name)))
        })
    }

    /// The rules that a pod does not rule out. They are looked for once, since a pod has many labels and containers.
    pub(crate) fn for_pod(&self, target: Target<'_, '_>) -> PodRules<'_> {
        let built_in = if self.without_built_in { &[][..] } else { builtin::rules() };
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
    /// What they say about one of its containers.
    pub(crate) fn about(&self, container: &Container<'_>) -> Ruling<'r> {
        let mut ruling = Ruling::default();
        for rule in self.rules.iter().filter(|rule| rule.when.matches_container(container, &self.work)) {
            ruling.add(rule);
        }
        ruling
    }

    /// What is wrong if comparing would have taken too long. A pod cannot win by it: `mode: inject` on the pod goes
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
        // One by one, so that an error stands where the rule does.
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

/// What kind of program a rule takes a container for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Program {
    /// An ordinary Go program: whatever later rules say.
    Go,
    /// It sets its limit itself.
    SelfManaged,
    /// It is not Go.
    NotGo,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) when: Selector,
    pub(crate) set: Layer,
    pub(crate) is: Option<Program>,
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, rename = "rule")]
        struct Written {
            name: String,
            #[serde(default, rename = "match")]
            when: Selector,
            #[serde(default)]
            set: Layer,
            is: Option<Program>,
        }
        let Written { name, when, set, is } = Written::deserialize(deserializer)?;
        let problem = if name.is_empty() || name.len() > LONGEST_NAME || name.contains(char::is_control) {
            format!("the name of a rule has 1 to {LONGEST_NAME} bytes and no control characters")
        } else if set == Layer::default() && is.is_none() {
            format!("rule {} says nothing: give it `set` or `is`", quote(&name))
        } else {
            return Ok(Self { name, when, set, is });
        };
        Err(D::Error::custom(problem))
    }
}

/// What a rule matches; a list that is not given matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase", rename = "match")]
pub(crate) struct Selector {
    pub(crate) namespaces: Any<Glob>,
    pub(crate) pod_labels: AllLabels,
    pub(crate) owners: Any<OwnerKind>,
    pub(crate) containers: Any<Glob>,
    pub(crate) images: Any<Glob>,
    /// None of these is an argument.
    pub(crate) without_arguments: Any<Glob>,
    /// Only of built-in rules: `AUTOMEMLIMIT` is not `off`.
    #[serde(skip)]
    pub(crate) with_automemlimit: bool,
}

impl Selector {
    /// Size of all patterns and label keys, in bytes.
    fn len(&self) -> usize {
        let lists = [&self.namespaces, &self.containers, &self.images, &self.without_arguments];
        let patterns = lists.into_iter().flat_map(|list| &list.0).map(Glob::len);
        patterns.chain(self.pod_labels.0.iter().map(|(key, glob)| key.len() + glob.len())).sum()
    }

    fn matches_pod(&self, Target { namespace, owner, pod }: Target<'_, '_>, work: &Work) -> bool {
        self.namespaces.allows(|glob| glob.matches(namespace, work))
            && self
                .owners
                .allows(|OwnerKind(kind)| owner.map_or_else(|| pod.is_owned_by(kind), |owner| owner == kind))
            && self
                .pod_labels
                .0
                .iter()
                .all(|(key, glob)| pod.label(key, work).is_some_and(|value| glob.matches(&value, work)))
    }

    fn matches_container(&self, container: &Container<'_>, work: &Work) -> bool {
        self.containers.allows(|glob| glob.matches(&container.name, work))
            && self.images.allows(|glob| glob.matches(container.image(), work))
            && !container.has_argument(&self.without_arguments.0, work)
            && !(self.with_automemlimit && container.env.automemlimit == Automemlimit::Off)
    }
}

/// Alternatives; none at all means that everything is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Any<T>(pub(crate) Vec<T>);

impl<T> Default for Any<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Any<T> {
    fn allows(&self, is_right: impl FnMut(&T) -> bool) -> bool {
        self.0.is_empty() || self.0.iter().any(is_right)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Any<T> {
    /// A list that is written but empty is most likely a template gone wrong: it would match everything.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = Vec::deserialize(deserializer)?;
        if list.is_empty() {
            return Err(D::Error::custom("the list is empty; leave it out to match everything"));
        }
        Ok(Self(list))
    }
}

/// Labels, each of which has to be there with a value that fits; none at all means that everything is right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AllLabels(BTreeMap<String, Glob>);

impl<'de> Deserialize<'de> for AllLabels {
    /// An empty map would match everything, like an empty list.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let labels = BTreeMap::deserialize(deserializer)?;
        if labels.is_empty() {
            return Err(D::Error::custom("the map is empty; leave it out to match everything"));
        }
        Ok(Self(labels))
    }
}

/// The kind of the object that a pod belongs to, such as `Job`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnerKind(String);

impl<'de> Deserialize<'de> for OwnerKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind = String::deserialize(deserializer)?;
        match &*kind {
            "Deployment" => {
                Err(D::Error::custom("the owner of a Deployment's pods is a ReplicaSet; write that"))
            }
            "CronJob" => Err(D::Error::custom("the owner of a CronJob's pods is a Job; write that")),
            "" => Err(D::Error::custom("an owner's kind is empty")),
            _ => Ok(Self(kind)),
        }
    }
}

/// What rules are matched against, besides a container.
#[derive(Clone, Copy)]
pub(crate) struct Target<'t, 'a> {
    pub(crate) namespace: &'t str,
    /// The kind of the pod's owner where the pod itself does not say it: in a template.
    pub(crate) owner: Option<&'t str>,
    pub(crate) pod: &'t Pod<'a>,
}

/// What all rules together say about one container, and which rule said it.
#[derive(Debug, Default)]
pub(crate) struct Ruling<'r> {
    pub(crate) layer: Layer,
    pub(crate) program: Option<(Program, &'r str)>,
    names: Vec<(Given, &'r str)>,
}

impl<'r> Ruling<'r> {
    fn add(&mut self, rule: &'r Rule) {
        if self.program.is_none() {
            self.program = rule.is.map(|program| (program, &*rule.name));
        }
        let added = self.layer.fill_from(&rule.set);
        self.names.extend(added.map(|given| (given, &*rule.name)));
    }

    /// The name of the rule that gave this setting.
    pub(crate) fn name_of(&self, setting: Setting) -> Option<&'r str> {
        self.name_of_given(Given::Setting(setting))
    }

    /// The same, also for `ratio: off`.
    pub(crate) fn name_of_given(&self, given: Given) -> Option<&'r str> {
        self.names.iter().find(|(named, _)| *named == given).map(|(_, name)| *name)
    }
}
