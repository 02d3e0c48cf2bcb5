//! What `diagnose` and `observe` read of a running pod.

mod order;

use std::time::Duration;

use gomemlimit_core::{
    audit::{Effective, EffectiveGomemlimit, EffectiveLimit, effective},
    pod::{LivePod, Termination},
};
use gomemlimit_pprof::{Gomemlimit, Limit};
use kube::{api::GetParams, core::Request};
use serde::Deserialize;
use thiserror::Error;

use super::{
    api::{Cluster, path_of},
    error::{ApiError, unreadable},
    object_meta::ObjectMeta,
    pod_object::{Container, ContainerPort, PodSpec, PodStatus},
};

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
    Other(String, ApiError),
}

/// A pod, as far as it matters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodView {
    pub(super) metadata: ObjectMeta,
    pub(super) spec: PodSpec,
    pub(super) status: PodStatus,
    /// What applies to its containers, as the webhook and the audit have it.
    #[serde(skip)]
    effective: Vec<Effective>,
}

/// Annotation with the container that counts if none is named, as for `kubectl logs`.
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
    /// Its name in the pod.
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
    /// Start of this incarnation, seconds since 1970; `None` if it does not run.
    pub started: Option<i64>,
    /// Why it does not run: `CrashLoopBackOff`, `Completed` ….
    pub state: String,
    /// How the last incarnation that ended did.
    pub last_end: Option<Termination>,
}

impl ContainerFacts {
    /// Whether the incarnation before was OOM killed.
    #[must_use]
    pub fn was_oom_killed(&self) -> bool {
        self.last_end.as_ref().is_some_and(Termination::is_oom_kill)
    }
}

impl PodView {
    /// Reads a pod.
    ///
    /// # Errors
    /// If there is no such pod, or it cannot be read.
    pub async fn get(cluster: &Cluster, namespace: &str, name: &str) -> Result<Self, PodError> {
        let pod = || format!("{namespace}/{name}");
        match Self::find(cluster, namespace, name).await {
            Ok(Some(view)) => Ok(view),
            Ok(None) => Err(PodError::NotFound(pod())),
            Err(ApiError::Forbidden(_)) => Err(PodError::Forbidden(pod())),
            Err(error) => Err(PodError::Other(pod(), error)),
        }
    }

    /// Reads a pod, or `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn find(cluster: &Cluster, namespace: &str, name: &str) -> Result<Option<Self>, ApiError> {
        let path = path_of("/api/v1", Some(namespace), "pods");
        match cluster.text(Request::new(path).get(name, &GetParams::default())).await {
            Ok(text) => Self::parse(&text).map(Some).map_err(|error| unreadable(&error)),
            Err(ApiError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a pod from its JSON text.
    ///
    /// # Errors
    /// If it is not the JSON of a pod.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        let view: Self = serde_json::from_str(json)?;
        Ok(Self { effective: effective(&LivePod::parse(json)?), ..view })
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
        self.metadata.annotations.get(key).map(String::as_str)
    }

    /// The facts of every container that runs beside the others.
    pub fn all(&self) -> impl Iterator<Item = ContainerFacts> {
        self.containers().map(|container| self.facts(container))
    }

    /// Name of the node that it runs on.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.spec.node_name.as_deref()
    }

    /// The facts of a container; without a name, of the one that `kubectl logs` takes: the one that the annotation
    /// names, else the first. One that has a port called `pprof` goes before the first.
    ///
    /// # Errors
    /// The names of all containers.
    pub fn container(&self, named: Option<&str>) -> Result<ContainerFacts, Vec<String>> {
        let by_name = |name: &str| self.containers().find(|container| container.name == name);
        let found = match named {
            Some(name) => by_name(name),
            None => self
                .annotated_container()
                .and_then(by_name)
                .or_else(|| self.containers().find(|container| container.pprof_port().is_some()))
                .or_else(|| self.containers().next()),
        };
        found.map(|container| self.facts(container)).ok_or_else(|| self.container_names())
    }

    /// The container that the annotation for `kubectl logs` names.
    #[must_use]
    pub fn annotated_container(&self) -> Option<&str> {
        let annotated = self.annotation(DEFAULT_CONTAINER)?;
        self.containers().any(|container| container.name == annotated).then_some(annotated)
    }

    /// The names of all containers.
    #[must_use]
    pub fn container_names(&self) -> Vec<String> {
        self.containers().map(|one| one.name.clone()).collect()
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
        let effective = self.effective.iter().find(|one| one.name == container.name).cloned();
        let (limit, gomemlimit, restarts, last_end) = match effective {
            Some(one) => (limit(one.limit), gomemlimit(one.gomemlimit), one.restarts, one.end),
            None => (Limit::Unknown, Gomemlimit::Unknown, 0, None),
        };
        let running = status.and_then(|status| status.state.running.as_ref());
        ContainerFacts {
            name: container.name.clone(),
            limit,
            gomemlimit,
            pprof_port: container.pprof_port(),
            ports: container.ports(),
            id: status.and_then(|status| status.container_id.clone()),
            restarts,
            started: running.and_then(|running| Some(running.started_at.as_ref()?.0.as_second())),
            state: status.map_or_else(|| "not started".to_owned(), |status| status.state.describe()),
            last_end,
        }
    }
}

impl Container {
    fn pprof_port(&self) -> Option<u16> {
        let port = self.ports.iter().find(|port| port.name.as_deref() == Some(PPROF_PORT))?;
        Some(port.container_port)
    }

    fn ports(&self) -> Vec<u16> {
        let is_metrics =
            |port: &&ContainerPort| port.name.as_deref().is_some_and(|name| name.contains("metrics"));
        let (metrics, others): (Vec<_>, Vec<_>) = self.ports.iter().partition(is_metrics);
        metrics.into_iter().chain(others).map(|port| port.container_port).collect()
    }
}

fn limit(limit: EffectiveLimit) -> Limit {
    match limit {
        EffectiveLimit::Bytes(bytes) => Limit::Bytes(bytes),
        EffectiveLimit::Unlimited => Limit::Unlimited,
        EffectiveLimit::Unknown => Limit::Unknown,
    }
}

fn gomemlimit(gomemlimit: EffectiveGomemlimit) -> Gomemlimit {
    match gomemlimit {
        EffectiveGomemlimit::Bytes(bytes) => Gomemlimit::Bytes(bytes),
        EffectiveGomemlimit::Unset => Gomemlimit::Unset,
        EffectiveGomemlimit::Malformed(text) => Gomemlimit::Malformed(text),
        EffectiveGomemlimit::Unknown => Gomemlimit::Unknown,
    }
}

/// How long a log may take.
const LOG: Duration = Duration::from_secs(5);

/// Whether the log of the incarnation that ended reports a malformed GOMEMLIMIT; no, if it may not be read. It is the current log until the next incarnation starts.
pub async fn log_shows_malformed(cluster: &Cluster, namespace: &str, pod: &str, container: &str) -> bool {
    for previous in [true, false] {
        let path = format!(
            "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&previous={previous}&tailLines=50&limitBytes=65536"
        );
        if cluster.text_at(&path, LOG).await.is_ok_and(|log| log.contains("malformed GOMEMLIMIT")) {
            return true;
        }
    }
    false
}
