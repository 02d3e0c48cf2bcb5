//! The certificate of `serve`: from files, from a CA that it keeps itself, or self-signed in memory.

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use kube::Client;

use super::{
    cluster_args::parse_name,
    duration::{parse_duration, parse_lifetime, parse_poll},
};
use crate::{
    certs::CertificateSettings,
    cluster::client::for_controller,
    controller::certificates::{CertificateKeeper, LeafDestination, ObjectNames},
    metrics::Metrics,
    serve::{
        Reloaded,
        tls::{CertificateFiles, ClientCa, Serving, ephemeral},
    },
};

/// Certificate files, or the objects that hold self-managed certificates.
#[derive(Args, Debug)]
#[command(next_help_heading = "Certificates (default: self-signed, in memory)")]
pub(super) struct CertificateArgs {
    /// PEM certificate chain; replaced files are picked up
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM private key of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// PEM CA certificates that sign client certificates: callers without one are refused; a replaced file is picked up
    #[arg(long, value_name = "FILE")]
    client_ca_file: Option<PathBuf>,
    /// Common name or DNS name in a caller's certificate; several by commas. Default: any
    #[arg(
        long = "client-name",
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = parse_caller,
        requires = "client_ca_file"
    )]
    client_names: Vec<String>,
    /// How often to look at the certificate files
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_poll)]
    tls_poll: Duration,
    /// Make and rotate certificates: existing Secret that replicas share their CA in
    #[arg(
        long,
        value_name = "NAME",
        value_parser = parse_name,
        requires_all = ["webhook_config", "service"],
        conflicts_with = "tls_cert"
    )]
    tls_secret: Option<String>,
    /// `MutatingWebhookConfiguration` whose CA bundle is kept right
    #[arg(long, value_name = "NAME", value_parser = parse_name, requires = "tls_secret")]
    webhook_config: Option<String>,
    /// Service by which the API server reaches the webhook
    #[arg(long, value_name = "NAME", value_parser = parse_name, requires = "tls_secret")]
    service: Option<String>,
    /// Namespace of the Secret and the Service; default: that of the pod or the kubeconfig
    #[arg(long, value_name = "NAMESPACE", value_parser = parse_name, requires = "tls_secret")]
    namespace: Option<String>,
    #[command(flatten)]
    lifetimes: LifetimeArgs,
}

/// Lifetimes of the certificates that this program makes.
#[derive(Args, Debug)]
pub(super) struct LifetimeArgs {
    /// Lifetime of the CA; the next one is published after two thirds of it
    #[arg(long, value_name = "DURATION", default_value = "8760h", value_parser = parse_lifetime)]
    ca_duration: Duration,
    /// Lifetime of the certificate that is served; renewed after two thirds of it
    #[arg(long, value_name = "DURATION", default_value = "168h", value_parser = parse_lifetime)]
    leaf_duration: Duration,
    /// How long a CA is in the CA bundle before it signs
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = parse_duration, hide = true)]
    ca_publish_delay: Duration,
    /// How often to look at the clock
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_poll, hide = true)]
    certificate_tick: Duration,
}

/// The certificate that is served, and the tasks that keep it current.
pub(super) struct Certificates {
    pub(super) serving: Arc<Serving>,
    pub(super) files: Option<Reloaded<CertificateFiles>>,
    pub(super) keeper: Option<CertificateKeeper>,
    /// Self-signed, for a trial.
    pub(super) ephemeral: bool,
}

impl CertificateArgs {
    pub(super) fn poll(&self) -> Duration {
        self.tls_poll
    }

    /// The CA of the callers; `None` if everybody may call.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub(super) fn callers(&self, metrics: &Metrics) -> anyhow::Result<Option<ClientCa>> {
        let Some(path) = self.client_ca_file.clone() else { return Ok(None) };
        let opened = ClientCa::open(path, self.client_names.clone(), metrics.clone());
        Ok(Some(opened.context("--client-ca-file")?))
    }

    pub(super) fn open(&self, listen: IpAddr, metrics: &Metrics) -> anyhow::Result<Certificates> {
        if let (Some(certificate), Some(key)) = (self.tls_cert.clone(), self.tls_key.clone()) {
            let files = CertificateFiles { certificate, key };
            let opened = Reloaded::open(files, metrics.clone());
            let (files, credentials) = opened.context("--tls-cert, --tls-key")?;
            let serving = Serving::new(credentials, metrics.clone());
            return Ok(Certificates { serving, files: Some(files), keeper: None, ephemeral: false });
        }
        if let (Some(secret), Some(configuration), Some(service)) =
            (&self.tls_secret, &self.webhook_config, &self.service)
        {
            let serving = Serving::none_yet(metrics.clone());
            let objects = Objects { secret, configuration, service, namespace: self.namespace.as_deref() };
            let destination = LeafDestination::Served(serving.clone());
            let keeper = self.lifetimes.keeper(&objects, destination, Duration::ZERO, metrics)?;
            return Ok(Certificates { serving, files: None, keeper: Some(keeper), ephemeral: false });
        }
        let serving = Serving::new(ephemeral(listen)?, metrics.clone());
        Ok(Certificates { serving, files: None, keeper: None, ephemeral: true })
    }
}

/// Names of the objects that hold self-managed certificates.
pub(super) struct Objects<'a> {
    /// The Secret of the CA.
    pub(super) secret: &'a str,
    /// The `MutatingWebhookConfiguration`.
    pub(super) configuration: &'a str,
    /// The Service.
    pub(super) service: &'a str,
    /// Namespace of the Secrets and the Service; `None` for that of the pod or the kubeconfig.
    pub(super) namespace: Option<&'a str>,
}

impl LifetimeArgs {
    /// A keeper that has not begun. `refresh` is the maximum time until replicas serve a new certificate.
    ///
    /// # Errors
    /// If the lifetimes are too short, or there is no cluster.
    pub(super) fn keeper(
        &self,
        objects: &Objects<'_>,
        destination: LeafDestination,
        refresh: Duration,
        metrics: &Metrics,
    ) -> anyhow::Result<CertificateKeeper> {
        let third = |lifetime: Duration| humantime::format_duration(lifetime / 3);
        // The next CA has the last third of the current one's lifetime to be published in.
        if self.ca_publish_delay + self.certificate_tick * 2 + refresh > self.ca_duration / 3 {
            let third = third(self.ca_duration);
            bail!("--ca-duration is too short: a third of it, {third}, has to hold --ca-publish-delay");
        }
        if self.leaf_duration > self.ca_duration {
            bail!("--leaf-duration cannot be longer than --ca-duration");
        }
        // A renewed certificate has the last third of the current one's lifetime to arrive in.
        if !refresh.is_zero() && self.certificate_tick * 2 + refresh > self.leaf_duration / 3 {
            let (third, refresh) = (third(self.leaf_duration), humantime::format_duration(refresh));
            bail!(
                "--leaf-duration is too short: a third of it, {third}, has to hold the {refresh} that the kubelet \
                 may take to bring a changed Secret into pods"
            );
        }
        let client = client("--tls-secret")?;
        let namespace =
            objects.namespace.map_or_else(|| client.default_namespace().to_owned(), str::to_owned);
        let settings = CertificateSettings {
            server_name: format!("{}.{namespace}.svc", objects.service),
            ca_lifetime: self.ca_duration,
            leaf_lifetime: self.leaf_duration,
            publish_delay: self.ca_publish_delay,
        };
        let names = ObjectNames {
            namespace,
            secret: objects.secret.to_owned(),
            configuration: objects.configuration.to_owned(),
        };
        Ok(CertificateKeeper::new(
            client,
            settings,
            names,
            self.certificate_tick,
            destination,
            metrics.clone(),
        ))
    }
}

/// A name in a caller's certificate, without blanks around it, as after a comma.
fn parse_caller(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() {
        return Err("is no name, and would let nobody in: write a common name or DNS name, such as \
                    front-proxy-client, or leave --client-name out to let in any"
            .to_owned());
    }
    Ok(name.to_owned())
}

/// A client of the cluster that the program runs in, or that KUBECONFIG names.
///
/// # Errors
///
/// If there is no such cluster; the message names `flag`.
pub(super) fn client(flag: &str) -> anyhow::Result<Client> {
    for_controller().with_context(|| format!("{flag} needs a cluster"))
}
