//! The links that all namespaces share: from the webhook configuration to the certificate that is served.

use std::time::SystemTime;

use gomemlimit_core::selection::Labels;

use super::{
    link::{Finding, Link, State},
    release::Release,
};
use crate::{
    certs::{CaCertificate, verify},
    cluster::{
        api::{ApiError, Cluster, path_of},
        installation::{Configuration, ServiceReference, Webhook},
        served::{self, ServedError},
        serving::{Deployment, Service, WebhookPod, ready_endpoints},
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

/// Conditions are CEL, which only the API server evaluates.
pub(super) const DRY_RUN_TELLS: &str = "; the dry run tells what they do";

/// So many pods are asked for their certificate; each has its own.
const MOST_PODS: usize = 5;

/// What is there, link by link.
pub(super) struct Installation<'c> {
    pub(super) cluster: &'c Cluster,
    pub(super) release: Release,
    pub(super) configuration: Configuration,
    pub(super) pods: Vec<WebhookPod>,
}

impl Installation<'_> {
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
        let service = self.service(&reference).await;
        let service = note(service, Link::Service, &mut findings)?;
        if let Some((service, finding)) = service {
            let is_ok = finding.state == State::Ok;
            findings.push(finding);
            if let (Some(service), true) = (service, is_ok) {
                let pods = self.pods(&reference, &service).await;
                let pods = note(pods, Link::Pods, &mut findings)?;
                findings.extend(pods);
                let endpoints = ready_endpoints(self.cluster, &reference).await;
                let endpoints = note(endpoints, Link::Endpoints, &mut findings)?;
                findings.extend(endpoints.map(|ready| endpoints_finding(ready, &reference)));
                self.certificates(&reference, &service, &mut findings).await?;
            }
        }
        Ok(findings)
    }

    fn rules(&self) -> Finding {
        if self.configuration.pod_entries().next().is_some() {
            return Finding::ok(Link::Rules, "CREATE of pods");
        }
        let what = "no entry of the configuration has a rule for CREATE of pods";
        Finding::broken(Link::Rules, what, self.release.restore_configuration(&self.configuration))
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

    async fn service(&self, reference: &ServiceReference) -> Result<(Option<Service>, Finding), ApiError> {
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
        let restore =
            || self.release.restore(&format!("service {} -n {}", reference.name, reference.namespace));
        let port = reference.port();
        if !service.spec.ports.iter().any(|one| one.port == port) {
            let what = format!("{place} has no port {port}, which the configuration names");
            return Ok((None, Finding::broken(Link::Service, what, restore())));
        }
        for deployment in Deployment::find(self.cluster, Some(&reference.namespace)).await? {
            let labels = &deployment.spec.template.metadata.labels;
            if let Some((key, value)) = unmatched(&service.spec.selector, labels) {
                let what =
                    format!("{place} selects {key}={value}, which the pods of the Deployment do not have");
                return Ok((None, Finding::broken(Link::Service, what, restore())));
            }
        }
        Ok((Some(service), Finding::ok(Link::Service, format!("{place}, port {port}"))))
    }

    async fn pods(&mut self, reference: &ServiceReference, service: &Service) -> Result<Finding, ApiError> {
        self.pods = WebhookPod::of(self.cluster, &reference.namespace, service).await?;
        let (ready, all) = (self.pods.iter().filter(|pod| pod.is_ready()).count(), self.pods.len());
        if ready > 0 {
            return Ok(Finding::ok(Link::Pods, format!("{ready} of {all} ready")));
        }
        let namespace = &reference.namespace;
        if let Some(pod) = self.pods.first() {
            let name = &pod.metadata.name;
            let what = format!(
                "none of {all} is ready; {name}: {}{}",
                pod.trouble(),
                self.trouble(namespace, pod).await
            );
            let command = format!("kubectl describe pod {name} -n {namespace}");
            return Ok(Finding::broken(Link::Pods, what, command));
        }
        let deployments = Deployment::find(self.cluster, Some(namespace)).await?;
        Ok(match deployments.first() {
            Some(deployment) if deployment.spec.replicas == Some(0) => {
                let name = &deployment.metadata.name;
                let command = format!("kubectl scale deployment/{name} -n {namespace} --replicas=2");
                Finding::broken(Link::Pods, format!("deployment {name} is scaled to 0"), command)
            }
            Some(deployment) => {
                let name = &deployment.metadata.name;
                let command = format!("kubectl describe replicasets -n {namespace}");
                Finding::broken(Link::Pods, format!("deployment {name} has no pods"), command)
            }
            None => {
                Finding::broken(Link::Pods, "there is no Deployment of the webhook", self.release.upgrade(""))
            }
        })
    }

    /// What `/readyz` of a pod says is wrong; empty where it cannot be asked.
    async fn trouble(&self, namespace: &str, pod: &WebhookPod) -> String {
        let address = pod.serve_flag("--admin-listen").and_then(|address| address.rsplit_once(':'));
        let port = address.map_or("8081", |(_, port)| port);
        let path = format!("/api/v1/namespaces/{namespace}/pods/{}:{port}/proxy/readyz", pod.metadata.name);
        let request = hyper::Request::get(path).body(Vec::new());
        let said = match request {
            Ok(request) => self.cluster.client.request_text(request).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let said = said.unwrap_or_default();
        said.lines()
            .filter(|line| line.starts_with("trouble: "))
            .fold(String::new(), |all, line| all + "; " + line)
    }

    async fn certificates(
        &self,
        reference: &ServiceReference,
        service: &Service,
        findings: &mut Vec<Finding>,
    ) -> Result<(), ApiError> {
        let mut bundles = Vec::new();
        for entry in self.configuration.ours() {
            match bundle(entry) {
                Ok(bundle) => bundles.push((entry.name.as_str(), bundle)),
                Err(problem) => {
                    let what =
                        format!("entry {}: {problem}{}", entry.name, self.all_trouble(reference).await);
                    findings.push(Finding::broken(Link::CaBundle, what, self.mend_bundle(reference)));
                    return Ok(());
                }
            }
        }
        let port = service.spec.ports.iter().find(|one| one.port == reference.port());
        let (mut verified, mut problems) = (0, Vec::new());
        for pod in self.pods.iter().filter(|pod| pod.is_ready()).take(MOST_PODS) {
            let Some(port) = port.and_then(|port| pod.target_port(port)) else {
                let what = format!("the Service's target port is none of pod {}", pod.metadata.name);
                let object = format!("service {} -n {}", reference.name, reference.namespace);
                findings.push(Finding::broken(Link::Endpoints, what, self.release.restore(&object)));
                return Ok(());
            };
            match self.certificate(reference, pod, port, &bundles).await {
                Ok(None) => verified += 1,
                Ok(Some(problem)) => problems.push(problem),
                Err(error) => return Err(error),
            }
        }
        let server = reference.server_name();
        findings.extend(match problems.into_iter().next() {
            Some(problem) => {
                let bundle_is_fine = problem.link != Link::CaBundle;
                let bundle = bundle_is_fine.then(|| Finding::ok(Link::CaBundle, certificates(&bundles)));
                bundle.into_iter().chain([problem]).collect::<Vec<_>>()
            }
            None if verified == 0 => vec![
                Finding::ok(Link::CaBundle, certificates(&bundles)),
                Finding::unknown(Link::Certificate, "no pod is ready to be asked for it"),
            ],
            None => vec![
                Finding::ok(Link::CaBundle, certificates(&bundles)),
                Finding::ok(
                    Link::Certificate,
                    format!("{verified} pods serve one for {server} that the CA bundle verifies"),
                ),
            ],
        });
        Ok(())
    }

    /// What is wrong with the certificate that one pod serves.
    async fn certificate(
        &self,
        reference: &ServiceReference,
        pod: &WebhookPod,
        port: u16,
        bundles: &[(&str, Vec<CaCertificate>)],
    ) -> Result<Option<Finding>, ApiError> {
        let (name, server) = (&pod.metadata.name, reference.server_name());
        let chain = match served::chain(self.cluster, &reference.namespace, name, port, &server).await {
            Ok(chain) => chain,
            Err(ServedError::Forward(error @ ApiError::Unreachable { .. })) => return Err(error),
            Err(error @ ServedError::Forward(_)) => {
                return Ok(Some(Finding::unknown(Link::Certificate, error.to_string())));
            }
            Err(error) => {
                let object = format!("service {} -n {}", reference.name, reference.namespace);
                let what = format!("pod {name}: {error}");
                return Ok(Some(Finding::broken(Link::Endpoints, what, self.release.restore(&object))));
            }
        };
        let Some((leaf, intermediates)) = chain.split_first() else {
            return Ok(Some(Finding::unknown(Link::Certificate, format!("pod {name} serves none"))));
        };
        let now = SystemTime::now();
        for (entry, bundle) in bundles {
            // Go trusts a certificate that stands in the bundle itself.
            if bundle.iter().any(|trusted| trusted.der == *leaf) {
                continue;
            }
            if let Err(problem) = verify(bundle, leaf, intermediates, &server, now) {
                let trouble = self.trouble(&reference.namespace, pod).await;
                let what = format!(
                    "entry {entry} does not verify the certificate of pod {name}: {problem}{trouble}"
                );
                let link = if problem.contains("UnknownIssuer") { Link::CaBundle } else { Link::Certificate };
                return Ok(Some(Finding::broken(link, what, self.mend_bundle(reference))));
            }
        }
        Ok(None)
    }

    async fn all_trouble(&self, reference: &ServiceReference) -> String {
        match self.pods.first() {
            Some(pod) => self.trouble(&reference.namespace, pod).await,
            None => String::new(),
        }
    }

    /// Whoever keeps the bundle has to do it again.
    fn mend_bundle(&self, reference: &ServiceReference) -> String {
        let args = self.pods.iter().find_map(WebhookPod::serve_args).unwrap_or_default();
        let metadata = &self.configuration.metadata;
        if args.iter().any(|arg| arg.starts_with("--tls-secret")) {
            // It does so by itself, unless a right or the Secret is missing, which the chart brings back.
            return self.release.upgrade("");
        }
        match metadata.annotations.get("cert-manager.io/inject-ca-from") {
            Some(from) => format!(
                "kubectl annotate mutatingwebhookconfiguration {} cert-manager.io/inject-ca-from={from} --overwrite",
                metadata.name
            ),
            None => self.release.upgrade(&format!(
                "--set webhook.caBundle=\"$(kubectl get secret SECRET -n {} -o jsonpath='{{.data.ca\\.crt}}')\"",
                reference.namespace
            )),
        }
    }
}

/// The certificates of an entry's CA bundle that are valid now.
fn bundle(entry: &Webhook) -> Result<Vec<CaCertificate>, String> {
    let bytes = entry.client_config.ca_bundle.as_ref().map(|bundle| bundle.0.as_slice()).unwrap_or_default();
    if bytes.is_empty() {
        return Err("the CA bundle is empty".to_owned());
    }
    let all = CaCertificate::all_from_pem(bytes);
    if all.is_empty() {
        return Err("there is no certificate in the CA bundle".to_owned());
    }
    if !all.iter().any(|one| one.is_valid_at(SystemTime::now())) {
        return Err("every certificate of the CA bundle has expired or is not valid yet".to_owned());
    }
    Ok(all)
}

fn certificates(bundles: &[(&str, Vec<CaCertificate>)]) -> String {
    let most = bundles.iter().map(|(_, bundle)| bundle.len()).max().unwrap_or_default();
    format!("{most} certificate{}", if most == 1 { "" } else { "s" })
}

fn endpoints_finding(ready: usize, reference: &ServiceReference) -> Finding {
    if ready > 0 {
        return Finding::ok(Link::Endpoints, format!("{ready} ready"));
    }
    let command = format!(
        "kubectl delete endpointslices -n {} -l kubernetes.io/service-name={}",
        reference.namespace, reference.name
    );
    Finding::broken(Link::Endpoints, "the Service has no ready endpoint", command)
}

fn unmatched<'s>(selector: &'s Labels, labels: &Labels) -> Option<(&'s String, &'s String)> {
    selector.iter().find(|(key, value)| labels.get(*key) != Some(value))
}

/// What may not be read is unknown; other errors end the check.
pub(super) fn note<T>(
    read: Result<T, ApiError>,
    link: Link,
    findings: &mut Vec<Finding>,
) -> Result<Option<T>, ApiError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(ApiError::Forbidden(problem)) => {
            findings.push(Finding::unknown(link, problem));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
