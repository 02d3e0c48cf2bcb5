//! The CA bundle, and the certificates that the webhook's pods really serve.

use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use super::{
    ca,
    checks::{Cause, Check},
    finding::{Finding, State},
    installation::Installation,
};
use crate::{
    certs::{CaCertificate, VerifyError, verify},
    cli::shell::quote,
    cluster::{
        served_certificate::{self, ServedError},
        webhook_configuration::ServiceReference,
        webhook_objects::{Service, WebhookPod},
    },
};

/// Maximum number of pods that are asked for their certificate; each has its own.
const MAX_PODS: usize = 5;

/// Maximum duration of a port-forward and the handshake through it.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(30);

impl Installation<'_> {
    /// The CA bundle of each entry, and the certificates that pods serve.
    pub(super) async fn certificates(&self, reference: &ServiceReference, service: &Service) -> Vec<Finding> {
        let mut bundles = Vec::new();
        for entry in self.configuration.own_entries() {
            match ca::bundle(entry) {
                Ok(bundle) => bundles.push((entry.name.as_str(), bundle)),
                Err(problem) => {
                    let notes = self.first_readyz_note(reference).await + &self.keeper_note();
                    let cause = Cause::CaBundleUnusable { entry: entry.name.clone(), problem, notes };
                    return vec![Finding::broken(cause, self.fix_bundle(reference))];
                }
            }
        }
        let port = service.spec.ports.iter().find(|one| one.port == reference.port());
        let ready: Vec<_> = self.pods.iter().filter(|pod| pod.is_ready()).collect();
        let (mut verified, mut asking, mut problems) = (0, 0, Vec::new());
        for pod in ready.iter().take(MAX_PODS) {
            let Some(port) = port.and_then(|port| pod.target_port(port)) else {
                let cause = Cause::TargetPortMissing { pod: pod.metadata.name.clone() };
                return vec![Finding::broken(cause, self.release.restore_service(reference))];
            };
            match self.certificate(reference, pod, port, &bundles).await {
                Ok(asks) => {
                    verified += 1;
                    asking += usize::from(asks);
                }
                Err(problem) => problems.push(problem),
            }
        }
        // A broken one matters more than one that could not be seen.
        problems.sort_by_key(|problem| problem.state() != State::Broken);
        let cas = ca::list(self.is_self_managed(), self.ca_lifetime(), &reference.server_name(), &bundles);
        let bundle = Finding { cas: cas.clone(), ..Finding::ok(Check::CaBundle, certificates(&bundles)) };
        match problems.into_iter().next().map(|problem| *problem) {
            Some(problem) if problem.check == Check::CaBundle => vec![Finding { cas, ..problem }],
            Some(problem) => vec![bundle, problem],
            None if verified == 0 => {
                vec![bundle, Finding::unknown(Check::Certificate, "no pod is ready to be asked for it")]
            }
            None => vec![bundle, self.verified(reference, verified, ready.len(), asking > 0)],
        }
    }

    /// Every certificate that was seen is verified.
    fn verified(&self, reference: &ServiceReference, verified: usize, ready: usize, asks: bool) -> Finding {
        let of = if ready > verified { format!(" of {ready}") } else { String::new() };
        let asks = if asks { "; callers need a client certificate" } else { "" };
        // Without the keeper, pods get their values until the certificate expires.
        let keeper = self.keeper.as_ref();
        let keeper = keeper.map(|one| format!(", but nobody renews it: {}: {}", one.what, one.fix));
        let server = reference.server_name();
        let what = format!(
            "{verified}{of} pods serve one for {server} that the CA bundle verifies{asks}{}",
            keeper.unwrap_or_default()
        );
        Finding::ok(Check::Certificate, what)
    }

    /// Whether one pod asks for a client certificate; or what is wrong with its own.
    async fn certificate(
        &self,
        reference: &ServiceReference,
        pod: &WebhookPod,
        port: u16,
        bundles: &[(&str, Vec<CaCertificate>)],
    ) -> Result<bool, Box<Finding>> {
        let (name, server) = (&pod.metadata.name, reference.server_name());
        let unknown = |what: String| Err(Finding::unknown(Check::Certificate, what).into());
        let handshake = served_certificate::served(self.cluster, &reference.namespace, name, port, &server);
        let Ok(seen) = timeout(FORWARD_TIMEOUT, handshake).await else {
            let seconds = FORWARD_TIMEOUT.as_secs();
            return unknown(format!("pod {name} cannot be asked: no answer within {seconds} s"));
        };
        let shown = match seen {
            Ok(shown) => shown,
            Err(error @ ServedError::Forward(_)) => return unknown(format!("pod {name}: {error}")),
            Err(error) => {
                let cause = Cause::NoTls { pod: name.clone(), problem: error.to_string() };
                return Err(Finding::broken(cause, self.release.restore_service(reference)).into());
            }
        };
        let Some((leaf, intermediates)) = shown.chain.split_first() else {
            return unknown(format!("pod {name} serves none"));
        };
        let now = SystemTime::now();
        for (entry, bundle) in bundles {
            // Go trusts a certificate that is itself in the bundle.
            if bundle.iter().any(|trusted| trusted.der == *leaf) {
                continue;
            }
            if let Err(problem) = verify(bundle, leaf, intermediates, &server, now) {
                let notes = self.readyz_note(&reference.namespace, pod).await + &self.keeper_note();
                let (entry, pod) = ((*entry).to_owned(), name.clone());
                let cause = match problem {
                    VerifyError::UnknownIssuer => Cause::CertificateOfUnknownIssuer { entry, pod, notes },
                    VerifyError::Other(problem) => Cause::CertificateInvalid { entry, pod, problem, notes },
                };
                return Err(Finding::broken(cause, self.fix_bundle(reference)).into());
            }
        }
        Ok(shown.asks)
    }

    /// The command that makes the keeper of the bundle write it again. Empty if it is not known where the CA is.
    fn fix_bundle(&self, reference: &ServiceReference) -> String {
        let metadata = &self.configuration.metadata;
        if let Some(keeper) = &self.keeper {
            return keeper.fix.clone();
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
        let entries = self.configuration.webhooks.iter().enumerate();
        let entries = entries.filter(|(_, entry)| entry.is_of_gomemlimit());
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

fn certificates(bundles: &[(&str, Vec<CaCertificate>)]) -> String {
    let most = bundles.iter().map(|(_, bundle)| bundle.len()).max().unwrap_or_default();
    format!("{most} certificate{}", if most == 1 { "" } else { "s" })
}
