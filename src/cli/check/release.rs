//! The release that is checked, and the commands that mend it.

use crate::cluster::{
    api::{ApiError, Cluster},
    installation::Configuration,
    serving::Deployment,
};

/// What the chart is called by default, and its release in the README.
const DEFAULT: &str = "gomemlimit";

/// A release of the chart, or what was applied of deploy/install.yaml.
#[derive(Clone, Debug)]
pub(super) struct Release {
    pub(super) name: String,
    pub(super) namespace: String,
    /// Whether there is one at all.
    pub(super) exists: bool,
    is_helm: bool,
}

impl Release {
    /// From the labels of its objects.
    pub(super) async fn find(
        cluster: &Cluster,
        configuration: Option<&Configuration>,
        namespace: Option<&str>,
    ) -> Result<Self, ApiError> {
        let instance =
            |labels: &gomemlimit_core::selection::Labels| labels.get("app.kubernetes.io/instance").cloned();
        let is_helm = |annotations: &std::collections::BTreeMap<String, String>| {
            annotations.contains_key("meta.helm.sh/release-name")
        };
        if let Some(configuration) = configuration
            && let Some(service) = configuration.service()
        {
            return Ok(Self {
                name: instance(&configuration.metadata.labels).unwrap_or_else(|| DEFAULT.to_owned()),
                namespace: service.namespace.clone(),
                exists: true,
                is_helm: is_helm(&configuration.metadata.annotations),
            });
        }
        let deployments = match Deployment::find(cluster, namespace).await {
            Err(ApiError::Forbidden(_)) => Vec::new(),
            other => other?,
        };
        Ok(match deployments.first() {
            Some(deployment) => Self {
                name: instance(&deployment.metadata.labels).unwrap_or_else(|| DEFAULT.to_owned()),
                namespace: deployment.metadata.namespace.clone(),
                exists: true,
                is_helm: is_helm(&deployment.metadata.annotations),
            },
            None => Self {
                name: DEFAULT.to_owned(),
                namespace: namespace.unwrap_or(DEFAULT).to_owned(),
                exists: configuration.is_some(),
                is_helm: true,
            },
        })
    }

    /// Restores what is missing. More arguments only where Helm is there to take them.
    pub(super) fn upgrade(&self, arguments: &str) -> String {
        let Self { name, namespace, .. } = self;
        let command = match (self.exists, self.is_helm) {
            (false, _) => {
                format!("helm install {name} charts/gomemlimit -n {namespace} --create-namespace --wait")
            }
            (true, true) => {
                format!("helm upgrade {name} charts/gomemlimit -n {namespace} --reuse-values {arguments}")
            }
            (true, false) => "kubectl apply -f deploy/install.yaml".to_owned(),
        };
        command.trim_end().to_owned()
    }

    /// Restores an object that somebody changed: Helm leaves alone what others own.
    pub(super) fn restore(&self, object: &str) -> String {
        format!("kubectl delete {object} && {}", self.upgrade(""))
    }

    /// Restores the webhook configuration.
    pub(super) fn restore_configuration(&self, configuration: &Configuration) -> String {
        self.restore(&format!("mutatingwebhookconfiguration {}", configuration.metadata.name))
    }
}
