//! How much memory the containers of an arm have, over time: from their cgroups, or from kubelet.

use http::Request;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use serde::Deserialize;

use crate::cgroup::Cgroup;

/// Where figures come from.
#[derive(Clone)]
pub enum Source {
    /// The cgroup that holds all pods, on this machine: fresh with each look.
    Cgroups(Cgroup),
    /// `stats/summary` through the API server, which kubelet renews every ten to fifteen seconds.
    Kubelet(Client),
}

/// Bytes now, and the most there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub working_set: u64,
    /// The kernel's own record, where it can be read.
    pub peak: Option<u64>,
}

impl Source {
    /// For the report.
    pub const fn description(&self) -> &'static str {
        match self {
            Self::Cgroups(_) => "the containers' cgroups, four times a second",
            Self::Kubelet(_) => "kubelet's stats/summary, which it renews every ten to fifteen seconds",
        }
    }

    /// Of a pod's only container, where it can be said now.
    pub async fn usage(&self, pod: &Pod) -> Option<Usage> {
        let uid = pod.metadata.uid.as_deref()?;
        match self {
            Self::Cgroups(root) => of_container(&root.of_pod(uid)?),
            Self::Kubelet(client) => {
                let node = pod.spec.as_ref()?.node_name.as_deref()?;
                let path = format!("/api/v1/nodes/{node}/proxy/stats/summary?only_cpu_and_memory=true");
                let summary: Summary =
                    client.request(Request::get(path).body(Vec::new()).ok()?).await.ok()?;
                let pod = summary.pods.into_iter().find(|pod| pod.pod_ref.uid == uid)?;
                let working_set = pod.containers.first()?.memory.as_ref()?.working_set_bytes?;
                Some(Usage { working_set, peak: None })
            }
        }
    }
}

/// The container is the child that uses most: the other one is the pod's sandbox, and those of earlier lives go.
fn of_container(pod: &Cgroup) -> Option<Usage> {
    let usages = pod
        .children()
        .into_iter()
        .filter_map(|child| Some(Usage { working_set: child.working_set()?, peak: child.peak() }));
    usages.max_by_key(|usage| usage.working_set)
}

#[derive(Deserialize)]
struct Summary {
    pods: Vec<PodStats>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodStats {
    pod_ref: PodRef,
    #[serde(default)]
    containers: Vec<ContainerStats>,
}

#[derive(Deserialize)]
struct PodRef {
    uid: String,
}

#[derive(Deserialize)]
struct ContainerStats {
    memory: Option<MemoryStats>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MemoryStats {
    working_set_bytes: Option<u64>,
}
