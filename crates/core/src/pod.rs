//! A borrowed view of the few fields of a Pod that decide anything; the rest is skipped unread.
//!
//! Unknown fields are ignored, so a newer Kubernetes never breaks it. `null` counts as absent, as in
//! Go's decoder. Field names follow `k8s.io/api/core/v1`.

use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    env::{Arguments, Automemlimit, Env, EnvFrom},
    expansion,
    glob::{Glob, Work},
    json::{self, Object},
    names::{DOMAIN, INJECT_LABEL, MIRROR_ANNOTATION},
    resources::Resources,
    text::{self, Key, Text},
};

/// More containers (of one kind) than any real pod has: the object would not fit etcd.
const MOST_CONTAINERS: usize = 1000;

/// More of our labels or annotations than settings for that many containers need.
const MOST_OWN_ENTRIES: usize = 1000;

/// More owners than any pod has.
const MOST_OWNERS: usize = 1000;

/// `ValidateAnnotationsSize` of `k8s.io/apimachinery/pkg/api/validation`: 256 KiB for all keys and
/// values of an object; one byte more and the pod would be refused.
pub(crate) const MOST_ANNOTATIONS: usize = 256 << 10;

/// Bytes of JSON that one annotation can be; escapes make six times as much at most.
const MOST_ANNOTATION_JSON: usize = 6 * MOST_ANNOTATIONS;

/// Bytes of JSON that any label, and a setting of ours, can be.
const SHORT: usize = 1 << 10;

/// The parts of a Pod, or of a pod template, that matter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Pod<'a> {
    #[serde(borrow, deserialize_with = "json::object")]
    pub(crate) metadata: Option<Metadata<'a>>,
    #[serde(borrow, deserialize_with = "json::object_or_default")]
    pub(crate) spec: Spec<'a>,
}

impl<'a> Pod<'a> {
    /// Reads a Pod or pod template from its JSON text.
    pub fn parse(json: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json).map(|Object(pod)| pod)
    }

    /// `metadata.name`, or `metadata.generateName` of a pod that has no name yet.
    #[must_use]
    pub fn name(&self) -> &str {
        let Some(metadata) = &self.metadata else { return "" };
        let name = metadata.name.as_deref().filter(|name| !name.is_empty());
        name.or(metadata.generate_name.as_deref()).unwrap_or_default()
    }

    pub(crate) fn annotations(&self) -> Option<&OwnEntries<'a>> {
        self.metadata.as_ref().map(|metadata| &metadata.annotations)
    }

    /// The value of the label `gomemlimit.dev/inject`.
    pub(crate) fn inject_label(&self) -> Option<&str> {
        self.metadata.as_ref()?.labels.own.get(INJECT_LABEL)
    }

    /// The value of any label.
    pub(crate) fn label(&self, key: &str, work: &Work) -> Option<Text<'a>> {
        let labels = &self.metadata.as_ref()?.labels;
        if work.take(labels.json.len()) { labels.find(key) } else { None }
    }

    /// `metadata.namespace`; empty in a template.
    pub(crate) fn namespace(&self) -> &str {
        self.metadata.as_ref().and_then(|metadata| metadata.namespace.as_deref()).unwrap_or_default()
    }

    /// Whether an object of this kind owns the pod.
    pub(crate) fn is_owned_by(&self, kind: &str) -> bool {
        let owners = self.metadata.as_ref().map_or(&[][..], |metadata| &metadata.owner_references.0);
        owners.iter().any(|owner| **owner == *kind)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Metadata<'a> {
    #[serde(borrow, deserialize_with = "text::name")]
    name: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "text::name")]
    generate_name: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "text::name")]
    namespace: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    owner_references: Owners<'a>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    pub(crate) labels: Labels<'a>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    pub(crate) annotations: OwnEntries<'a>,
}

/// The kinds of a pod's owners.
#[derive(Debug, Default)]
struct Owners<'a>(Vec<Text<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Owners<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Reference<'a> {
            #[serde(borrow, deserialize_with = "json::or_default")]
            kind: Text<'a>,
        }
        let mut kinds = Vec::new();
        json::each(deserializer, "a list of owners", |owner: Object<Reference<'a>>| {
            kinds.push(owner.0.kind);
            at_most(MOST_OWNERS, kinds.len(), "owners")
        })?;
        Ok(Self(kinds))
    }
}

/// The labels of a pod. Only rules ask for those that are not ours, so those are read when they are asked for.
#[derive(Debug, Default)]
pub(crate) struct Labels<'a> {
    own: OwnEntries<'a>,
    json: &'a str,
}

impl<'a> Labels<'a> {
    fn find(&self, wanted: &str) -> Option<Text<'a>> {
        match json::find(self.json, wanted)? {
            // The empty text, as in Go's decoder.
            "null" => Some(Text::default()),
            value => text_within(MOST_ANNOTATION_JSON, value).ok(),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Labels<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&'a RawValue>::deserialize(deserializer)?.get();
        Ok(Self { own: serde_json::from_str(json).map_err(D::Error::custom)?, json })
    }
}

/// A string map of which only the entries of our domain are kept.
#[derive(Debug, Default)]
pub(crate) struct OwnEntries<'a> {
    pub(crate) ours: Vec<(Text<'a>, Text<'a>)>,
    /// Bytes of all keys and values, ours or not, as the API server counts them.
    pub(crate) size: usize,
    /// Whether the map is there, be it empty.
    pub(crate) present: bool,
    pub(crate) is_mirror: bool,
}

impl OwnEntries<'_> {
    /// The value of one of our keys.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.ours.iter().find(|(k, _)| &**k == key).map(|(_, value)| &**value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for OwnEntries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for EntriesVisitor<'a> {
            type Value = OwnEntries<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = OwnEntries { present: true, ..OwnEntries::default() };
                while let Some(Key(key)) = map.next_key::<Key<'a>>()? {
                    entries.is_mirror |= &*key == MIRROR_ANNOTATION;
                    let value = map.next_value::<Option<&'a RawValue>>()?;
                    // Copies would add up; of a pod with more, which is refused whatever we do, only short ones are made.
                    let most = if entries.size > MOST_ANNOTATIONS { SHORT } else { MOST_ANNOTATION_JSON };
                    let value = value.map(|value| text_within(most, value.get())).transpose();
                    let value = value.map_err(M::Error::custom)?.unwrap_or_default();
                    entries.size += key.len() + value.len();
                    if is_ours(&key) {
                        // A key given twice counts as its last value, as in Go's decoder.
                        entries.ours.retain(|(earlier, _)| *earlier != key);
                        entries.ours.push((key, value));
                        at_most(MOST_OWN_ENTRIES, entries.ours.len(), "labels or annotations of ours")?;
                    }
                }
                Ok(entries)
            }
        }
        json::read(deserializer, EntriesVisitor(PhantomData))
    }
}

/// Whether the key of a label or annotation is of our domain: `gomemlimit.dev/x` and
/// `x.gomemlimit.dev/container`.
#[must_use]
pub fn is_ours(key: &str) -> bool {
    key.split_once('/').is_some_and(|(prefix, _)| {
        prefix.strip_suffix(DOMAIN).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// The text of a label or annotation. One of more than `most` bytes of JSON counts by its raw length.
fn text_within(most: usize, json: &str) -> serde_json::Result<Text<'_>> {
    match json.strip_prefix('"').filter(|_| json.len() > most) {
        Some(raw) => Ok(Text(raw.into())),
        None => serde_json::from_str(json),
    }
}

/// Refuses a list that no real pod has, before it takes many times the memory of its text.
fn at_most<E: Error>(most: usize, count: usize, what: &str) -> Result<(), E> {
    if count > most { Err(E::custom(format!("more than {most} {what}"))) } else { Ok(()) }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Spec<'a> {
    #[serde(borrow, deserialize_with = "json::or_default")]
    pub(crate) containers: Containers<'a>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    pub(crate) init_containers: Containers<'a>,
    /// Pod-level resources, KEP-2837.
    #[serde(borrow, deserialize_with = "json::object_or_default")]
    pub(crate) resources: Resources<'a>,
    #[serde(borrow, deserialize_with = "json::object")]
    os: Option<Os<'a>>,
    #[serde(borrow, deserialize_with = "json::object_or_default")]
    node_selector: NodeSelector<'a>,
    /// Read on demand: only those in memory matter.
    #[serde(borrow)]
    pub(crate) volumes: Option<&'a RawValue>,
}

impl<'a> Spec<'a> {
    /// Init containers, then the others.
    pub(crate) fn all_containers(&self) -> impl Iterator<Item = &Container<'a>> {
        self.init_containers.iter().chain(self.containers.iter())
    }

    /// Whether the pod says that it is for Windows.
    pub(crate) fn is_windows(&self) -> bool {
        let os = self.os.as_ref().and_then(|os| os.name.as_deref());
        [os, self.node_selector.os.as_deref()].contains(&Some("windows"))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Os<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NodeSelector<'a> {
    #[serde(borrow, rename = "kubernetes.io/os")]
    os: Option<Text<'a>>,
}

/// A list of containers that is not longer than real ones.
#[derive(Debug, Default)]
pub(crate) struct Containers<'a>(Vec<Container<'a>>);

impl<'a> Deref for Containers<'a> {
    type Target = [Container<'a>];

    fn deref(&self) -> &[Container<'a>] {
        &self.0
    }
}

impl DerefMut for Containers<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Containers<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut containers = Vec::new();
        json::each(deserializer, "a list of containers", |container: Object<Container<'a>>| {
            containers.push(container.0);
            at_most(MOST_CONTAINERS, containers.len(), "containers")
        })?;
        Ok(Self(containers))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Container<'a> {
    #[serde(borrow, deserialize_with = "text::name_or_default")]
    pub(crate) name: Text<'a>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    image: Text<'a>,
    #[serde(borrow, deserialize_with = "json::object_or_default")]
    pub(crate) resources: Resources<'a>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    pub(crate) env: Env<'a>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    env_from: EnvFrom<'a>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    command: Arguments<'a>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    args: Arguments<'a>,
    #[serde(borrow)]
    restart_policy: Option<Text<'a>>,
    /// Read on demand: it matters only where the pod runs.
    #[serde(borrow)]
    pub(crate) resize_policy: Option<&'a RawValue>,
    /// Read on demand, like the volumes.
    #[serde(borrow)]
    pub(crate) volume_mounts: Option<&'a RawValue>,
}

impl Container<'_> {
    /// An init container that keeps running beside the containers (KEP-753).
    pub(crate) fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }

    /// The image, as the pod names it.
    pub(crate) fn image(&self) -> &str {
        &self.image
    }

    /// Whether one of the arguments, or a part of the command, fits.
    pub(crate) fn has_argument(&self, globs: &[Glob], work: &Work) -> bool {
        !globs.is_empty() && (self.command.any(globs, work) || self.args.any(globs, work))
    }

    /// Whether an `envFrom` of the container can define GOMEMLIMIT.
    pub(crate) fn env_from_may_define(&self) -> bool {
        self.env_from.may_define
    }

    /// Whether something that the pod does not show can define the variable `name`: an `envFrom` or a Service.
    pub(crate) fn may_be_defined_elsewhere(&self, name: &str) -> bool {
        self.env_from.may_define_name(name) || expansion::may_be_of_a_service(name)
    }

    /// Whether the program sets GOMEMLIMIT itself, as far as the pod tells.
    pub(crate) fn is_self_managed(&self) -> bool {
        let is_refused = self.command.refuses_auto_gomemlimit || self.args.refuses_auto_gomemlimit;
        let has_flag = self.command.has_auto_gomemlimit || self.args.has_auto_gomemlimit;
        match self.env.automemlimit {
            Automemlimit::Absent => has_flag && !is_refused,
            Automemlimit::Off => false,
            Automemlimit::On => true,
        }
    }
}
