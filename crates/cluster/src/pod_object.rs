//! The fields of a pod that commands read: a partial view, since the typed one costs a megabyte of program.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Deserialize;

use super::object_meta::object_name;

/// `spec` of a pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodSpec {
    pub(super) node_name: Option<String>,
    pub(super) containers: Vec<Container>,
    pub(super) init_containers: Vec<Container>,
    pub(super) volumes: Vec<Volume>,
}

/// One container of a pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) args: Vec<String>,
    pub(super) restart_policy: Option<String>,
    pub(super) ports: Vec<ContainerPort>,
    pub(super) volume_mounts: Vec<VolumeMount>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ContainerPort {
    pub(super) name: Option<String>,
    pub(super) container_port: u16,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct VolumeMount {
    pub(super) name: String,
    pub(super) mount_path: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Volume {
    pub(super) name: String,
    pub(super) config_map: Option<ConfigMapVolume>,
    pub(super) secret: Option<SecretVolume>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ConfigMapVolume {
    #[serde(deserialize_with = "object_name")]
    pub(super) name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SecretVolume {
    #[serde(deserialize_with = "object_name")]
    pub(super) secret_name: String,
}

/// `status` of a pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodStatus {
    pub(super) phase: String,
    pub(super) conditions: Vec<PodCondition>,
    pub(super) container_statuses: Vec<ContainerStatus>,
    pub(super) init_container_statuses: Vec<ContainerStatus>,
}

impl PodStatus {
    /// The condition `Ready`, if it is true.
    pub(super) fn ready(&self) -> Option<&PodCondition> {
        self.conditions.iter().find(|one| one.kind == "Ready" && one.status == "True")
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodCondition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) message: String,
    pub(super) last_transition_time: Option<Time>,
}

/// The status of one container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ContainerStatus {
    pub(super) name: String,
    pub(super) restart_count: u32,
    #[serde(rename = "containerID")]
    pub(super) container_id: Option<String>,
    pub(super) state: ContainerState,
    pub(super) last_state: ContainerState,
}

/// The state of one container: one of the three.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ContainerState {
    pub(super) running: Option<Running>,
    pub(super) waiting: Option<Waiting>,
    pub(super) terminated: Option<Terminated>,
}

impl ContainerState {
    /// Reason for which it does not run, if the API server reports it: `CrashLoopBackOff`, `Completed` ….
    pub(super) fn reason(&self) -> Option<&str> {
        let waiting = self.waiting.as_ref().and_then(|waiting| waiting.reason.as_deref());
        let terminated = self.terminated.as_ref().and_then(|terminated| terminated.reason.as_deref());
        waiting.or(terminated).filter(|reason| !reason.is_empty())
    }

    /// The state in a word, for people.
    pub(super) fn describe(&self) -> String {
        let state = match self {
            Self { running: Some(_), .. } => "running",
            Self { waiting: Some(waiting), .. } => waiting.reason.as_deref().unwrap_or("waiting"),
            Self { terminated: Some(terminated), .. } => terminated.reason.as_deref().unwrap_or("terminated"),
            _ => "not started",
        };
        state.to_owned()
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Running {
    pub(super) started_at: Option<Time>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Waiting {
    pub(super) reason: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Terminated {
    pub(super) reason: Option<String>,
}
