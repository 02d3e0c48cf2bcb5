//! Credential plugins: `exec` of a user in the kubeconfig, such as `aws eks get-token`, run once and again when what they
//! gave has expired. kube runs them three times for each client.
//!
//! <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>

use std::{
    io::{self, ErrorKind, IsTerminal},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use gomemlimit_manifest::AliasBudget;
use hyper::{Request, Response, StatusCode};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{
    Client, Config,
    client::Body,
    config::{AuthInfo, ExecAuthCluster, ExecConfig, ExecInteractiveMode},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use thiserror::Error;
use tokio::{process::Command, sync::Mutex, time::timeout};
use tower::BoxError;

/// Maximum run time of a plugin.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Maximum run time of a plugin that may ask somebody to log in.
const LOGIN_TIMEOUT: Duration = Duration::from_mins(5);
/// Credentials are renewed so long before they expire.
const RENEW_BEFORE: Duration = Duration::from_secs(10);

/// Why there are no credentials.
#[derive(Debug, Error)]
pub(super) enum PluginError {
    /// The user names no command.
    #[error("the credential plugin of the user has no command")]
    NoCommand,
    /// The command does not exist.
    #[error("the credential plugin {command} is not installed{hint}")]
    NotInstalled {
        /// The command.
        command: String,
        /// The hint of the kubeconfig how to install it.
        hint: String,
    },
    /// The command cannot be run.
    #[error("cannot run the credential plugin {0}")]
    NotRun(String, #[source] io::Error),
    /// It wants a terminal.
    #[error("the credential plugin {0} asks for input, and stdin is not a terminal")]
    NoTerminal(String),
    /// It has failed; its own words went to stderr.
    #[error("the credential plugin {0} failed with {1}")]
    Failed(String, ExitStatus),
    /// It runs for too long.
    #[error("the credential plugin {0} did not end within {1} s")]
    Slow(String, u64),
    /// Its output is not an `ExecCredential`.
    #[error("the output of the credential plugin {0} is not an ExecCredential: {1}")]
    Unreadable(String, String),
}

/// A client that runs the plugin of `config.auth_info` now, and again when the credentials have expired or were
/// refused.
///
/// # Errors
///
/// What the first run ends with, as [`PluginError`] or [`kube::Error`].
pub(super) async fn client(mut config: Config, in_background: bool) -> Result<Client, BoxError> {
    let Some(exec) = config.auth_info.exec.take() else { return Ok(Client::try_from(config)?) };
    let namespace = config.default_namespace.clone();
    let session = Arc::new(Session { config, exec, in_background, current: Mutex::new(None) });
    session.authenticated().await?;
    let service = tower::service_fn(move |request: Request<Body>| {
        let session = session.clone();
        async move { session.send(request).await }
    });
    Ok(Client::new(service, namespace))
}

/// The plugin, and the client with the credentials that it gave last.
struct Session {
    /// Without credentials.
    config: Config,
    exec: ExecConfig,
    in_background: bool,
    current: Mutex<Option<Arc<Authenticated>>>,
}

/// A client, and how long its credentials hold.
struct Authenticated {
    client: Client,
    expires: Option<Timestamp>,
}

impl Authenticated {
    fn holds(&self) -> bool {
        self.expires.is_none_or(|expires| Timestamp::now() + RENEW_BEFORE < expires)
    }
}

impl Session {
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let used = self.authenticated().await?;
        let response = used.client.send(request).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            // As client-go: this request has failed, the next one is sent with new credentials.
            let mut current = self.current.lock().await;
            if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &used)) {
                *current = None;
            }
        }
        Ok(response)
    }

    /// Credentials that hold; one run of the plugin at a time.
    async fn authenticated(&self) -> Result<Arc<Authenticated>, BoxError> {
        let mut current = self.current.lock().await;
        if let Some(current) = current.as_ref().filter(|current| current.holds()) {
            return Ok(current.clone());
        }
        let credentials = run(&self.exec, self.in_background).await?;
        let expires = credentials.expiration_timestamp.as_ref().map(|time| time.0);
        let mut config = self.config.clone();
        credentials.apply(&mut config.auth_info);
        let next = Arc::new(Authenticated { client: Client::try_from(config)?, expires });
        *current = Some(next.clone());
        Ok(next)
    }
}

/// `spec` of an `ExecCredential`.
#[derive(Serialize)]
struct Spec<'a> {
    interactive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a ExecAuthCluster>,
}

/// `status` of an `ExecCredential`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<Time>,
}

impl Credentials {
    fn apply(self, user: &mut AuthInfo) {
        if let (Some(certificate), Some(key)) = (self.client_certificate_data, self.client_key_data) {
            user.client_certificate_data = Some(BASE64_STANDARD.encode(certificate));
            user.client_key_data = Some(BASE64_STANDARD.encode(key).into());
        }
        if let Some(token) = self.token {
            user.token = Some(token.into());
        }
    }
}

/// Runs the plugin. It reads the terminal only if the kubeconfig lets it; what it writes to stderr is for people.
async fn run(exec: &ExecConfig, in_background: bool) -> Result<Credentials, PluginError> {
    let name = exec.command.clone().ok_or(PluginError::NoCommand)?;
    let interactive = is_interactive(exec, !in_background && io::stdin().is_terminal())
        .ok_or_else(|| PluginError::NoTerminal(name.clone()))?;
    let child = command(exec, &name, interactive)
        .stderr(if in_background { Stdio::null() } else { Stdio::inherit() })
        .spawn()
        .map_err(|error| not_started(exec, &name, error))?;
    let most = if interactive { LOGIN_TIMEOUT } else { TIMEOUT };
    let output = timeout(most, child.wait_with_output()).await;
    let output = output.map_err(|_| PluginError::Slow(name.clone(), most.as_secs()))?;
    let output = output.map_err(|error| PluginError::NotRun(name.clone(), error))?;
    if !output.status.success() {
        return Err(PluginError::Failed(name, output.status));
    }
    parse(&output.stdout).map_err(|problem| PluginError::Unreadable(name, problem))
}

fn command(exec: &ExecConfig, name: &str, interactive: bool) -> Command {
    let mut command = Command::new(name);
    let spec = Spec { interactive, cluster: exec.cluster.as_ref() };
    let info = json!({"kind": "ExecCredential", "apiVersion": exec.api_version, "spec": spec});
    let variables = exec.env.iter().flatten().filter_map(|one| Some((one.get("name")?, one.get("value")?)));
    command
        .args(exec.args.iter().flatten())
        .envs(variables)
        .env("KUBERNETES_EXEC_INFO", info.to_string())
        .stdin(if interactive { Stdio::inherit() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Whether it may read the terminal; `None` if it must and cannot.
fn is_interactive(exec: &ExecConfig, is_terminal: bool) -> Option<bool> {
    match exec.interactive_mode {
        Some(ExecInteractiveMode::Never) => Some(false),
        Some(ExecInteractiveMode::Always) => is_terminal.then_some(true),
        Some(ExecInteractiveMode::IfAvailable) | None => Some(is_terminal),
    }
}

fn not_started(exec: &ExecConfig, name: &str, error: io::Error) -> PluginError {
    if error.kind() != ErrorKind::NotFound {
        return PluginError::NotRun(name.to_owned(), error);
    }
    let hint = exec.install_hint.as_deref().map(str::trim).filter(|hint| !hint.is_empty());
    let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
    PluginError::NotInstalled { command: name.to_owned(), hint }
}

/// JSON, or YAML as some plugins write and client-go takes.
fn parse(stdout: &[u8]) -> Result<Credentials, String> {
    #[derive(Deserialize)]
    struct ExecCredential {
        status: Option<Credentials>,
    }
    let text = std::str::from_utf8(stdout).map_err(|error| error.to_string())?;
    let credential: ExecCredential = match serde_json::from_str(text) {
        Ok(credential) => credential,
        Err(error) => {
            let first = gomemlimit_manifest::read(text, &mut AliasBudget::default()).into_iter().next();
            let document = first.transpose().map_err(|_| error.to_string())?;
            let value = document.map(|document| document.value).unwrap_or_default();
            serde_json::from_value(value).map_err(|_| error.to_string())?
        }
    };
    let status = credential.status.ok_or("it has no status")?;
    let is_pair = status.client_certificate_data.is_some() == status.client_key_data.is_some();
    if !is_pair || (status.token.is_none() && status.client_key_data.is_none()) {
        return Err("its status has neither a token nor a certificate with its key".to_owned());
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        net::TcpListener,
    };

    use super::*;

    /// An API server that lets nobody in but who has run its plugin twice.
    fn server() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
                let status = if head.iter().any(|line| line.ends_with("Bearer 2")) { 200 } else { 401 };
                let head =
                    format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}");
                stream.write_all(head.as_bytes()).unwrap();
            }
        });
        port
    }

    /// As of a session that was ended at the server: `audit --listen` goes on.
    #[tokio::test]
    async fn credentials_that_were_refused_are_renewed() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("runs").display().to_string();
        let script = "echo >>$0; echo '{\"status\": {\"token\": \"'$(wc -l <$0)'\"}}'";
        let mut config = Config::new(format!("http://127.0.0.1:{}", server()).parse().unwrap());
        config.auth_info.exec = Some(ExecConfig {
            command: Some("sh".to_owned()),
            args: Some(vec!["-c".to_owned(), script.to_owned(), runs]),
            interactive_mode: Some(ExecInteractiveMode::Never),
            ..ExecConfig::default()
        });
        let client = client(config, false).await.unwrap();
        let ask = || client.request_text(hyper::Request::get("/version").body(Vec::new()).unwrap());
        assert!(ask().await.is_err());
        for _ in 0..3 {
            assert_eq!(ask().await.unwrap(), "{}");
        }
    }
}
