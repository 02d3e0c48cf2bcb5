//! The release that is checked, and the commands that mend it.

use std::collections::BTreeMap;

use crate::cluster::{
    installation::{Configuration, Metadata},
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
    pub(super) is_helm: bool,
}

fn is_helm(annotations: &BTreeMap<String, String>) -> bool {
    annotations.contains_key("meta.helm.sh/release-name")
}

impl Release {
    /// From the labels of one of its objects.
    fn of(metadata: &Metadata, namespace: &str) -> Self {
        let instance = metadata.labels.get("app.kubernetes.io/instance").cloned();
        Self {
            name: instance.unwrap_or_else(|| DEFAULT.to_owned()),
            namespace: namespace.to_owned(),
            exists: true,
            is_helm: is_helm(&metadata.annotations),
        }
    }

    /// From the labels of its webhook configuration, or else of its Deployments.
    pub(super) fn find(
        configuration: Option<&Configuration>,
        deployments: &[Deployment],
        namespace: Option<&str>,
    ) -> Self {
        if let Some(configuration) = configuration
            && let Some(service) = configuration.service()
        {
            return Self::of(&configuration.metadata, &service.namespace);
        }
        match deployments.first() {
            Some(Deployment { metadata, .. }) => Self::of(metadata, &metadata.namespace),
            None => Self {
                name: DEFAULT.to_owned(),
                namespace: namespace.unwrap_or(DEFAULT).to_owned(),
                exists: configuration.is_some(),
                is_helm: true,
            },
        }
    }

    /// From an object of the whole cluster, on which Helm leaves the release's namespace.
    pub(super) fn of_cluster_object(metadata: &Metadata) -> Self {
        let namespace = metadata.annotations.get("meta.helm.sh/release-namespace");
        Self::of(metadata, namespace.map_or(DEFAULT, String::as_str))
    }

    /// Restores what is missing. More arguments only where Helm is there to take them.
    pub(super) fn upgrade(&self, arguments: &str) -> String {
        let Self { name, namespace, .. } = self;
        let command = match (self.exists, self.is_helm) {
            (false, _) => {
                format!("helm install {name} charts/gomemlimit -n {namespace} --create-namespace --wait")
            }
            (true, true) => format!(
                "helm upgrade {name} charts/gomemlimit -n {namespace} --reset-then-reuse-values {arguments}"
            ),
            (true, false) => "kubectl apply --server-side -f deploy/install.yaml".to_owned(),
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
