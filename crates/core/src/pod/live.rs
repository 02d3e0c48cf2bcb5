//! A pod as the API server shows it while it runs: the fields that decide, with the actual resources, and the history of
//! its containers.
//!
//! After an in-place resize (KEP-1287) `spec` has the wanted resources and `status` the actual ones; the latter count.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    json::{self, Object, text::Text},
    pod::{Pod, containers::Container, resources::Resources},
};

/// A running pod, borrowed from its JSON text.
#[derive(Debug)]
pub struct LivePod<'a> {
    /// With the actual resources in place of the wanted ones.
    pub(crate) pod: Pod<'a>,
    metadata: Metadata<'a>,
    status: Status<'a>,
}

impl<'a> LivePod<'a> {
    /// Reads a Pod from its JSON text.
    ///
    /// # Errors
    /// If a field that matters has another shape than the API's.
    pub fn parse(json: &'a str) -> Result<Self, serde_json::Error> {
        let mut pod = Pod::parse(json)?;
        let Object(Document { metadata, mut status }) = serde_json::from_str(json)?;
        put_actual(&mut pod.spec.init_containers, &mut status.init_container_statuses);
        put_actual(&mut pod.spec.containers, &mut status.container_statuses);
        // A cluster may report the sum of the containers' there, which is no limit of the pod.
        if let Some(resources) = status.resources.take()
            && pod.spec.resources.memory_limit().is_some()
        {
            pod.spec.resources = resources;
        }
        Ok(Self { pod, metadata, status })
    }

    /// `metadata.namespace`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.metadata.namespace
    }

    /// `metadata.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.pod.name()
    }

    /// Whether the pod has ended well, for good.
    #[must_use]
    pub fn has_succeeded(&self) -> bool {
        &*self.status.phase == "Succeeded"
    }

    /// All labels. Read on demand: only selectors of objects need them.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        let labels = self.metadata.labels.map(|labels| serde_json::from_str(labels.get()));
        labels.and_then(Result::ok).unwrap_or_default()
    }

    /// The workload of the pod, as `kubectl rollout restart` names it; `None` for a pod without a controller.
    #[must_use]
    pub fn workload(&self) -> Option<Workload> {
        let owner = self.metadata.owner_references.iter().find(|owner| owner.controller == Some(true))?;
        let (kind, name) = (&*owner.kind, &*owner.name);
        let labels = self.metadata.labels.and_then(|labels| serde_json::from_str(labels.get()).ok());
        let above = labels.and_then(|labels: OwnerLabels<'_>| labels.above(kind, name));
        let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
        let (group, kind, name) = above.unwrap_or((group, kind, name));
        Some(Workload { group: group.to_owned(), kind: kind.to_owned(), name: name.to_owned() })
    }

    /// Whether a container for which a limit of `recorded` bytes was written down has read the `actual` one: it is the
    /// same, or kubelet starts the container again when it changes, or it was never changed since the pod was created.
    pub(crate) fn has_read_limit(
        &self,
        container: &Container<'_>,
        recorded: u64,
        actual: Option<u64>,
    ) -> bool {
        // Of a pod it counts changes of `spec`, a resize among them (KEP-5067); older clusters have none.
        self.metadata.generation == Some(1)
            || restarts_when_resized(container)
            || actual.is_some_and(|actual| is_same_limit(recorded, actual))
    }

    /// The history of the container called `name`.
    pub(crate) fn history(&self, name: &str) -> History {
        let statuses = [&self.status.init_container_statuses, &self.status.container_statuses];
        let Some(status) = statuses.into_iter().flatten().find(|status| &*status.name == name) else {
            return History::default();
        };
        let terminated = status.state.terminated.as_ref().or(status.last_state.terminated.as_ref());
        let end = terminated.map(|end| Termination {
            reason: end.reason.to_string(),
            exit_code: end.exit_code,
            finished_at: end.finished_at.to_string(),
        });
        History { restarts: status.restart_count, end, has_actual_resources: status.had_resources }
    }
}

/// A kernel rounds a cgroup's limit down to pages, of at most 64 KiB, and that is what runtimes report.
pub(crate) fn is_same_limit(recorded: u64, actual: u64) -> bool {
    const MAX_PAGE_BYTES: u64 = 64 << 10;
    recorded.checked_sub(actual).is_some_and(|difference| difference < MAX_PAGE_BYTES)
}

/// Whether kubelet starts the container again when its memory limit changes (KEP-1287).
fn restarts_when_resized(container: &Container<'_>) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Policy<'a> {
        #[serde(borrow, deserialize_with = "json::or_default")]
        resource_name: Text<'a>,
        #[serde(borrow, deserialize_with = "json::or_default")]
        restart_policy: Text<'a>,
    }
    let policies = container.resize_policy.map(|policies| serde_json::from_str(policies.get()));
    let policies: Vec<Policy<'_>> = policies.and_then(Result::ok).unwrap_or_default();
    let mut policies = policies.iter();
    policies.any(|policy| &*policy.resource_name == "memory" && &*policy.restart_policy == "RestartContainer")
}

/// Puts the resources that the statuses show in place of those of the spec.
fn put_actual<'a>(containers: &mut [Container<'a>], statuses: &mut [ContainerStatus<'a>]) {
    for status in statuses {
        let Some(container) = containers.iter_mut().find(|container| container.name == status.name) else {
            continue;
        };
        if let Some(resources) = status.resources.take() {
            container.resources = resources;
            status.had_resources = true;
        }
    }
}

/// The labels of a pod that name what made its owner.
#[derive(Default, Deserialize)]
#[serde(default)]
struct OwnerLabels<'a> {
    /// Of a Deployment (`DefaultDeploymentUniqueLabelKey` of `k8s.io/api/apps/v1`).
    #[serde(borrow, rename = "pod-template-hash")]
    deployment_hash: Option<Text<'a>>,
    /// Of an Argo Rollout (`DefaultRolloutUniqueLabelKey` of `argo-rollouts`).
    #[serde(borrow, rename = "rollouts-pod-template-hash")]
    rollout_hash: Option<Text<'a>>,
    /// Of a `DeploymentConfig` of `OpenShift`, its name.
    #[serde(borrow, rename = "deploymentconfig")]
    deployment_config: Option<Text<'a>>,
    /// Of a Service of Knative, its name (`ServiceLabelKey` of `knative.dev/serving/pkg/apis/serving`).
    #[serde(borrow, rename = "serving.knative.dev/service")]
    knative_service: Option<Text<'a>>,
    /// Of a `JobSet`, its name (`JobSetNameKey` of `jobset/api`).
    #[serde(borrow, rename = "jobset.sigs.k8s.io/jobset-name")]
    job_set: Option<Text<'a>>,
    /// Of a `LeaderWorkerSet`, its name (`SetNameLabelKey` of `lws/api`).
    #[serde(borrow, rename = "leaderworkerset.sigs.k8s.io/name")]
    leader_worker_set: Option<Text<'a>>,
}

impl OwnerLabels<'_> {
    /// Group, kind and name of what made the owner of the pod.
    fn above<'n>(&self, kind: &str, name: &'n str) -> Option<(&'static str, &'static str, &'n str)> {
        // A ReplicaSet is called after what made it, and the hash of the pod template.
        let without = |hash: &Option<Text<'_>>| name.strip_suffix(&**hash.as_ref()?)?.strip_suffix('-');
        // Others name what they make after themselves, with more behind. A label alone is not enough: anybody may write it.
        let first = |label: &Option<Text<'_>>| {
            let label = label.as_ref()?;
            let rest = name.strip_prefix(&**label)?;
            if rest.is_empty() || rest.starts_with('-') { name.get(..label.len()) } else { None }
        };
        match kind {
            "ReplicaSet" => {
                let rollout = without(&self.rollout_hash).map(|rollout| ("argoproj.io", "Rollout", rollout));
                let knative = || Some(("serving.knative.dev", "Service", first(&self.knative_service)?));
                let deployment = || Some(("apps", "Deployment", without(&self.deployment_hash)?));
                rollout.or_else(knative).or_else(deployment)
            }
            "Job" => Some(("jobset.x-k8s.io", "JobSet", first(&self.job_set)?)),
            "StatefulSet" => {
                Some(("leaderworkerset.x-k8s.io", "LeaderWorkerSet", first(&self.leader_worker_set)?))
            }
            // A ReplicationController is called after it and a number.
            "ReplicationController" => {
                let (config, number) = name.rsplit_once('-')?;
                let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
                let is_named = self.deployment_config.as_ref().is_some_and(|label| **label == *config);
                (is_number && is_named).then_some(("apps.openshift.io", "DeploymentConfig", config))
            }
            _ => None,
        }
    }
}

/// A workload by group, kind and name.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Workload {
    /// API group; empty for the core group.
    pub group: String,
    /// `Deployment`, `StatefulSet`, …
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl Workload {
    /// The command that replaces its pods; `None` if it has none.
    pub(crate) fn restart_command(&self, namespace: &str) -> Option<String> {
        let Self { group, kind, name } = self;
        // For a shell: the API server takes any text for the name of an owner.
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)) {
            return None;
        }
        let command = match (group.as_str(), kind.as_str()) {
            ("apps" | "", "Deployment" | "StatefulSet" | "DaemonSet") => {
                format!("kubectl rollout restart {}/{name} -n {namespace}", kind.to_ascii_lowercase())
            }
            ("argoproj.io", "Rollout") => format!("kubectl argo rollouts restart {name} -n {namespace}"),
            ("apps.openshift.io", "DeploymentConfig") => {
                format!("oc rollout latest deploymentconfig/{name} -n {namespace}")
            }
            ("batch" | "", "Job") | ("jobset.x-k8s.io", "JobSet") => {
                format!("run {}/{name} in {namespace} again", kind.to_ascii_lowercase())
            }
            _ => return None,
        };
        Some(command)
    }
}

/// The history of a container.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) restarts: u32,
    /// Its last end, if it has ended.
    pub(crate) end: Option<Termination>,
    pub(crate) has_actual_resources: bool,
}

/// The end of a container.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Termination {
    /// The word of the kubelet: `OOMKilled`, `Error`, `Completed`, …
    pub reason: String,
    /// Exit code; 128 and the signal if a signal ended it.
    pub exit_code: i32,
    /// RFC 3339; empty if unknown.
    pub finished_at: String,
}

impl Termination {
    /// Whether the OOM killer ended it: the runtime reports `OOMKilled`, whatever the exit code.
    #[must_use]
    pub fn is_oom_kill(&self) -> bool {
        self.reason == "OOMKilled"
    }

    /// Whether another SIGKILL ended it, exit code 137 = 128 + 9: a failed liveness probe, or a program that did not end
    /// within its grace period. `ContainerStatusUnknown` is none: kubelet writes 137 for a container that it lost.
    #[must_use]
    pub fn is_sigkill(&self) -> bool {
        self.exit_code == 137 && !self.is_oom_kill() && self.reason != "ContainerStatusUnknown"
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Document<'a> {
    #[serde(borrow, deserialize_with = "json::object_or_default")]
    metadata: Metadata<'a>,
    #[serde(borrow, deserialize_with = "json::object_or_default")]
    status: Status<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow, deserialize_with = "json::or_default")]
    namespace: Text<'a>,
    generation: Option<u64>,
    #[serde(borrow)]
    labels: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    owner_references: Vec<OwnerReference<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnerReference<'a> {
    #[serde(borrow, rename = "apiVersion", deserialize_with = "json::or_default")]
    api_version: Text<'a>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    kind: Text<'a>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    name: Text<'a>,
    controller: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow, deserialize_with = "json::or_default")]
    phase: Text<'a>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    container_statuses: Vec<ContainerStatus<'a>>,
    #[serde(borrow, deserialize_with = "json::or_default")]
    init_container_statuses: Vec<ContainerStatus<'a>>,
    /// The actual pod-level resources, if the cluster reports them.
    #[serde(borrow, deserialize_with = "json::object")]
    resources: Option<Resources<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus<'a> {
    #[serde(borrow, deserialize_with = "json::or_default")]
    name: Text<'a>,
    #[serde(deserialize_with = "json::or_default")]
    restart_count: u32,
    #[serde(borrow, deserialize_with = "json::object_or_default")]
    state: State<'a>,
    #[serde(borrow, deserialize_with = "json::object_or_default")]
    last_state: State<'a>,
    #[serde(borrow, deserialize_with = "json::object")]
    resources: Option<Resources<'a>>,
    #[serde(skip)]
    had_resources: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct State<'a> {
    #[serde(borrow, deserialize_with = "json::object")]
    terminated: Option<Terminated<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Terminated<'a> {
    #[serde(borrow, deserialize_with = "json::or_default")]
    reason: Text<'a>,
    #[serde(deserialize_with = "json::or_default")]
    exit_code: i32,
    #[serde(borrow, deserialize_with = "json::or_default")]
    finished_at: Text<'a>,
}
