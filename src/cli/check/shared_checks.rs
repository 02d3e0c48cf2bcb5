//! The links that all namespaces share: from the webhook configuration to the certificate that is served.

use super::{
    keeper::KeeperTrouble,
    link::{Finding, Link, note},
    release::Release,
};
use crate::cli::shell::quote;
use crate::{
    cli::listen::parse_listen,
    cluster::{
        api::{ApiError, Cluster, path_of},
        installation::{Configuration, ServiceReference},
        webhook_objects::{Deployment, Service, WebhookPod, ready_endpoints},
    },
};

/// The chart's own conditions: name and expression.
pub(super) const CONDITIONS: [(&str, &str); 2] = [
    (
        "not-mirror-pod",
        "!has(object.metadata.annotations) || !('kubernetes.io/config.mirror' in object.metadata.annotations)",
    ),
    ("not-windows", "!has(object.spec.os) || object.spec.os.name != 'windows'"),
];

/// How the names of the entries begin that are about resizes, and not about the creation of pods.
const RESIZE: &str = "resize";

/// Conditions are CEL, which only the API server evaluates.
pub(super) const DRY_RUN_TELLS: &str = "; the dry run tells what they do";

/// What is there, link by link.
pub(super) struct Installation<'c> {
    pub(super) cluster: &'c Cluster,
    pub(super) release: Release,
    pub(super) configuration: Configuration,
    /// The webhook's Deployments in the namespace of its Service; `None` where they may not be read.
    pub(super) deployments: Option<Vec<Deployment>>,
    pub(super) pods: Vec<WebhookPod>,
    /// A pod of its own keeps the certificates.
    pub(super) is_kept: bool,
    /// The life of a CA that it makes, as it was told.
    pub(super) kept_ca_life: Option<String>,
    /// What is wrong with that pod.
    pub(super) keeper: Option<KeeperTrouble>,
    /// Which Deployments were left out.
    unreadable: Option<String>,
}

impl<'c> Installation<'c> {
    pub(super) fn new(cluster: &'c Cluster, release: Release, configuration: Configuration) -> Self {
        let (deployments, pods, keeper, unreadable) = (None, Vec::new(), None, None);
        Self {
            cluster,
            release,
            configuration,
            deployments,
            pods,
            is_kept: false,
            kept_ca_life: None,
            keeper,
            unreadable,
        }
    }

    /// Walks from the rules to the certificate.
    pub(super) async fn walk(&mut self) -> Result<Vec<Finding>, ApiError> {
        let name = &self.configuration.metadata.name;
        let mut findings =
            vec![Finding::ok(Link::Configuration, format!("mutatingwebhookconfiguration {name}"))];
        findings.push(self.rules());
        findings.push(self.conditions());
        let Some(reference) = self.configuration.service().cloned() else {
            let what = "the configuration names a URL instead of a Service; its certificate is not looked at";
            findings.push(Finding::unknown(Link::Service, what));
            return Ok(findings);
        };
        if let Err(problem) = self.configuration.called() {
            let command = self.release.restore_configuration(&self.configuration);
            let what = format!("{problem}; what answers there is not looked at");
            findings.push(Finding::broken(Link::Service, what, command));
            return Ok(findings);
        }
        let service = self.service(&reference).await;
        let (service, found) = note(service, Link::Service, &mut findings)?.unzip();
        findings.extend(found);
        let service_at = findings.len();
        if let Some(service) = service.flatten() {
            let pods = self.pods(&reference, &service).await;
            let pods = note(pods, Link::Pods, &mut findings)?;
            findings.extend(pods.into_iter().flatten());
            let endpoints = ready_endpoints(self.cluster, &reference).await;
            let endpoints = note(endpoints, Link::Endpoints, &mut findings)?;
            findings.extend(endpoints.map(|ready| endpoints_finding(ready, &reference)));
            findings.extend(self.certificates(&reference, &service).await);
        }
        // Where pods answer is known from them.
        findings.splice(service_at..service_at, self.strays(&reference));
        Ok(findings)
    }

    fn rules(&self) -> Finding {
        let is_for_creation = |name: &str| !name.starts_with(RESIZE);
        let restore = || self.release.restore_configuration(&self.configuration);
        if self.configuration.pod_entries().next().is_none() {
            let what = "no entry of the configuration has a rule for CREATE of pods";
            return Finding::broken(Link::Rules, what, restore());
        }
        let with: Vec<_> = self.configuration.pod_entries().map(|entry| entry.name.as_str()).collect();
        let without = self.configuration.ours().map(|entry| entry.name.as_str());
        match without.filter(|name| is_for_creation(name)).find(|name| !with.contains(name)) {
            None => Finding::ok(Link::Rules, "CREATE of pods"),
            Some(name) => {
                let what = format!("entry {name} has no rule for CREATE of pods");
                Finding::broken(Link::Rules, what, restore())
            }
        }
    }

    /// Entries that do not call what the others call, or not where the webhook answers.
    fn strays(&self, reference: &ServiceReference) -> Vec<Finding> {
        let told = |one: &ServiceReference| {
            format!("service {} in {}, port {}", one.name, one.namespace, one.port())
        };
        let strays = self.configuration.ours().filter_map(|entry| {
            let name = &entry.name;
            let what = match &entry.client_config.service {
                None => {
                    let what = format!(
                        "entry {name} names a URL instead of a Service; what answers there is not looked at"
                    );
                    return Some(Finding::unknown(Link::Service, what));
                }
                Some(other) if told(other) != told(reference) => {
                    format!("entry {name} calls {}, and not {}", told(other), told(reference))
                }
                // Both may be secrets.
                Some(one) => match self.pods.iter().find(|pod| !pod.answers_at(one.path())) {
                    Some(pod) => {
                        let pod = &pod.metadata.name;
                        format!("entry {name} calls a path that pod {pod} does not answer at (serve --path)")
                    }
                    None => return None,
                },
            };
            Some(Finding::broken(
                Link::Service,
                what,
                self.release.restore_configuration(&self.configuration),
            ))
        });
        strays.collect()
    }

    fn conditions(&self) -> Finding {
        let conditions = self.configuration.pod_entries().flat_map(|entry| &entry.match_conditions);
        let foreign: Vec<_> = conditions
            .filter(|one| !CONDITIONS.contains(&(one.name.as_str(), one.expression.as_str())))
            .map(|one| one.name.as_str())
            .collect();
        if foreign.is_empty() {
            return Finding::ok(Link::MatchConditions, "the chart's own");
        }
        let what = format!("there are others than the chart's: {}{DRY_RUN_TELLS}", foreign.join(", "));
        let command = self.release.restore_configuration(&self.configuration);
        Finding { command, ..Finding::unknown(Link::MatchConditions, what) }
    }

    /// The Deployment of this release, where there are several.
    fn own_deployment<'d>(&self, deployments: &'d [Deployment]) -> Option<&'d Deployment> {
        let instance = |one: &&Deployment| {
            one.metadata.labels.get("app.kubernetes.io/instance") == Some(&self.release.name)
        };
        deployments.iter().find(instance).or(deployments.first())
    }

    async fn service(
        &mut self,
        reference: &ServiceReference,
    ) -> Result<(Option<Service>, Finding), ApiError> {
        let path = path_of("/api/v1", Some(&reference.namespace), "services");
        let service: Option<Service> = self.cluster.find(&path, &reference.name).await?;
        let place = format!("service {} in {}", reference.name, reference.namespace);
        let Some(service) = service else {
            // The chart calls both by one name: where they differ, the configuration was changed.
            let command = if reference.name == self.configuration.metadata.name {
                self.release.upgrade("")
            } else {
                self.release.restore_configuration(&self.configuration)
            };
            let what = format!("{place}, which the configuration names, does not exist");
            return Ok((None, Finding::broken(Link::Service, what, command)));
        };
        let restore = || self.release.restore_service(reference);
        let port = reference.port();
        if !service.spec.ports.iter().any(|one| one.port == port) {
            let what = format!("{place} has no port {port}, which the configuration names");
            return Ok((None, Finding::broken(Link::Service, what, restore())));
        }
        self.deployments = match Deployment::find(self.cluster, Some(&reference.namespace)).await {
            Ok(found) => {
                self.unreadable = found.unreadable;
                Some(found.items)
            }
            // The pods say as much.
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
            let name = &deployment.metadata.name;
            let what =
                format!("{place} selects {key}={value}, which the pods of deployment {name} do not have");
            return Ok((None, Finding::broken(Link::Service, what, restore())));
        }
        Ok((Some(service), Finding::ok(Link::Service, format!("{place}, port {port}"))))
    }

    async fn pods(
        &mut self,
        reference: &ServiceReference,
        service: &Service,
    ) -> Result<Vec<Finding>, ApiError> {
        let found = WebhookPod::of(self.cluster, &reference.namespace, service).await?;
        self.pods = found.items;
        self.look_at_keeper(reference).await?;
        let unreadable = self.unreadable.take().into_iter().chain(found.unreadable);
        let mut findings: Vec<_> = unreadable.map(|problem| Finding::unknown(Link::Pods, problem)).collect();
        if self.pods.is_empty() && !findings.is_empty() {
            return Ok(findings);
        }
        let (ready, all) = (self.pods.iter().filter(|pod| pod.is_ready()).count(), self.pods.len());
        let finding = if ready > 0 {
            Finding::ok(Link::Pods, format!("{ready} of {all} ready"))
        } else if let Some(pod) = self.pods.first() {
            let (name, namespace) = (&pod.metadata.name, &reference.namespace);
            let said = self.trouble(namespace, pod).await;
            let keeper = self.keeper_said();
            let what = format!("none of {all} is ready; {name}: {}{said}{keeper}", pod.trouble());
            let describe = || format!("kubectl describe pod {} -n {}", quote(name), quote(namespace));
            // They wait for what it has to sign.
            let command = self.keeper.as_ref().map_or_else(describe, |keeper| keeper.command.clone());
            Finding::broken(Link::Pods, what, command)
        } else {
            self.no_pods(&reference.namespace, service)
        };
        findings.push(finding);
        Ok(findings)
    }

    /// Why the Service has no pods.
    fn no_pods(&self, namespace: &str, service: &Service) -> Finding {
        let Some(deployments) = &self.deployments else {
            let what = "the Service selects no pods, and Deployments may not be read";
            return Finding::broken(Link::Pods, what, "");
        };
        match deployments.iter().find(|one| one.unmatched(service).is_none()) {
            Some(deployment) if deployment.spec.replicas == Some(0) => {
                let name = &deployment.metadata.name;
                let command =
                    format!("kubectl scale deployment/{} -n {} --replicas=2", quote(name), quote(namespace));
                Finding::broken(Link::Pods, format!("deployment {name} is scaled to 0"), command)
            }
            Some(deployment) => {
                let name = &deployment.metadata.name;
                let command = format!("kubectl describe replicasets -n {}", quote(namespace));
                Finding::broken(Link::Pods, format!("deployment {name} has no pods"), command)
            }
            None => {
                Finding::broken(Link::Pods, "there is no Deployment of the webhook", self.release.upgrade(""))
            }
        }
    }

    /// What `/readyz` of a pod says is wrong; empty where it cannot be asked.
    pub(super) async fn trouble(&self, namespace: &str, pod: &WebhookPod) -> String {
        let address = pod.serve_flag("--admin-listen").and_then(|address| parse_listen(address).ok());
        let port = address.map_or(8081, |address| address.port());
        let said = self.cluster.ask_pod(namespace, &pod.metadata.name, port, "/readyz").await;
        said.unwrap_or_default()
            .lines()
            .filter(|line| line.starts_with("trouble: "))
            .fold(String::new(), |all, line| all + "; " + line)
    }
}

fn endpoints_finding(ready: usize, reference: &ServiceReference) -> Finding {
    if ready > 0 {
        return Finding::ok(Link::Endpoints, format!("{ready} ready"));
    }
    let command = format!(
        "kubectl delete endpointslices -n {} -l kubernetes.io/service-name={}",
        quote(&reference.namespace),
        quote(&reference.name)
    );
    Finding::broken(Link::Endpoints, "the Service has no ready endpoint", command)
}
