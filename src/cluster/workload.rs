//! The pods of a workload, as they come and go.

use gomemlimit_core::selection::LabelSelector;
use serde::Deserialize;

use super::{
    api::{ApiError, Cluster, path_of},
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
    /// Those of a workload, by its selector: the plural and the group of its kind, and its name. `None` where it has
    /// no selector, as a `CronJob`.
    pub async fn of(
        cluster: &Cluster,
        namespace: &str,
        (plural, group): (&str, &str),
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
            selector: LabelSelector,
        }
        let object: Object = cluster.get(&path_of(group, Some(namespace), plural), name).await?;
        let query = object.spec.selector.query();
        Ok((!query.is_empty()).then_some(Self::Selected(query)))
    }

    /// Those that there are now.
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
