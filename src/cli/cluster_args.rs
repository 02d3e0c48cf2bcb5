//! Which cluster and which namespace, with the flags of kubectl.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use gomemlimit_core::names::is_object_name;

use super::{complete, duration::parse_delay};
use crate::{
    cluster::{api::Cluster, target::Target},
    serve::tls::provider,
};

/// Which cluster, and as whom. `-h` leaves out what is rarely used.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ClusterArgs {
    /// Kubeconfig; default: KUBECONFIG, ~/.kube/config, or the service account of the pod
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; default: the current one
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(complete::contexts))]
    context: Option<String>,
    /// Cluster of the kubeconfig; default: that of the context
    #[arg(long, value_name = "NAME", hide_short_help = true, add = ArgValueCompleter::new(complete::clusters))]
    cluster: Option<String>,
    /// User of the kubeconfig; default: that of the context
    #[arg(long, value_name = "NAME", hide_short_help = true, add = ArgValueCompleter::new(complete::users))]
    user: Option<String>,
    /// Address of the API server; default: that of the cluster
    #[arg(long, value_name = "URL", hide_short_help = true)]
    server: Option<String>,
    /// User to impersonate, such as `system:serviceaccount:shop:api`
    #[arg(long = "as", value_name = "USER", hide_short_help = true)]
    impersonate: Option<String>,
    /// Group to impersonate; may be repeated
    #[arg(long = "as-group", value_name = "GROUP", hide_short_help = true, requires = "impersonate")]
    impersonate_groups: Vec<String>,
    /// UID to impersonate
    #[arg(long = "as-uid", value_name = "UID", hide_short_help = true, requires = "impersonate")]
    impersonate_uid: Option<String>,
    /// Maximum time for one request, such as `30s`; default: 1m
    #[arg(long, value_name = "DURATION", hide_short_help = true, value_parser = parse_timeout)]
    request_timeout: Option<Duration>,
}

impl ClusterArgs {
    pub(super) fn target(&self) -> Target {
        Target {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
            server: self.server.clone(),
            impersonate: self.impersonate.clone(),
            impersonate_groups: self.impersonate_groups.clone(),
            impersonate_uid: self.impersonate_uid.clone(),
            request_timeout: self.request_timeout,
            in_background: false,
            polls: false,
        }
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
        install_crypto();
        Ok(Cluster::open(target).await?)
    }
}

/// kube takes the provider of the process.
pub(super) fn install_crypto() {
    let _ = rustls::crypto::CryptoProvider::install_default((*provider()).clone());
}

/// As kubectl: a number alone is of seconds, and 0 leaves the default.
fn parse_timeout(text: &str) -> Result<Duration, String> {
    text.parse().map_or_else(|_| parse_delay(text), |seconds| Ok(Duration::from_secs(seconds)))
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
    if is_object_name(text) {
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
