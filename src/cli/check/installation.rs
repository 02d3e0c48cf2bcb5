//! The installation that is checked: what has been read of it, and what follows from that.

use std::time::Duration;

use super::release::Release;
use crate::{
    cli::listen::parse_listen,
    cluster::{
        api::Cluster,
        webhook_configuration::{ServiceReference, WebhookConfiguration},
        webhook_objects::{Deployment, WebhookPod},
    },
};

/// What is wrong with the keeper of certificates, and the command that fixes it.
#[derive(Clone, Debug)]
pub(super) struct KeeperProblem {
    pub(super) what: String,
    pub(super) fix: String,
}

/// The installation that is checked, as far as the checks have read it.
pub(super) struct Installation<'c> {
    pub(super) cluster: &'c Cluster,
    pub(super) release: Release,
    pub(super) configuration: WebhookConfiguration,
    /// The webhook's Deployments in the namespace of its Service; `None` if they may not be read.
    pub(super) deployments: Option<Vec<Deployment>>,
    pub(super) pods: Vec<WebhookPod>,
    /// Whether a pod of its own keeps the certificates.
    pub(super) is_kept: bool,
    /// The `--ca-duration` of that pod.
    pub(super) kept_ca_lifetime: Option<String>,
    /// What is wrong with that pod.
    pub(super) keeper: Option<KeeperProblem>,
    /// Which Deployments were left out.
    pub(super) unreadable: Option<String>,
}

impl<'c> Installation<'c> {
    pub(super) fn new(cluster: &'c Cluster, release: Release, configuration: WebhookConfiguration) -> Self {
        let (deployments, pods, keeper, unreadable) = (None, Vec::new(), None, None);
        Self {
            cluster,
            release,
            configuration,
            deployments,
            pods,
            is_kept: false,
            kept_ca_lifetime: None,
            keeper,
            unreadable,
        }
    }

    /// The command that restores the webhook configuration. `arguments` are for Helm, such as `--set KEY=VALUE` for a value
    /// of the release that may be wrong itself.
    pub(super) fn restore_configuration(&self, arguments: &str) -> String {
        self.release.restore_configuration(&self.configuration, arguments)
    }

    /// Replicas, or a keeper, make the certificates.
    pub(super) fn is_self_managed(&self) -> bool {
        self.is_kept || self.pods.iter().any(|pod| pod.serve_flag("--tls-secret").is_some())
    }

    /// How long the CAs live that they make.
    pub(super) fn ca_lifetime(&self) -> Option<Duration> {
        let of_replicas = self.pods.iter().find_map(|pod| pod.serve_flag("--ca-duration"));
        humantime::parse_duration(self.kept_ca_lifetime.as_deref().or(of_replicas)?).ok()
    }

    /// The Secret that the webhook's pods have their certificate from.
    pub(super) fn mounted_secret(&self) -> Option<&str> {
        self.pods.iter().find_map(|pod| {
            let (folder, _) = pod.serve_flag("--tls-cert")?.rsplit_once('/')?;
            pod.secret_at(folder)
        })
    }

    /// What is wrong with the keeper, as the end of a sentence; empty if nothing is known to be.
    pub(super) fn keeper_note(&self) -> String {
        self.keeper.as_ref().map(|keeper| format!("; {}", keeper.what)).unwrap_or_default()
    }

    /// The problems that `/readyz` of a pod reports, as the end of a sentence; empty if it cannot be asked.
    pub(super) async fn readyz_note(&self, namespace: &str, pod: &WebhookPod) -> String {
        let address = pod.serve_flag("--admin-listen").and_then(|address| parse_listen(address).ok());
        let port = address.map_or(8081, |address| address.port());
        let said = self.cluster.ask_pod(namespace, &pod.metadata.name, port, "/readyz").await;
        said.unwrap_or_default()
            .lines()
            .filter(|line| line.starts_with("trouble: "))
            .fold(String::new(), |all, line| all + "; " + line)
    }

    /// The same of the first pod.
    pub(super) async fn first_readyz_note(&self, reference: &ServiceReference) -> String {
        match self.pods.first() {
            Some(pod) => self.readyz_note(&reference.namespace, pod).await,
            None => String::new(),
        }
    }
}
