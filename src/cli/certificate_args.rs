//! Where `serve` has its certificate from: files, a CA that it keeps itself, or none of both.

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, bail};
use clap::Args;
use kube::Client;

use super::duration::{parse_duration, parse_life, parse_poll};
use crate::{
    certs::Settings,
    cluster::{
        certificates::{CertificateKeeper, Places},
        client::connect,
    },
    metrics::Metrics,
    serve::tls::{CertificateFiles, ClientCa, Reloader, Serving, ephemeral},
};

/// Certificate files, or the objects that self-managed certificates live in.
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
    #[arg(long = "client-name", value_name = "NAME", value_delimiter = ',', requires = "client_ca_file")]
    client_names: Vec<String>,
    /// How often to look at the certificate files
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_poll)]
    tls_poll: Duration,
    /// Make and rotate certificates: existing Secret that replicas share their CA in
    #[arg(long, value_name = "NAME", requires_all = ["webhook_config", "service"], conflicts_with = "tls_cert")]
    tls_secret: Option<String>,
    /// `MutatingWebhookConfiguration` whose CA bundle is kept right
    #[arg(long, value_name = "NAME", requires = "tls_secret")]
    webhook_config: Option<String>,
    /// Service that the API server reaches us by
    #[arg(long, value_name = "NAME", requires = "tls_secret")]
    service: Option<String>,
    /// Namespace of the Secret and the Service; default: that of the pod or the kubeconfig
    #[arg(long, value_name = "NAMESPACE", requires = "tls_secret")]
    namespace: Option<String>,
    /// Life of the CA; the next one is published after two thirds of it
    #[arg(long, value_name = "DURATION", default_value = "8760h", value_parser = parse_life)]
    ca_duration: Duration,
    /// Life of a replica's own certificate; renewed after two thirds of it
    #[arg(long, value_name = "DURATION", default_value = "168h", value_parser = parse_life)]
    leaf_duration: Duration,
    /// How long a CA is in the CA bundle before it signs
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = parse_duration, hide = true)]
    ca_publish_delay: Duration,
    /// How often to look at the clock
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_poll, hide = true)]
    certificate_tick: Duration,
}

/// What serves, and what keeps it current.
pub(super) struct Certificates {
    pub(super) serving: Arc<Serving>,
    pub(super) reloader: Option<Reloader>,
    pub(super) keeper: Option<CertificateKeeper>,
    /// Self-signed, for a trial.
    pub(super) ephemeral: bool,
}

impl CertificateArgs {
    pub(super) fn poll(&self) -> Duration {
        self.tls_poll
    }

    /// Who may call; `None`: everybody.
    pub(super) fn callers(&self, metrics: &Metrics) -> anyhow::Result<Option<ClientCa>> {
        let Some(path) = self.client_ca_file.clone() else { return Ok(None) };
        let opened = ClientCa::open(path, self.client_names.clone(), metrics.clone());
        Ok(Some(opened.context("--client-ca-file")?))
    }

    pub(super) fn open(&self, listen: IpAddr, metrics: &Metrics) -> anyhow::Result<Certificates> {
        if let (Some(certificate), Some(key)) = (self.tls_cert.clone(), self.tls_key.clone()) {
            let files = CertificateFiles { certificate, key };
            let (credentials, content) = files.load(SystemTime::now()).context("--tls-cert, --tls-key")?;
            let serving = Serving::new(credentials, metrics.clone());
            let reloader = Some(Reloader::new(files, content, metrics.clone()));
            return Ok(Certificates { serving, reloader, keeper: None, ephemeral: false });
        }
        if let (Some(secret), Some(configuration), Some(service)) =
            (&self.tls_secret, &self.webhook_config, &self.service)
        {
            let serving = Serving::none_yet(metrics.clone());
            let keeper = self.keeper(secret, configuration, service, &serving, metrics)?;
            return Ok(Certificates { serving, reloader: None, keeper: Some(keeper), ephemeral: false });
        }
        let serving = Serving::new(ephemeral(listen)?, metrics.clone());
        Ok(Certificates { serving, reloader: None, keeper: None, ephemeral: true })
    }

    fn keeper(
        &self,
        secret: &str,
        configuration: &str,
        service: &str,
        serving: &Arc<Serving>,
        metrics: &Metrics,
    ) -> anyhow::Result<CertificateKeeper> {
        // The next CA has the last third of the present one's life to be published in.
        if self.ca_publish_delay + self.certificate_tick * 2 > self.ca_duration / 3 {
            let third = humantime::format_duration(self.ca_duration / 3);
            bail!("--ca-duration is too short: a third of it, {third}, has to hold --ca-publish-delay");
        }
        if self.leaf_duration > self.ca_duration {
            bail!("--leaf-duration cannot be longer than --ca-duration");
        }
        let client = client("--tls-secret")?;
        let namespace = self.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
        let settings = Settings {
            server_name: format!("{service}.{namespace}.svc"),
            ca_life: self.ca_duration,
            leaf_life: self.leaf_duration,
            publish_delay: self.ca_publish_delay,
        };
        let places = Places { namespace, secret: secret.to_owned(), configuration: configuration.to_owned() };
        let (serving, metrics) = (serving.clone(), metrics.clone());
        Ok(CertificateKeeper::new(client, settings, places, self.certificate_tick, serving, metrics))
    }
}

/// A client of the cluster that we run in, or that KUBECONFIG names.
pub(super) fn client(flag: &str) -> anyhow::Result<Client> {
    connect().with_context(|| format!("{flag} needs a cluster"))
}
