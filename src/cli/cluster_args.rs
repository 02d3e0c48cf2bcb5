//! The flags of kubectl that select a cluster and a namespace.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use gomemlimit_core::names::is_object_name;

use super::{complete, duration::parse_delay, runtime::install_crypto};
use crate::cluster::{api::Cluster, target::Target};

/// The flags that select a cluster and a user. `-h` leaves out those that are rarely used.
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

    /// Opens a connection, which sends nothing yet.
    ///
    /// # Errors
    ///
    /// If the kubeconfig cannot be read, or has no such context, cluster or user.
    pub(super) async fn open(&self) -> anyhow::Result<Cluster> {
        Self::connect(&self.target()).await
    }

    /// Opens a connection for a command that polls: a failed call is an error at once, and the next poll repeats it.
    ///
    /// # Errors
    ///
    /// As for [`Self::open`].
    pub(super) async fn open_to_poll(&self) -> anyhow::Result<Cluster> {
        Self::connect(&Target { polls: true, ..self.target() }).await
    }

    async fn connect(target: &Target) -> anyhow::Result<Cluster> {
        install_crypto();
        Ok(Cluster::open(target).await?)
    }
}

/// Reads a duration as kubectl does: a number alone is in seconds, and 0 means the default.
fn parse_timeout(text: &str) -> Result<Duration, String> {
    text.parse().map_or_else(|_| parse_delay(text), |seconds| Ok(Duration::from_secs(seconds)))
}

/// The flags that select namespaces.
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

/// Reads the name of an API object (RFC 1123 subdomain), which becomes part of a path.
pub(super) fn parse_name(text: &str) -> Result<String, String> {
    if is_object_name(text) {
        Ok(text.to_owned())
    } else {
        Err("is not a name of Kubernetes: small letters, digits, dashes and dots only, as in the name of every object"
            .to_owned())
    }
}
