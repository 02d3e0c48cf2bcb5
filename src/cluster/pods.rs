//! What `diagnose` and `observe` want to know of a running pod: a partial view, since the typed one costs a megabyte
//! of program and loses fields.

use std::{collections::BTreeMap, time::Duration};

use gomemlimit_core::{
    live::Termination,
    memlimit::GoLimit,
    names::{GOMEMLIMIT, GOMEMLIMIT_MIB, TRACKING_VALUE},
    quantity,
};
use gomemlimit_pprof::{Gomemlimit, Limit};
use hyper::Request;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use serde::{Deserialize, de::DeserializeOwned};
use thiserror::Error;

use super::patience::with_causes;

/// Why nothing is known of a pod.
#[derive(Debug, Error)]
pub enum PodError {
    /// No such pod.
    #[error("there is no pod {0}")]
    NotFound(String),
    /// The right is missing.
    #[error("no right to read pod {0}; it takes `get` on pods")]
    Forbidden(String),
    /// The cluster does not answer, or with something else.
    #[error("cannot read pod {0}: {1}")]
    Other(String, String),
}

/// A pod, as far as it matters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodView {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: String,
    annotations: Option<BTreeMap<String, String>>,
    deletion_timestamp: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    node_name: Option<String>,
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    resources: Resources,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    name: String,
    restart_policy: Option<String>,
    env: Vec<EnvVar>,
    env_from: Vec<serde::de::IgnoredAny>,
    ports: Vec<Port>,
    resources: Resources,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct EnvVar {
    name: String,
    value: Option<String>,
    value_from: Option<ValueFrom>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ValueFrom {
    resource_field_ref: Option<ResourceFieldRef>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ResourceFieldRef {
    container_name: Option<String>,
    resource: String,
    divisor: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Port {
    name: Option<String>,
    container_port: u16,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Resources {
    limits: Limits,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Limits {
    memory: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: String,
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContainerStatus {
    name: String,
    #[serde(rename = "containerID")]
    container_id: Option<String>,
    restart_count: u32,
    resources: Option<Resources>,
    state: State,
    last_state: State,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct State {
    running: Option<Running>,
    waiting: Option<Waiting>,
    terminated: Option<Terminated>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Running {
    started_at: Option<Time>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Terminated {
    reason: Option<String>,
    exit_code: i32,
    started_at: Option<Time>,
    finished_at: Option<Time>,
}

impl Terminated {
    fn end(&self) -> Termination {
        let finished = self.finished_at.as_ref().map(|time| time.0.to_string());
        Termination {
            reason: self.reason.clone().unwrap_or_default(),
            exit_code: self.exit_code,
            finished_at: finished.unwrap_or_default(),
        }
    }

    fn life(&self) -> Option<Duration> {
        let (from, to) = (self.started_at.as_ref()?.0.as_second(), self.finished_at.as_ref()?.0.as_second());
        Some(Duration::from_secs(u64::try_from(to - from).ok()?))
    }
}

/// Annotation that names the container that is meant where none is named, as for `kubectl logs`.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";
/// Name of the port on which pprof listens.
const PPROF_PORT: &str = "pprof";
/// What Go programs exit with when GOMEMLIMIT is malformed, among other things.
pub const GO_FATAL: i32 = 2;
/// `net/http/pprof` in every example since 2012.
pub const DEFAULT_PORT: u16 = 6060;

/// What is known of one container.
#[derive(Clone, Debug)]
pub struct ContainerFacts {
    /// Its name.
    pub name: String,
    /// The memory limit that applies now, also after a resize.
    pub limit: Limit,
    /// What it has as GOMEMLIMIT.
    pub gomemlimit: Gomemlimit,
    /// The port called `pprof`.
    pub pprof_port: Option<u16>,
    /// The ports that it declares, one that is called after metrics first.
    pub ports: Vec<u16>,
    /// Another one for every incarnation.
    pub id: Option<String>,
    /// How often it was restarted.
    pub restarts: u32,
    /// Start of this incarnation, seconds since 1970; `None` where it does not run.
    pub started: Option<i64>,
    /// Why it does not run: `CrashLoopBackOff`, `Completed` ….
    pub state: String,
    /// How the last incarnation that ended did.
    pub last_end: Option<Termination>,
    /// How long that incarnation ran, to a second.
    pub last_life: Option<Duration>,
}

impl ContainerFacts {
    /// Whether the incarnation before was OOM killed.
    #[must_use]
    pub fn was_oom_killed(&self) -> bool {
        self.last_end.as_ref().is_some_and(|end| end.reason == "OOMKilled")
    }
}

impl PodView {
    /// Reads a pod.
    pub async fn get(client: &Client, namespace: &str, name: &str) -> Result<Self, PodError> {
        let pod = || format!("{namespace}/{name}");
        get(client, &format!("/api/v1/namespaces/{namespace}/pods/{name}")).await.map_err(|error| match error
        {
            kube::Error::Api(status) if status.code == 404 => PodError::NotFound(pod()),
            kube::Error::Api(status) if status.code == 403 => PodError::Forbidden(pod()),
            kube::Error::Api(status) => PodError::Other(pod(), status.message.clone()),
            error => PodError::Other(pod(), with_causes(&error)),
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Whether it is about to be deleted.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Whether it has ended for good, well or not.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    /// The value of an annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata.annotations.as_ref()?.get(key).map(String::as_str)
    }

    /// The facts of every container that runs beside the others.
    pub fn all(&self) -> impl Iterator<Item = ContainerFacts> {
        self.containers().map(|container| self.facts(container))
    }

    /// The node it runs on.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.spec.node_name.as_deref()
    }

    /// The facts of the container that is meant: the one named; the only one; the one that has a port
    /// called `pprof`; the one that the annotation for `kubectl logs` names. Else the names of all.
    pub fn container(&self, named: Option<&str>) -> Result<ContainerFacts, Vec<String>> {
        let all = || self.containers();
        let annotated = || self.annotation(DEFAULT_CONTAINER);
        let by_name = |name: &str| all().find(|container| container.name == name);
        let found = match named {
            Some(name) => by_name(name),
            None if all().count() == 1 => all().next(),
            None => all()
                .find(|container| container.pprof_port().is_some())
                .or_else(|| annotated().and_then(by_name)),
        };
        found
            .map(|container| self.facts(container))
            .ok_or_else(|| all().map(|one| one.name.clone()).collect())
    }

    /// Those that run beside each other: native sidecars too.
    fn containers(&self) -> impl Iterator<Item = &Container> {
        let sidecars = self.spec.init_containers.iter();
        let sidecars = sidecars.filter(|container| container.restart_policy.as_deref() == Some("Always"));
        self.spec.containers.iter().chain(sidecars)
    }

    fn facts(&self, container: &Container) -> ContainerFacts {
        let statuses = self.status.container_statuses.iter().chain(&self.status.init_container_statuses);
        let status = statuses.into_iter().find(|status| status.name == container.name);
        let limit = self.limit(container, status);
        let ended = status
            .and_then(|status| status.state.terminated.as_ref().or(status.last_state.terminated.as_ref()));
        let running = status.and_then(|status| status.state.running.as_ref());
        ContainerFacts {
            name: container.name.clone(),
            limit,
            gomemlimit: container.gomemlimit(limit),
            pprof_port: container.pprof_port(),
            ports: container.ports(),
            id: status.and_then(|status| status.container_id.clone()),
            restarts: status.map_or(0, |status| status.restart_count),
            started: running.and_then(|running| Some(running.started_at.as_ref()?.0.as_second())),
            state: status.map_or_else(|| "not started".to_owned(), |status| status.state.word()),
            last_life: ended.and_then(Terminated::life),
            last_end: ended.map(Terminated::end),
        }
    }

    /// What applies at the moment; else what was asked for; else the pod's, where it has one container.
    fn limit(&self, container: &Container, status: Option<&ContainerStatus>) -> Limit {
        let actual = status.and_then(|status| status.resources.as_ref()?.limits.memory.as_deref());
        let of_pod =
            || self.spec.resources.limits.memory.as_deref().filter(|_| self.containers().count() == 1);
        let text = actual.or(container.resources.limits.memory.as_deref()).or_else(of_pod);
        match text.map(quantity::parse) {
            None => Limit::Unlimited,
            Some(Ok(bytes)) => Limit::Bytes(bytes),
            Some(Err(_)) => Limit::Unknown,
        }
    }
}

impl Container {
    fn pprof_port(&self) -> Option<u16> {
        let port = self.ports.iter().find(|port| port.name.as_deref() == Some(PPROF_PORT))?;
        Some(port.container_port)
    }

    fn ports(&self) -> Vec<u16> {
        let is_metrics = |port: &&Port| port.name.as_deref().is_some_and(|name| name.contains("metrics"));
        let (metrics, others): (Vec<_>, Vec<_>) = self.ports.iter().partition(is_metrics);
        metrics.into_iter().chain(others).map(|port| port.container_port).collect()
    }

    /// The last entry counts, as for the kubelet. What stands in a ConfigMap or Secret is not known.
    fn gomemlimit(&self, limit: Limit) -> Gomemlimit {
        let Some(entry) = self.variable(GOMEMLIMIT) else {
            return if self.env_from.is_empty() { Gomemlimit::Unset } else { Gomemlimit::Unknown };
        };
        let text = match (&entry.value, &entry.value_from) {
            (_, Some(source)) => {
                let bytes = source.resource_field_ref.as_ref().and_then(|field| self.resource(field, limit));
                return bytes.map_or(Gomemlimit::Unknown, Gomemlimit::Bytes);
            }
            (Some(text), None) => text.as_str(),
            (None, None) => "",
        };
        if text == TRACKING_VALUE {
            let source = self.variable(GOMEMLIMIT_MIB).and_then(|entry| entry.value_from.as_ref());
            let mebibytes =
                source.and_then(|source| self.resource(source.resource_field_ref.as_ref()?, limit));
            return mebibytes
                .and_then(|count| count.checked_mul(1_000_000))
                .map_or(Gomemlimit::Unknown, Gomemlimit::Bytes);
        }
        match text.parse() {
            _ if text.contains("$(") => Gomemlimit::Unknown,
            Ok(GoLimit::Unlimited) => Gomemlimit::Unset,
            Ok(GoLimit::Bytes(bytes)) => Gomemlimit::Bytes(bytes),
            Err(_) => Gomemlimit::Malformed(text.to_owned()),
        }
    }

    fn variable(&self, name: &str) -> Option<&EnvVar> {
        self.env.iter().rev().find(|entry| entry.name == name)
    }

    /// The downward API's `limits.memory`, divided and rounded up.
    fn resource(&self, field: &ResourceFieldRef, limit: Limit) -> Option<u64> {
        let own = field.container_name.as_deref().is_none_or(|name| name.is_empty() || name == self.name);
        let divisor = field.divisor.as_deref().map_or(Ok(1), quantity::parse).ok()?.max(1);
        (own && field.resource == "limits.memory").then_some(limit.bytes()?.div_ceil(divisor))
    }
}

impl State {
    fn word(&self) -> String {
        let word = match self {
            Self { running: Some(_), .. } => "running",
            Self { waiting: Some(waiting), .. } => waiting.reason.as_deref().unwrap_or("waiting"),
            Self { terminated: Some(terminated), .. } => terminated.reason.as_deref().unwrap_or("terminated"),
            _ => "not started",
        };
        word.to_owned()
    }
}

pub(super) async fn get<T: DeserializeOwned>(client: &Client, path: &str) -> kube::Result<T> {
    let text = client.request_text(request(path)?).await?;
    serde_json::from_str(&text).map_err(kube::Error::SerdeError)
}

fn request(path: &str) -> kube::Result<Request<Vec<u8>>> {
    Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)
}

/// Whether the log of the incarnation that ended says that GOMEMLIMIT is malformed; no where it may not be
/// read. It is the current log until the next incarnation starts.
pub async fn log_says_malformed(client: &Client, namespace: &str, pod: &str, container: &str) -> bool {
    for previous in [true, false] {
        let path = format!(
            "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&previous={previous}&tailLines=50&limitBytes=65536"
        );
        let Ok(request) = request(&path) else { return false };
        if client.request_text(request).await.is_ok_and(|log| log.contains("malformed GOMEMLIMIT")) {
            return true;
        }
    }
    false
}
