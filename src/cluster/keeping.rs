//! The Deployment that keeps certificates for replicas that have no rights, as far as it matters.

use serde::Deserialize;

use super::{
    api::{ApiError, Cluster, path_of},
    installation::Metadata,
    pages::{Collected, Listing},
};

/// Selects keepers, in any release.
const KEEPERS: &str = "app.kubernetes.io/component=keeper";

/// A Deployment that runs `gomemlimit certificates`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Keeper {
    /// Name and labels.
    pub metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    replicas: Option<u32>,
    template: Template,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Template {
    spec: PodSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct PodSpec {
    containers: Vec<Container>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Container {
    args: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    ready_replicas: Option<u32>,
}

impl Keeper {
    /// The keeper of this webhook configuration, in the namespace of its Service.
    ///
    /// # Errors
    /// If Deployments cannot be read.
    pub async fn find(
        cluster: &Cluster,
        namespace: &str,
        configuration: &str,
    ) -> Result<Option<Self>, ApiError> {
        let listing = Listing {
            selector: Some(KEEPERS.to_owned()),
            ..Listing::all(path_of("/apis/apps/v1", Some(namespace), "deployments"))
        };
        let found: Collected<Self> = listing.collect(cluster).await?;
        let keeps = |one: &Self| one.flag("--webhook-config") == Some(configuration);
        Ok(found.items.into_iter().find(|one| one.metadata.is_of_the_chart() && keeps(one)))
    }

    /// The value of a flag of `certificates`, as the chart writes it: `--flag=value`.
    #[must_use]
    pub fn flag(&self, flag: &str) -> Option<&str> {
        let mut args = self.spec.template.spec.containers.iter().flat_map(|container| &container.args);
        args.find_map(|arg| arg.strip_prefix(flag)?.strip_prefix('='))
    }

    /// Whether it is told to have no pods.
    #[must_use]
    pub fn is_scaled_to_nothing(&self) -> bool {
        self.spec.replicas == Some(0)
    }

    /// Whether one of its pods is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status.ready_replicas.is_some_and(|ready| ready > 0)
    }
}
