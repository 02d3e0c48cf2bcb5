//! The release that is checked, and the commands that mend it.

use std::collections::BTreeMap;

use gomemlimit_core::addresses::{VERSION, chart, manifest};

use crate::cli::shell::quote;
use crate::cluster::{
    installation::{Configuration, Metadata, ServiceReference},
    serving::Deployment,
};

/// What the chart is called by default, and its release in the README.
const DEFAULT: &str = "gomemlimit";

/// A release of the chart, or what was applied of its manifest for people without Helm.
#[derive(Clone, Debug)]
pub(super) struct Release {
    pub(super) name: String,
    pub(super) namespace: String,
    /// Whether there is one at all.
    pub(super) exists: bool,
    pub(super) is_helm: bool,
    /// That of its objects' labels, or else that of this program.
    version: String,
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
            version: metadata.version().unwrap_or(VERSION).to_owned(),
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
                version: VERSION.to_owned(),
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
        let (name, namespace, version) = (quote(&self.name), quote(&self.namespace), quote(&self.version));
        let chart = format!("{} --version {version} -n {namespace}", chart());
        let command = match (self.exists, self.is_helm) {
            (false, _) => format!("helm install {name} {chart} --create-namespace --wait"),
            (true, true) => format!("helm upgrade {name} {chart} --reset-then-reuse-values {arguments}"),
            (true, false) => format!("kubectl apply --server-side -f {}", quote(&manifest(&self.version))),
        };
        command.trim_end().to_owned()
    }

    /// Restores an object that somebody changed: Helm leaves alone what others own.
    fn restore(&self, object: &str) -> String {
        format!("kubectl delete {object} && {}", self.upgrade(""))
    }

    /// Restores the webhook configuration.
    pub(super) fn restore_configuration(&self, configuration: &Configuration) -> String {
        self.restore(&format!("mutatingwebhookconfiguration {}", quote(&configuration.metadata.name)))
    }

    /// Restores the Service.
    pub(super) fn restore_service(&self, service: &ServiceReference) -> String {
        self.restore(&format!("service {} -n {}", quote(&service.name), quote(&service.namespace)))
    }
}
