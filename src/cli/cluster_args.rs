//! Which cluster and which namespace, with the flags of kubectl.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::complete;
use crate::{
    cluster::api::{Cluster, Target},
    serve::tls::provider,
};

/// Which cluster.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ClusterArgs {
    /// Kubeconfig; default: KUBECONFIG, ~/.kube/config, or the service account of the pod
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; default: the current one
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(complete::contexts))]
    context: Option<String>,
}

impl ClusterArgs {
    pub(super) fn target(&self) -> Target {
        Target { kubeconfig: self.kubeconfig.clone(), context: self.context.clone(), polls: false }
    }

    /// A connection that sends nothing yet.
    pub(super) async fn open(&self) -> anyhow::Result<Cluster> {
        Self::connect(&self.target()).await
    }

    /// The same for commands that ask again and again: a failed call is told at once, and repeated when its time comes.
    pub(super) async fn open_to_poll(&self) -> anyhow::Result<Cluster> {
        Self::connect(&Target { polls: true, ..self.target() }).await
    }

    async fn connect(target: &Target) -> anyhow::Result<Cluster> {
        // kube takes the provider of the process.
        let _ = rustls::crypto::CryptoProvider::install_default((*provider::provider()).clone());
        Ok(Cluster::open(target).await?)
    }
}

/// Which namespaces.
#[derive(Args, Clone, Debug)]
pub(super) struct ScopeArgs {
    /// Namespace; default: that of the context
    #[arg(short, long, value_parser = parse_name, add = ArgValueCompleter::new(complete::namespaces))]
    namespace: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
}

impl ScopeArgs {
    /// The namespace, or `None` for all.
    pub(super) fn namespace(&self, cluster: &Cluster) -> Option<String> {
        let default = || cluster.client.default_namespace().to_owned();
        (!self.all_namespaces).then(|| self.namespace.clone().unwrap_or_else(default))
    }
}

/// A name that an object of the API can have (RFC 1123 subdomain): it becomes part of a path.
pub(super) fn parse_name(text: &str) -> Result<String, String> {
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_label = |label: &str| {
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(is_fine)
    };
    if text.len() <= 253 && text.split('.').all(is_label) {
        Ok(text.to_owned())
    } else {
        Err("is not a name of Kubernetes: small letters, digits, dashes and dots only, as in the name of every object"
            .to_owned())
    }
}

/// A runtime for a command that waits for one thing at a time.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}
