//! The spec of a pod and its containers.

use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{
    glob::{Glob, Work},
    json::{
        self, Object, at_most,
        text::{self, Text},
    },
    pod::{
        arguments::Arguments,
        env::{Automemlimit, Env, EnvFrom},
        expansion,
        resources::Resources,
    },
};

/// Maximum number of containers of one kind; an object with more would not fit etcd.
const MAX_CONTAINERS: usize = 1000;

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

    /// Whether the pod is for Windows.
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
            at_most(MAX_CONTAINERS, containers.len(), "containers")
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
    /// Read on demand: it matters only for a running pod.
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

    /// Whether the program sets GOMEMLIMIT itself, as far as the pod shows.
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
