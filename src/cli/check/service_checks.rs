//! The checks of the Service, its pods and its endpoints.

use super::{
    checks::{Cause, Check},
    finding::Finding,
    installation::Installation,
};
use crate::{
    cli::shell::quote,
    cluster::{
        api::{ApiError, path_of},
        webhook_configuration::ServiceReference,
        webhook_objects::{Deployment, Service, WebhookPod},
    },
};

impl Installation<'_> {
    /// The Deployment of this release, if there are several.
    fn own_deployment<'d>(&self, deployments: &'d [Deployment]) -> Option<&'d Deployment> {
        let instance = |one: &&Deployment| {
            one.metadata.labels.get("app.kubernetes.io/instance") == Some(&self.release.name)
        };
        deployments.iter().find(instance).or(deployments.first())
    }

    /// The Service that the configuration names; `None` if it is broken.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub(super) async fn service(
        &mut self,
        reference: &ServiceReference,
    ) -> Result<(Option<Service>, Finding), ApiError> {
        let path = path_of("/api/v1", Some(&reference.namespace), "services");
        let service: Option<Service> = self.cluster.find(&path, &reference.name).await?;
        let name = format!("service {} in {}", reference.name, reference.namespace);
        let Some(service) = service else {
            // The chart calls both by one name: if they differ, the configuration was changed.
            let fix = if reference.name == self.configuration.metadata.name {
                self.release.upgrade("")
            } else {
                self.restore_configuration("")
            };
            return Ok((None, Finding::broken(Cause::ServiceMissing { service: name }, fix)));
        };
        let restore = || self.release.restore_service(reference);
        let port = reference.port();
        if !service.spec.ports.iter().any(|one| one.port == port) {
            let cause = Cause::ServicePortMissing { service: name, port };
            return Ok((None, Finding::broken(cause, restore())));
        }
        self.deployments = match Deployment::find(self.cluster, Some(&reference.namespace)).await {
            Ok(found) => {
                self.unreadable = found.unreadable;
                Some(found.items)
            }
            // The pods show enough.
            Err(ApiError::Forbidden(_)) => None,
            Err(error) => return Err(error),
        };
        let deployments = self.deployments.as_deref().unwrap_or_default();
        // Another release in the namespace has pods that are none of this Service's.
        let is_selected = |one: &Deployment| one.unmatched(&service).is_none();
        if !deployments.iter().any(is_selected)
            && let Some(deployment) = self.own_deployment(deployments)
            && let Some((key, value)) = deployment.unmatched(&service)
        {
            let cause = Cause::ServiceSelectsNoPods {
                service: name,
                key: key.clone(),
                value: value.clone(),
                deployment: deployment.metadata.name.clone(),
            };
            return Ok((None, Finding::broken(cause, restore())));
        }
        Ok((Some(service), Finding::ok(Check::Service, format!("{name}, port {port}"))))
    }

    /// The pods that the Service selects, and whether one is ready.
    ///
    /// # Errors
    /// If pods cannot be read.
    pub(super) async fn pods(
        &mut self,
        reference: &ServiceReference,
        service: &Service,
    ) -> Result<Vec<Finding>, ApiError> {
        let found = WebhookPod::of(self.cluster, &reference.namespace, service).await?;
        self.pods = found.items;
        self.read_keeper(reference).await?;
        let unreadable = self.unreadable.take().into_iter().chain(found.unreadable);
        let mut findings: Vec<_> = unreadable.map(|problem| Finding::unknown(Check::Pods, problem)).collect();
        if self.pods.is_empty() && !findings.is_empty() {
            return Ok(findings);
        }
        let (ready, all) = (self.pods.iter().filter(|pod| pod.is_ready()).count(), self.pods.len());
        let finding = if ready > 0 {
            Finding::ok(Check::Pods, format!("{ready} of {all} ready"))
        } else if let Some(pod) = self.pods.first() {
            let (name, namespace) = (&pod.metadata.name, &reference.namespace);
            let readyz = self.readyz_note(namespace, pod).await;
            let problem = format!("{}{readyz}{}", pod.not_ready_reason(), self.keeper_note());
            let describe = || format!("kubectl describe pod {} -n {}", quote(name), quote(namespace));
            // Without a keeper they wait for what it has to sign.
            let fix = self.keeper.as_ref().map_or_else(describe, |keeper| keeper.fix.clone());
            Finding::broken(Cause::PodsNotReady { all, pod: name.clone(), problem }, fix)
        } else {
            self.no_pods(&reference.namespace, service)
        };
        findings.push(finding);
        Ok(findings)
    }

    /// Why the Service has no pods.
    fn no_pods(&self, namespace: &str, service: &Service) -> Finding {
        let Some(deployments) = &self.deployments else {
            return Finding::broken(Cause::NoPods, "");
        };
        let selected = deployments.iter().find(|one| one.unmatched(service).is_none());
        let Some(selected) = selected else {
            return Finding::broken(Cause::DeploymentMissing, self.release.upgrade(""));
        };
        let (deployment, namespace) = (selected.metadata.name.clone(), quote(namespace));
        if selected.spec.replicas == Some(0) {
            let fix = format!("kubectl scale deployment/{} -n {namespace} --replicas=2", quote(&deployment));
            Finding::broken(Cause::ScaledToZero { deployment }, fix)
        } else {
            let fix = format!("kubectl describe replicasets -n {namespace}");
            Finding::broken(Cause::DeploymentWithoutPods { deployment }, fix)
        }
    }
}

/// Whether the Service has a ready endpoint.
pub(super) fn endpoints(ready: usize, reference: &ServiceReference) -> Finding {
    if ready > 0 {
        return Finding::ok(Check::Endpoints, format!("{ready} ready"));
    }
    let fix = format!(
        "kubectl delete endpointslices -n {} -l kubernetes.io/service-name={}",
        quote(&reference.namespace),
        quote(&reference.name)
    );
    Finding::broken(Cause::NoReadyEndpoint, fix)
}
