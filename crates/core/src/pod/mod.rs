//! A borrowed view of the few fields of a Pod that decide anything; the rest is skipped unread.
//!
//! Unknown fields are ignored, so a newer Kubernetes never breaks it. `null` counts as absent, as in
//! Go's decoder. Field names follow `k8s.io/api/core/v1`.

mod arguments;
pub(crate) mod containers;
pub(crate) mod env;
pub(crate) mod expansion;
pub(crate) mod live;
pub(crate) mod metadata;
pub(crate) mod resources;

use serde::Deserialize;

pub use self::live::{LivePod, Termination, Workload};
use crate::{
    glob::Work,
    json::{self, Object, text::Text},
    names::INJECT_LABEL,
    pod::{
        containers::Spec,
        metadata::{Metadata, OwnEntries},
    },
};

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
    ///
    /// # Errors
    /// If a field that matters has another shape than the API's, or a list is longer than any real one.
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
