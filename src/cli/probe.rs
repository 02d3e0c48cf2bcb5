//! `gomemlimit probe`: calls a running webhook as the API server does; what `helm test` runs.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail, ensure};
use axum::body::Bytes;
use clap::Args;
use gomemlimit_core::{names::DOMAIN, settings::Setting};
use gomemlimit_files::{Kinds, MAX_PEM};
use http_body_util::Full;
use hyper::{Request, StatusCode, Uri, header};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::TcpStream,
    runtime::Runtime,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    duration::parse_duration,
    http_request::{HttpResponse, http_request},
    output,
    sample::{self, LIMIT_BYTES},
};
use crate::{
    asked::{ClientCertificateRequest, is_certificate_required},
    causes::{chain, with_causes},
    serve::tls::{explain, provider},
};

/// Maximum size of an answer or a scrape, in bytes: 1 MiB.
const MAX_BYTES: usize = 1 << 20;
/// Time between two rounds of requests.
const PAUSE: Duration = Duration::from_millis(500);
const UID: &str = "gomemlimit-probe";

/// Call a running webhook as the API server does, and check its answer
///
/// Sends a review of a sample pod over verified TLS and applies the patch; or reads the metrics.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  # Through the Service by its address, with the name in its certificate
  gomemlimit probe --url https://10.96.0.12:443/mutate \\
    --server-name gomemlimit.gomemlimit.svc --ca-file bundle.crt
  # The metrics
  gomemlimit probe --metrics-url http://10.96.0.12:8081/metrics

Exit codes: 0 answered as it should, 1 answered otherwise, 2 not reached or not trusted.")]
pub(super) struct ProbeArgs {
    /// The webhook
    #[arg(long, value_name = "URL", requires = "ca_file", required_unless_present = "metrics_url")]
    url: Option<Uri>,
    /// Name in the certificate; default: the host of the URL
    #[arg(long, value_name = "NAME", requires = "url")]
    server_name: Option<String>,
    /// PEM certificates to trust
    #[arg(long, value_name = "FILE", requires = "url")]
    ca_file: Option<PathBuf>,
    /// PEM client certificate chain, if the webhook asks for one
    #[arg(long, value_name = "FILE", requires_all = ["url", "client_key"])]
    client_cert: Option<PathBuf>,
    /// PEM private key of the client certificate
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// Check that a caller without a client certificate is refused, instead of an answer
    #[arg(long, requires = "url", conflicts_with = "client_cert")]
    expect_refusal: bool,
    /// The metrics
    #[arg(long, value_name = "URL")]
    metrics_url: Option<Uri>,
    /// Maximum time of one request
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    timeout: Duration,
    /// Maximum time to repeat requests until all pass: a Service may lead to a replica that stops
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    wait: Option<Duration>,
}

/// The results of a round of requests.
#[derive(Default)]
struct Round {
    /// A line for each answer that passed.
    passed: String,
    /// A sentence for each answer that failed.
    findings: Vec<String>,
}

impl ProbeArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let until = Instant::now() + self.wait.unwrap_or_default();
        let round = loop {
            let round = self.round(&runtime);
            let is_fine = round.as_ref().is_ok_and(|round| round.findings.is_empty());
            if is_fine || Instant::now() + PAUSE > until {
                break round?;
            }
            std::thread::sleep(PAUSE);
        };
        for finding in &round.findings {
            output::error(finding);
        }
        let printed = output::text(&round.passed);
        Ok(if round.findings.is_empty() { printed } else { ExitCode::FAILURE })
    }

    fn round(&self, runtime: &Runtime) -> anyhow::Result<Round> {
        let mut round = Round::default();
        let mut note = |url: &Uri, result: anyhow::Result<String>| match result {
            Ok(line) => round.passed.extend([url.to_string().as_str(), ": ", &line, "\n"]),
            Err(problem) => round.findings.push(format!("{url}: {}", with_causes(problem.as_ref()))),
        };
        if let (Some(url), Some(ca_file)) = (&self.url, &self.ca_file) {
            if self.expect_refusal {
                note(url, self.within(runtime, url, self.refusal(url, ca_file))?);
            } else {
                let answer = self.within(runtime, url, self.review(url, ca_file))?;
                note(url, check_review(&answer));
            }
        }
        if let Some(url) = &self.metrics_url {
            let answer = self.within(runtime, url, scrape(url))?;
            note(url, check_metrics(&answer));
        }
        Ok(round)
    }

    fn within<T>(
        &self,
        runtime: &Runtime,
        url: &Uri,
        answer: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let answer = runtime.block_on(async { timeout(self.timeout, answer).await });
        let answer = answer.map_err(|_| anyhow!("{url}: no answer within {:?}", self.timeout))?;
        answer.with_context(|| url.to_string())
    }

    async fn review(&self, url: &Uri, ca_file: &Path) -> anyhow::Result<HttpResponse> {
        let request = Arc::new(ClientCertificateRequest::default());
        let stream = self.connect(url, ca_file, &request).await?;
        let answer = async { send(stream.context("TLS handshake")?, url, Some(sample_review())).await };
        answer.await.map_err(|error| explained(error, request.is_received()))
    }

    /// Whether the webhook refuses a caller without a certificate, as a line or an error.
    ///
    /// # Errors
    ///
    /// If it cannot be reached, or is not trusted.
    async fn refusal(&self, url: &Uri, ca_file: &Path) -> anyhow::Result<anyhow::Result<String>> {
        let request = Arc::new(ClientCertificateRequest::default());
        let refused = match self.connect(url, ca_file, &request).await? {
            // Nothing is sent, so that the alert of the server arrives.
            Ok(mut stream) if request.is_received() => stream.read(&mut [0; 1]).await.map(|_| ()),
            Ok(_) => Ok(()),
            Err(error) if request.is_received() && !is_not_trusted(&error) => Err(error),
            Err(error) => return Err(explained(anyhow!(error).context("TLS handshake"), false)),
        };
        Ok(match refused {
            Err(error) if is_certificate_required(&error) => {
                Ok("refuses a caller without a client certificate".to_owned())
            }
            Err(error) => Err(anyhow!(error).context("refuses a caller for another reason")),
            Ok(()) => Err(anyhow!("a caller without a client certificate is not refused")),
        })
    }

    /// Connects over TLS; the inner error is that of the handshake.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or if the webhook cannot be reached.
    async fn connect(
        &self,
        url: &Uri,
        ca_file: &Path,
        request: &Arc<ClientCertificateRequest>,
    ) -> anyhow::Result<std::io::Result<TlsStream<TcpStream>>> {
        ensure!(url.scheme_str() == Some("https"), "is not an https:// URL");
        let pem = read_pem(ca_file)?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.with_context(|| format!("{} is not PEM", ca_file.display()))?;
            let added = roots.add(certificate);
            added.with_context(|| format!("cannot use a certificate of {} as a CA", ca_file.display()))?;
        }
        ensure!(!roots.is_empty(), "there is no certificate in {}", ca_file.display());
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match (&self.client_cert, &self.client_key) {
            (Some(chain), Some(key)) => {
                let (chain, key) = client_certificate(chain, key)?;
                config.with_client_auth_cert(chain, key).context("--client-cert, --client-key")?
            }
            _ => config.with_client_cert_resolver(request.clone()),
        };
        let host = host(url)?;
        let name = self.server_name.clone().unwrap_or_else(|| host.to_owned());
        let name =
            ServerName::try_from(name.clone()).with_context(|| format!("{name} is not a server name"))?;
        let stream = connect(url, 443).await?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        // The text of tokio-rustls shows only that it ended.
        Ok(stream.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                io::Error::new(error.kind(), "it ended the connection; does it speak TLS?")
            }
            _ => error,
        }))
    }
}

fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// Whether this program ended the handshake because of the server's certificate.
fn is_not_trusted(error: &io::Error) -> bool {
    matches!(tls_error(error), Some(rustls::Error::InvalidCertificate(_)))
}

/// The error of a connection, with the flag that it depends on. With TLS 1.3 a server refuses a client only after the
/// handshake, or resets the connection.
fn explained(error: anyhow::Error, is_asked: bool) -> anyhow::Error {
    let asks = "it asks for a client certificate; see --client-cert and --client-key";
    if is_certificate_required(error.as_ref()) {
        return anyhow!(asks);
    }
    let Some(tls) = tls_error(error.as_ref()) else {
        return if is_asked { error.context(asks) } else { error };
    };
    let see = match tls {
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "; see --server-name",
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "; see --ca-file",
        rustls::Error::InvalidMessage(_) => "; is it the port of --metrics-url?",
        rustls::Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::DecryptError
            | AlertDescription::HandshakeFailure,
        ) => "; see --client-cert and --client-key",
        _ => "",
    };
    anyhow!("TLS handshake: {}{see}", explain::tls(tls))
}

fn read_pem(path: &Path) -> anyhow::Result<Vec<u8>> {
    let read = gomemlimit_files::read(path, Kinds::Any, MAX_PEM);
    read.with_context(|| format!("cannot read {}", path.display()))
}

fn client_certificate(
    chain: &Path,
    key: &Path,
) -> anyhow::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read_pem(chain)?).collect();
    let certificates = certificates.with_context(|| format!("{} is not PEM", chain.display()))?;
    let key = PrivateKeyDer::from_pem_slice(&read_pem(key)?)
        .with_context(|| format!("there is no private key as PEM in {}", key.display()))?;
    Ok((certificates, key))
}

async fn scrape(url: &Uri) -> anyhow::Result<HttpResponse> {
    ensure!(url.scheme_str() == Some("http"), "is not an http:// URL");
    send(connect(url, 80).await?, url, None).await.map_err(|error| {
        let is_http =
            !chain(error.as_ref()).any(|error| error.downcast_ref().is_some_and(hyper::Error::is_parse));
        if is_http { error } else { anyhow!("its answer is not HTTP; is it the port of --url, with TLS?") }
    })
}

fn host(url: &Uri) -> anyhow::Result<&str> {
    let host = url.host().context("has no host")?;
    Ok(host.trim_start_matches('[').trim_end_matches(']'))
}

async fn connect(url: &Uri, default_port: u16) -> anyhow::Result<TcpStream> {
    let address = (host(url)?, url.port_u16().unwrap_or(default_port));
    TcpStream::connect(address).await.context("cannot connect")
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    url: &Uri,
    review: Option<Value>,
) -> anyhow::Result<HttpResponse> {
    let authority = url.authority().context("has no host")?.as_str();
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::builder().uri(path).header(header::HOST, authority);
    let request = match review {
        None => request.method("GET").body(Full::default())?,
        Some(review) => request
            .method("POST")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(review.to_string())))?,
    };
    http_request(stream, request, MAX_BYTES).await
}

/// Its annotations name every setting that matters, so that the response does not depend on those of this installation.
fn sample_pod() -> Value {
    let setting = |setting: Setting| format!("{DOMAIN}/{}", setting.as_str());
    let annotations = json!({
        setting(Setting::Mode): "inject",
        setting(Setting::Value): "literal",
        setting(Setting::MinLimit): "0",
    });
    sample::pod("probe", &json!({}), &json!({"metadata": {"annotations": annotations}}))
}

/// The creation of the sample pod, as a dry run.
fn sample_review() -> Value {
    let mut review = sample::review(UID, "default", &sample_pod());
    json_patch::merge(&mut review, &json!({"request": {"dryRun": true}}));
    review
}

fn check_review(answer: &HttpResponse) -> anyhow::Result<String> {
    ensure!(answer.status == StatusCode::OK, "answered with HTTP {}", answer.status);
    let review: Value = serde_json::from_slice(&answer.body).context("the answer is not JSON")?;
    ensure!(review.pointer("/response/uid") == Some(&json!(UID)), "the answer has another uid");
    ensure!(review.pointer("/response/allowed") == Some(&json!(true)), "the pod was refused");
    let Some(patch) = review.pointer("/response/patch") else {
        bail!("nothing was injected");
    };
    let patch: k8s_openapi::ByteString =
        serde_json::from_value(patch.clone()).context("the patch is not base64")?;
    let patch: json_patch::Patch = serde_json::from_slice(&patch.0).context("the patch is not JSON Patch")?;
    let mut pod = sample_pod();
    json_patch::patch(&mut pod, &patch).context("the patch does not apply")?;
    let env = pod.pointer("/spec/containers/0/env").and_then(Value::as_array);
    let variable = env.into_iter().flatten().find(|env| env.get("name") == Some(&json!("GOMEMLIMIT")));
    let value = variable.and_then(|env| env.get("value")).and_then(Value::as_str);
    let value = value.context("there is no GOMEMLIMIT in the patched pod")?;
    let below_limit = value.parse().is_ok_and(|bytes: u64| bytes < LIMIT_BYTES);
    ensure!(below_limit, "GOMEMLIMIT={value} is not a number below the limit");
    Ok(format!("injects GOMEMLIMIT={value} for 1Gi"))
}

fn check_metrics(answer: &HttpResponse) -> anyhow::Result<String> {
    ensure!(answer.status == StatusCode::OK, "answered with HTTP {}", answer.status);
    let text = std::str::from_utf8(&answer.body).context("the metrics are not text")?;
    let series = text.lines().filter(|line| line.starts_with("gomemlimit_")).count();
    ensure!(series > 0, "there is no metric of gomemlimit");
    ensure!(text.lines().any(|line| line == "gomemlimit_ready 1"), "it is not ready");
    Ok(format!("{series} series"))
}
