//! Metadata of objects, and who made them.

use std::collections::BTreeMap;

use gomemlimit_core::{audit::Labels, names::is_object_name};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Deserializer, de::Error};

/// Annotations of every object of a Helm release (`setReleaseAnnotations` in Helm's `pkg/action/validate.go`).
const RELEASE_NAME: &str = "meta.helm.sh/release-name";
const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";

/// Labels of the chart: its name, which a release may replace, and its name and version.
const NAME_LABEL: &str = "app.kubernetes.io/name";
const CHART_LABEL: &str = "helm.sh/chart";
const VERSION_LABEL: &str = "app.kubernetes.io/version";
const NAME: &str = "gomemlimit";

/// Metadata of any object, as far as it matters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ObjectMeta {
    /// `metadata.name`; empty if absent.
    #[serde(deserialize_with = "object_name")]
    pub name: String,
    /// Namespace; empty if it has none.
    #[serde(deserialize_with = "object_name")]
    pub namespace: String,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// When its deletion was requested; `None` if it was not.
    pub deletion_timestamp: Option<String>,
    /// When it was created.
    pub creation_timestamp: Option<Time>,
}

/// Who made an object of the whole cluster, by its own annotations. Nobody who may only write in some namespaces can
/// write such an object, so that it is to be believed; an object of a namespace is not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A release of Helm.
    Helm {
        /// Name.
        name: String,
        /// Its namespace.
        namespace: String,
    },
    /// Not Helm: the manifest for people without it.
    Manifest,
    /// Annotations of Helm that are not those of a release.
    Unclear,
}

/// Maximum length of a text that is not a name and is shown, in characters.
const MAX_SHOWN: usize = 100;

/// The name of an object, which goes into paths and printed commands: any other is refused.
pub(super) fn object_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.is_empty() || is_object_name(&name) {
        return Ok(name);
    }
    let start: String = name.chars().take(MAX_SHOWN).collect();
    Err(D::Error::custom(format!("{start} is not a name of Kubernetes")))
}

impl ObjectMeta {
    /// Who made it, if it is an object of the whole cluster.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match [RELEASE_NAME, RELEASE_NAMESPACE].map(|key| self.annotations.get(key)) {
            [None, None] => Origin::Manifest,
            [Some(name), Some(namespace)] if is_object_name(name) && is_object_name(namespace) => {
                Origin::Helm { name: name.clone(), namespace: namespace.clone() }
            }
            _ => Origin::Unclear,
        }
    }

    /// The version that the chart's label names, if it can be one.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        let is_fine = |c: char| c.is_ascii_alphanumeric() || ".-+".contains(c);
        let version = self.labels.get(VERSION_LABEL)?;
        let is_version = version.starts_with(|c: char| c.is_ascii_digit()) && version.chars().all(is_fine);
        is_version.then_some(version.as_str())
    }

    /// Whether the chart made it, by its labels.
    #[must_use]
    pub(crate) fn is_of_the_chart(&self) -> bool {
        let is_chart = |chart: &String| {
            chart
                .strip_prefix(NAME)
                .and_then(|rest| rest.strip_prefix('-'))
                .is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
        };
        self.labels.get(NAME_LABEL).is_some_and(|name| name == NAME)
            || self.labels.get(CHART_LABEL).is_some_and(is_chart)
    }
}
