//! Kyverno as a candidate: it does its job only with a cluster, so it has measurements of its own there.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::{Api, Client, api::ListParams};
use tokio::time::sleep;

use crate::{
    candidates::Server,
    measure,
    objects::namespace_of,
    pods::Extent,
    record::{Closed, KYVERNO, OURS},
    reviews,
};

/// Sets Kyverno up in the cluster and becomes it.
const START: &str = "bench/performance/kyverno/start";
const PORT: u16 = 9443;

/// The running admission controller, which ends with this.
pub struct Kyverno {
    server: Server,
}

impl Kyverno {
    pub fn start(program: &Path, host: &str) -> Result<Self> {
        let address = SocketAddr::new(host.parse().context("not an address")?, PORT);
        let log = std::fs::File::create(std::env::temp_dir().join("gomemlimit-performance-kyverno.log"))?;
        let child = Command::new(START)
            .arg(program.canonicalize().with_context(|| program.display().to_string())?)
            .arg(host)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context(START)?;
        Ok(Self { server: Server { child, address, path: String::new(), ready: Duration::ZERO } })
    }

    /// Until it listens, which takes it a while.
    pub async fn ready(&self) -> Result<()> {
        let started = Instant::now();
        while tokio::net::TcpStream::connect(self.server.address).await.is_err() {
            if started.elapsed() > Duration::from_mins(3) {
                bail!(
                    "Kyverno does not listen; see gomemlimit-performance-kyverno.log in the folder for temporary files"
                );
            }
            sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    /// Both in turn, with the small review of a pod in its namespace, over 16 connections.
    pub async fn closed(
        mut self,
        ours: &Server,
        client: &Client,
        folder: &Path,
        extent: Extent,
    ) -> Result<Vec<Closed>> {
        self.server.path = path(client, self.server.address).await?;
        let review = reviews::small_in(&namespace_of("kyverno"), folder)?;
        let both = [(OURS, ours), (KYVERNO, &self.server)];
        measure::same_job(both.map(|(_, server)| server), &review)?;
        let mut runs = Vec::new();
        for _ in 0..extent.rounds {
            for (name, server) in both {
                runs.push(measure::closed(name, server, &review, (16, true), extent.seconds, folder)?);
                eprintln!("{:?}", runs.last());
            }
        }
        Ok(both.map(|(name, _)| measure::median_closed(&runs, name)).into())
    }
}

/// Where it has the API server send pods to.
async fn path(client: &Client, address: SocketAddr) -> Result<String> {
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let begin = format!("https://{address}");
    let list = configurations.list(&ListParams::default()).await?;
    let webhooks = list.items.into_iter().flat_map(|item| item.webhooks.unwrap_or_default());
    let is_for_pods = |webhook: &k8s_openapi::api::admissionregistration::v1::MutatingWebhook| {
        let resources = webhook.rules.iter().flatten().flat_map(|rule| rule.resources.iter().flatten());
        resources.into_iter().any(|resource| resource == "pods")
    };
    webhooks
        .filter(is_for_pods)
        .find_map(|webhook| Some(webhook.client_config.url?.strip_prefix(&begin)?.to_owned()))
        .context("Kyverno has no webhook for pods")
}
