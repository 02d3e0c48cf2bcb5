//! The pods of a workload, as they come and go.

use std::collections::BTreeMap;

use gomemlimit_core::audit::LabelSelector;
use gomemlimit_manifest::WorkloadKind;
use serde::Deserialize;
use serde_json::Value;

use super::{
    api::{Cluster, path_of},
    error::ApiError,
    pages::Listing,
    pods::PodView,
    resource::path_of_kind,
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
    /// Those of a workload, by its selector or the label of its pods; `None` if it has neither, as a `CronJob`.
    ///
    /// # Errors
    /// [`ApiError`] if the object cannot be read.
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
            status: Status,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Spec {
            selector: Option<Selector>,
        }
        /// A Rollout that refers to a Deployment has the selector here (`status.selector` of its subresource `scale`).
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Status {
            selector: Option<Value>,
        }
        /// That of a `ReplicationController` is a map of labels.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Selector {
            Labels(BTreeMap<String, String>),
            Selector(LabelSelector),
        }
        let object: Object = cluster.get(&path_of_kind(cluster, kind, namespace).await?, name).await?;
        let query = match (kind.pods_label, object.spec.selector) {
            (Some(label), _) => format!("{label}={name}"),
            (None, Some(Selector::Selector(selector))) => selector.query(),
            (None, Some(Selector::Labels(labels))) => {
                let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                labels.join(",")
            }
            (None, None) => {
                object.status.selector.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
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
