//! One rule of a policy file: what it matches, and what it sets.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error};

use crate::{
    glob::{Glob, Work},
    pod::{Pod, containers::Container, env::Automemlimit},
    quote::quote,
    settings::table::PartialSettings,
};

/// Maximum length of the name of a rule, in bytes; names go into the status annotation.
const MAX_NAME_BYTES: usize = 63;

/// The kind of program that a rule takes a container for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Program {
    /// An ordinary Go program; later rules do not count.
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
    pub(crate) set: PartialSettings,
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
            set: PartialSettings,
            is: Option<Program>,
        }
        let Written { name, when, set, is } = Written::deserialize(deserializer)?;
        let problem = if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(char::is_control) {
            format!("the name of a rule has 1 to {MAX_NAME_BYTES} bytes and no control characters")
        } else if set == PartialSettings::default() && is.is_none() {
            format!("rule {} is empty: give it `set` or `is`", quote(&name))
        } else {
            return Ok(Self { name, when, set, is });
        };
        Err(D::Error::custom(problem))
    }
}

/// The selector of a rule; a list that is not given matches everything.
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
    pub(super) fn len(&self) -> usize {
        let lists = [&self.namespaces, &self.containers, &self.images, &self.without_arguments];
        let patterns = lists.into_iter().flat_map(|list| &list.0).map(Glob::len);
        patterns.chain(self.pod_labels.0.iter().map(|(key, glob)| key.len() + glob.len())).sum()
    }

    pub(super) fn matches_pod(&self, Target { namespace, owner, pod }: Target<'_, '_>, work: &Work) -> bool {
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

    pub(super) fn matches_container(&self, container: &Container<'_>, work: &Work) -> bool {
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
    /// A list that is given but empty is most likely a template gone wrong: it would match everything.
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

/// Kinds that own no pods themselves, and the kind that they make, which does.
const INDIRECT_OWNERS: [(&str, &str); 7] = [
    ("Deployment", "ReplicaSet"),
    ("CronJob", "Job"),
    ("Rollout", "ReplicaSet"),
    ("DeploymentConfig", "ReplicationController"),
    ("JobSet", "Job"),
    ("ScaledJob", "Job"),
    ("LeaderWorkerSet", "StatefulSet"),
];

impl<'de> Deserialize<'de> for OwnerKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind = String::deserialize(deserializer)?;
        if kind.is_empty() {
            return Err(D::Error::custom("an owner's kind is empty"));
        }
        match INDIRECT_OWNERS.iter().find(|(above, _)| *above == kind) {
            Some((above, owner)) => {
                Err(D::Error::custom(format!("the owner of a {above}'s pods is a {owner}; write that")))
            }
            None => Ok(Self(kind)),
        }
    }
}

/// The pod that rules are matched against.
#[derive(Clone, Copy)]
pub(crate) struct Target<'t, 'a> {
    pub(crate) namespace: &'t str,
    /// The kind of the pod's owner, for a template, which does not name it.
    pub(crate) owner: Option<&'t str>,
    pub(crate) pod: &'t Pod<'a>,
}
