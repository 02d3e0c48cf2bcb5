//! The CA bundle, and the certificates that the webhook's pods really serve.

use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use super::{
    ca,
    installation::Installation,
    link::{Finding, Link, State},
};
use crate::cli::shell::quote;
use crate::{
    certs::{CaCertificate, VerifyError, verify},
    cluster::{
        installation::{ServiceReference, Webhook},
        served_certificate::{self, ServedError},
        webhook_objects::{Service, WebhookPod},
    },
};

/// So many pods are asked for their certificate; each has its own.
const MOST_PODS: usize = 5;

/// How long a port-forward and the handshake through it may take.
const FORWARD: Duration = Duration::from_secs(30);

impl Installation<'_> {
    /// The CA bundle of each entry, and the certificates that pods serve.
    pub(super) async fn certificates(&self, reference: &ServiceReference, service: &Service) -> Vec<Finding> {
        let mut bundles = Vec::new();
        for entry in self.configuration.ours() {
            match bundle(entry) {
                Ok(bundle) => bundles.push((entry.name.as_str(), bundle)),
                Err(problem) => {
                    let trouble = self.all_trouble(reference).await;
                    let what = format!("entry {}: {problem}{trouble}{}", entry.name, self.keeper_said());
                    return vec![Finding::broken(Link::CaBundle, what, self.mend_bundle(reference))];
                }
            }
        }
        let port = service.spec.ports.iter().find(|one| one.port == reference.port());
        let ready: Vec<_> = self.pods.iter().filter(|pod| pod.is_ready()).collect();
        let (mut verified, mut asking, mut problems) = (0, 0, Vec::new());
        for pod in ready.iter().take(MOST_PODS) {
            let Some(port) = port.and_then(|port| pod.target_port(port)) else {
                let what = format!("the Service's target port is none of pod {}", pod.metadata.name);
                return vec![Finding::broken(Link::Endpoints, what, self.release.restore_service(reference))];
            };
            match self.certificate(reference, pod, port, &bundles).await {
                Ok(asks) => {
                    verified += 1;
                    asking += usize::from(asks);
                }
                Err(problem) => problems.push(problem),
            }
        }
        // What is broken is worth more than what could not be seen.
        problems.sort_by_key(|problem| problem.state != State::Broken);
        let cas = ca::list(self.is_self_managed(), self.ca_lifetime(), &reference.server_name(), &bundles);
        let bundle = Finding { cas: cas.clone(), ..Finding::ok(Link::CaBundle, certificates(&bundles)) };
        match problems.into_iter().next() {
            Some(problem) if problem.link == Link::CaBundle => vec![Finding { cas, ..problem }],
            Some(problem) => vec![bundle, problem],
            None if verified == 0 => {
                vec![bundle, Finding::unknown(Link::Certificate, "no pod is ready to be asked for it")]
            }
            None => {
                let server = reference.server_name();
                let of = if ready.len() > verified { format!(" of {}", ready.len()) } else { String::new() };
                let asks = if asking > 0 { "; callers need a client certificate" } else { "" };
                let what =
                    format!("{verified}{of} pods serve one for {server} that the CA bundle verifies{asks}");
                let what = match &self.keeper {
                    None => what,
                    // Pods get their values until it expires.
                    Some(keeper) => {
                        format!("{what}, but nobody renews it: {}: {}", keeper.what, keeper.command)
                    }
                };
                vec![bundle, Finding::ok(Link::Certificate, what)]
            }
        }
    }

    /// Whether one pod asks for a client certificate; or what is wrong with its own.
    async fn certificate(
        &self,
        reference: &ServiceReference,
        pod: &WebhookPod,
        port: u16,
        bundles: &[(&str, Vec<CaCertificate>)],
    ) -> Result<bool, Finding> {
        let (name, server) = (&pod.metadata.name, reference.server_name());
        let seen = served_certificate::served(self.cluster, &reference.namespace, name, port, &server);
        let Ok(seen) = timeout(FORWARD, seen).await else {
            let what = format!("pod {name} cannot be asked: no answer within {} s", FORWARD.as_secs());
            return Err(Finding::unknown(Link::Certificate, what));
        };
        let shown = match seen {
            Ok(shown) => shown,
            Err(error @ ServedError::Forward(_)) => {
                return Err(Finding::unknown(Link::Certificate, format!("pod {name}: {error}")));
            }
            Err(error) => {
                let what = format!("pod {name}: {error}");
                return Err(Finding::broken(Link::Endpoints, what, self.release.restore_service(reference)));
            }
        };
        let Some((leaf, intermediates)) = shown.chain.split_first() else {
            return Err(Finding::unknown(Link::Certificate, format!("pod {name} serves none")));
        };
        let now = SystemTime::now();
        for (entry, bundle) in bundles {
            // Go trusts a certificate that stands in the bundle itself.
            if bundle.iter().any(|trusted| trusted.der == *leaf) {
                continue;
            }
            if let Err(problem) = verify(bundle, leaf, intermediates, &server, now) {
                let trouble = self.trouble(&reference.namespace, pod).await;
                let keeper = self.keeper_said();
                let what = format!(
                    "entry {entry} does not verify the certificate of pod {name}: {problem}{trouble}{keeper}"
                );
                let link = match problem {
                    VerifyError::UnknownIssuer => Link::CaBundle,
                    VerifyError::Other(_) => Link::Certificate,
                };
                return Err(Finding::broken(link, what, self.mend_bundle(reference)));
            }
        }
        Ok(shown.asks)
    }

    async fn all_trouble(&self, reference: &ServiceReference) -> String {
        match self.pods.first() {
            Some(pod) => self.trouble(&reference.namespace, pod).await,
            None => String::new(),
        }
    }

    /// Whoever keeps the bundle has to do it again. Empty where it is not known where the CA stands.
    fn mend_bundle(&self, reference: &ServiceReference) -> String {
        let metadata = &self.configuration.metadata;
        if let Some(keeper) = &self.keeper {
            return keeper.command.clone();
        }
        if self.is_self_managed() {
            // It does so by itself, unless a right or the Secret is missing, which the chart brings back.
            return self.release.upgrade("");
        }
        if let Some(from) = metadata.annotations.get("cert-manager.io/inject-ca-from") {
            return format!(
                "kubectl annotate mutatingwebhookconfiguration {} cert-manager.io/inject-ca-from={} --overwrite",
                quote(&metadata.name),
                quote(from)
            );
        }
        let Some(secret) = self.mounted_secret() else { return String::new() };
        let ca = format!(
            "$(kubectl get secret {} -n {} -o jsonpath='{{.data.ca\\.crt}}')",
            quote(secret),
            quote(&reference.namespace)
        );
        if self.release.is_helm() {
            return self.release.upgrade(&format!("--set webhook.caBundle=\"{ca}\""));
        }
        let is_ours = |name: &str| self.configuration.ours().any(|entry| entry.name == name);
        let entries =
            self.configuration.webhooks.iter().enumerate().filter(|(_, entry)| is_ours(&entry.name));
        let operations = entries.map(|(index, _)| {
            format!(r#"{{"op":"add","path":"/webhooks/{index}/clientConfig/caBundle","value":"'"{ca}"'"}}"#)
        });
        let operations = operations.collect::<Vec<_>>().join(",");
        format!(
            "kubectl patch mutatingwebhookconfiguration {} --type=json -p '[{operations}]'",
            quote(&metadata.name)
        )
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
