//! The pods of a workload, as they come and go.

use std::collections::BTreeMap;

use gomemlimit_core::audit::LabelSelector;
use gomemlimit_manifest::WorkloadKind;
use serde::Deserialize;

use super::{
    api::{Cluster, path_of},
    error::ApiError,
    pages::Listing,
    pods::PodView,
};

/// Which pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pods {
    /// One, by its name.
    Named(String),
    /// Those that a label selector selects.
    Selected(String),
}

impl Pods {
    /// Those of a workload, by its selector; `None` if it has none, as a `CronJob`.
    ///
    /// # Errors
    /// [`ApiError`] if the object cannot be read; a missing one is `None`.
    pub async fn of(
        cluster: &Cluster,
        namespace: &str,
        kind: &WorkloadKind,
        name: &str,
    ) -> Result<Option<Self>, ApiError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Object {
            spec: Spec,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Spec {
            selector: Selector,
        }
        /// That of a `ReplicationController` is a map of labels.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Selector {
            Labels(BTreeMap<String, String>),
            Selector(LabelSelector),
        }
        impl Default for Selector {
            fn default() -> Self {
                Self::Selector(LabelSelector::default())
            }
        }
        let object: Object = cluster.get(&path_of(&kind.api(), Some(namespace), kind.plural), name).await?;
        let query = match object.spec.selector {
            Selector::Selector(selector) => selector.query(),
            Selector::Labels(labels) => {
                let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                labels.join(",")
            }
        };
        Ok((!query.is_empty()).then_some(Self::Selected(query)))
    }

    /// Those that there are now.
    ///
    /// # Errors
    /// [`ApiError`] if the pods cannot be listed.
    pub async fn read(&self, cluster: &Cluster, namespace: &str) -> Result<Vec<PodView>, ApiError> {
        let path = path_of("/api/v1", Some(namespace), "pods");
        let selector = match self {
            Self::Named(name) => {
                return Ok(PodView::find(cluster, namespace, name).await?.into_iter().collect());
            }
            Self::Selected(selector) => selector.clone(),
        };
        let listing = Listing { selector: Some(selector), ..Listing::all(path) };
        Ok(listing.collect_as(cluster, PodView::parse).await?.items)
    }
}
