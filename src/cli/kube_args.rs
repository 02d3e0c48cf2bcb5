//! Which cluster and which namespace, with the flags of kubectl.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::serve::tls::provider;

/// Which cluster.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Cluster")]
pub(super) struct KubeArgs {
    /// Kubeconfig; default: KUBECONFIG, ~/.kube/config, or the service account of the pod
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; default: the current one
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Namespace; default: that of the context
    #[arg(short, long)]
    namespace: Option<String>,
}

impl KubeArgs {
    /// A client that has sent nothing yet, and the namespace.
    pub(super) async fn open(&self) -> anyhow::Result<(Client, String)> {
        // kube takes the provider of the process.
        let _ = rustls::crypto::CryptoProvider::install_default((*provider::provider()).clone());
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = match &self.kubeconfig {
            Some(path) => Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options)
                .await
                .map_err(Into::into),
            None if self.context.is_some() => Config::from_kubeconfig(&options).await.map_err(Into::into),
            None => Config::infer().await.map_err(anyhow::Error::from),
        };
        let config = config
            .context("there is no cluster to talk to; set KUBECONFIG, or name a file with --kubeconfig")?;
        let client = Client::try_from(config).context("there is no cluster to talk to")?;
        let namespace = self.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
        Ok((client, namespace))
    }
}

/// A name as the API server takes it: it becomes part of a path.
pub(super) fn check_name(name: &str) -> anyhow::Result<()> {
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let is_name =
        !name.is_empty() && name.len() <= 253 && name.chars().all(is_fine) && !name.starts_with('.');
    anyhow::ensure!(is_name, "{name:?} is neither a file nor the name of a pod");
    Ok(())
}
