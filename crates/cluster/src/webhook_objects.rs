//! The objects that serve the webhook, as far as they matter: Service, Deployment, pods and endpoints.

use std::collections::BTreeSet;

use gomemlimit_core::audit::Labels;
use serde::Deserialize;

use super::{
    api::{Cluster, path_of},
    error::ApiError,
    object_meta::ObjectMeta,
    pages::{Collected, Listing},
    pod_object::{Container, PodSpec, PodStatus, Volume},
    webhook_configuration::{ServiceReference, WebhookConfiguration},
};
use gomemlimit_core::names::DEFAULT_PATH;

/// Selects what serves, in any release.
const WEBHOOKS: &str = "app.kubernetes.io/component=webhook";

/// A Service, as far as it matters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Which pods, and on which ports.
    pub spec: ServiceSpec,
}

/// `spec` of a Service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceSpec {
    /// Labels of its pods.
    pub selector: Labels,
    /// The ports, each with the port of the pods behind it.
    pub ports: Vec<ServicePort>,
}

/// A port of a Service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServicePort {
    /// Port that clients connect to.
    pub port: u16,
    /// Number or name of the container's port.
    pub target_port: serde_json::Value,
}

/// A Deployment of the webhook.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Deployment {
    /// Name, namespace and labels.
    pub metadata: ObjectMeta,
    /// Number of pods, and their template.
    pub spec: DeploymentSpec,
    status: DeploymentStatus,
}

/// `spec` of a Deployment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DeploymentSpec {
    /// Number of pods that it should have.
    pub replicas: Option<u32>,
    /// Template of its pods.
    pub template: PodTemplate,
}

/// Template of pods.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodTemplate {
    /// Labels and annotations of its pods.
    pub metadata: ObjectMeta,
    spec: PodSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DeploymentStatus {
    ready_replicas: Option<u32>,
}

impl Deployment {
    /// The webhook's Deployments, in one namespace or in all.
    ///
    /// # Errors
    /// If Deployments cannot be read.
    pub async fn find(cluster: &Cluster, namespace: Option<&str>) -> Result<Collected<Self>, ApiError> {
        Self::selected(cluster, namespace, WEBHOOKS).await
    }

    /// The Deployments of the chart that this label selector selects.
    pub(super) async fn selected(
        cluster: &Cluster,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Collected<Self>, ApiError> {
        let listing = Listing {
            selector: Some(selector.to_owned()),
            ..Listing::all(path_of("/apis/apps/v1", namespace, "deployments"))
        };
        let mut found: Collected<Self> = listing.collect(cluster).await?;
        found.items.retain(|one| one.metadata.is_of_the_chart());
        Ok(found)
    }

    /// The arguments of its containers.
    pub(super) fn args(&self) -> impl Iterator<Item = &String> {
        self.spec.template.spec.containers.iter().flat_map(|container| &container.args)
    }

    /// Number of its pods that are ready.
    pub(super) fn ready_replicas(&self) -> u32 {
        self.status.ready_replicas.unwrap_or_default()
    }

    /// The label of its pods that a Service with this selector does not find; `None` if it finds them.
    #[must_use]
    pub fn unmatched<'s>(&self, service: &'s Service) -> Option<(&'s String, &'s String)> {
        let labels = &self.spec.template.metadata.labels;
        service.spec.selector.iter().find(|(key, value)| labels.get(*key) != Some(value))
    }
}

/// Number of endpoints of a Service that may be called.
///
/// # Errors
/// If endpoint slices cannot be read.
pub async fn ready_endpoints(cluster: &Cluster, reference: &ServiceReference) -> Result<usize, ApiError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Slice {
        /// `null` if there are none.
        endpoints: Option<Vec<Endpoint>>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Endpoint {
        conditions: Conditions,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Conditions {
        ready: Option<bool>,
    }
    let listing = Listing {
        selector: Some(format!("kubernetes.io/service-name={}", reference.name)),
        ..Listing::all(path_of("/apis/discovery.k8s.io/v1", Some(&reference.namespace), "endpointslices"))
    };
    let slices: Collected<Slice> = listing.collect(cluster).await?;
    let endpoints = slices.items.iter().flat_map(|slice| slice.endpoints.iter().flatten());
    Ok(endpoints.filter(|one| one.conditions.ready != Some(false)).count())
}

/// A pod of the webhook.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct WebhookPod {
    /// Name, namespace and labels.
    pub metadata: ObjectMeta,
    spec: PodSpec,
    status: PodStatus,
}

impl WebhookPod {
    /// The pods that a Service selects and that are not about to end.
    ///
    /// # Errors
    /// If pods cannot be read.
    pub async fn of(
        cluster: &Cluster,
        namespace: &str,
        service: &Service,
    ) -> Result<Collected<Self>, ApiError> {
        let selector: Vec<_> =
            service.spec.selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
        if selector.is_empty() {
            return Ok(Collected { items: Vec::new(), unreadable: None });
        }
        let listing = Listing {
            selector: Some(selector.join(",")),
            ..Listing::all(path_of("/api/v1", Some(namespace), "pods"))
        };
        let mut pods: Collected<Self> = listing.collect(cluster).await?;
        pods.items.retain(|pod| pod.metadata.deletion_timestamp.is_none());
        Ok(pods)
    }

    /// Whether it may be called.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status.ready().is_some()
    }

    /// Why it is not ready.
    #[must_use]
    pub fn not_ready_reason(&self) -> String {
        let reason = self.status.container_statuses.iter().find_map(|status| status.state.reason());
        let reason = reason.map(str::to_owned);
        let conditions = self.status.conditions.iter();
        let message = || conditions.map(|one| &one.message).find(|message| !message.is_empty()).cloned();
        reason.or_else(message).unwrap_or_else(|| "not ready".to_owned())
    }

    /// The webhook's pods in the namespaces of the Services that webhook configurations name. Pods of other namespaces
    /// may have their labels, whoever made them.
    ///
    /// # Errors
    /// If webhook configurations or pods cannot be read.
    pub async fn find(cluster: &Cluster) -> Result<Collected<Self>, ApiError> {
        let Collected { items: configurations, mut unreadable } = WebhookConfiguration::find(cluster).await?;
        let services = configurations.iter().filter_map(|one| one.called().ok());
        let namespaces: BTreeSet<_> = services.map(|service| service.namespace.as_str()).collect();
        let mut items = Vec::new();
        for namespace in namespaces {
            let path = path_of("/api/v1", Some(namespace), "pods");
            let listing = Listing { selector: Some(WEBHOOKS.to_owned()), ..Listing::all(path) };
            let found: Collected<Self> = listing.collect(cluster).await?;
            items.extend(found.items.into_iter().filter(|pod| pod.metadata.is_of_the_chart()));
            unreadable = unreadable.or(found.unreadable);
        }
        Ok(Collected { items, unreadable })
    }

    /// The container that runs `serve`.
    fn container(&self) -> Option<&Container> {
        self.spec.containers.iter().find(|one| one.args.first().is_some_and(|first| first == "serve"))
    }

    /// Its image.
    #[must_use]
    pub fn image(&self) -> Option<&str> {
        self.container().map(|container| container.image.as_str())
    }

    /// The arguments of `serve` in it.
    #[must_use]
    pub fn serve_args(&self) -> Option<&[String]> {
        self.container().map(|container| container.args.as_slice())
    }

    /// The path of `--policy-file`, if it is among those arguments.
    #[must_use]
    pub fn policy_file(&self) -> Option<&str> {
        self.serve_flag("--policy-file")
    }

    /// The first value of a flag among those arguments, written as one argument or as two.
    #[must_use]
    pub fn serve_flag(&self, flag: &str) -> Option<&str> {
        self.serve_flags(flag).next()
    }

    /// Every value of it.
    pub(crate) fn serve_flags(&self, flag: &str) -> impl Iterator<Item = &str> {
        let args = self.serve_args().unwrap_or_default();
        let next = args.iter().skip(1).map(Some).chain([None]);
        args.iter().zip(next).filter_map(move |(arg, next)| match arg.strip_prefix(flag)? {
            "" => next.map(String::as_str),
            value => value.strip_prefix('='),
        })
    }

    /// Whether it answers at this path.
    #[must_use]
    pub fn answers_at(&self, path: &str) -> bool {
        let mut paths = self.serve_flags("--path").flat_map(|paths| paths.split(',')).peekable();
        if paths.peek().is_none() { path == DEFAULT_PATH } else { paths.any(|one| one == path) }
    }

    /// The `ConfigMap` that is mounted at this path.
    #[must_use]
    pub(crate) fn config_map_at(&self, path: &str) -> Option<&str> {
        Some(&self.volume_at(path)?.config_map.as_ref()?.name)
    }

    /// The Secret that is mounted at this path.
    #[must_use]
    pub fn secret_at(&self, path: &str) -> Option<&str> {
        Some(&self.volume_at(path)?.secret.as_ref()?.secret_name)
    }

    fn volume_at(&self, path: &str) -> Option<&Volume> {
        let mut mounts = self.spec.containers.iter().flat_map(|container| &container.volume_mounts);
        let mount = mounts.find(|mount| mount.mount_path.trim_end_matches('/') == path)?;
        self.spec.volumes.iter().find(|volume| volume.name == mount.name)
    }

    /// The number of the container's port that a Service port goes to.
    #[must_use]
    pub fn target_port(&self, port: &ServicePort) -> Option<u16> {
        match &port.target_port {
            serde_json::Value::Number(number) => u16::try_from(number.as_u64()?).ok(),
            serde_json::Value::String(name) => {
                let mut ports = self.spec.containers.iter().flat_map(|container| &container.ports);
                ports.find(|port| port.name.as_ref() == Some(name)).map(|port| port.container_port)
            }
            _ => Some(port.port),
        }
    }
}
