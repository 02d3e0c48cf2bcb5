//! The Deployment that keeps certificates for replicas that have no rights, as far as it matters.

use super::{api::Cluster, error::ApiError, webhook_objects::Deployment};

/// Selects keepers, in any release.
const KEEPERS: &str = "app.kubernetes.io/component=keeper";

/// A Deployment that runs `gomemlimit certificates`.
#[derive(Clone, Debug)]
pub struct Keeper(Deployment);

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
        let found = Deployment::selected(cluster, Some(namespace), KEEPERS).await?;
        let mut keepers = found.items.into_iter().map(Self);
        Ok(keepers.find(|one| one.flag("--webhook-config") == Some(configuration)))
    }

    /// Name of the Deployment.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.metadata.name
    }

    /// The value of a flag of `certificates`, as the chart writes it: `--flag=value`.
    #[must_use]
    pub fn flag(&self, flag: &str) -> Option<&str> {
        let mut args = self.0.args();
        args.find_map(|arg| arg.strip_prefix(flag)?.strip_prefix('='))
    }

    /// Whether its `replicas` are 0.
    #[must_use]
    pub fn is_scaled_to_nothing(&self) -> bool {
        self.0.spec.replicas == Some(0)
    }

    /// Whether one of its pods is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.ready_replicas() > 0
    }
}
