//! How much memory the containers of an arm have, over time: from their cgroups, or from kubelet.

use http::Request;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use serde_json::Value;

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
                let summary: Value = client.request(Request::get(path).body(Vec::new()).ok()?).await.ok()?;
                let mut pods = summary.get("pods")?.as_array()?.iter();
                let pod = pods.find(|pod| pod.pointer("/podRef/uid").is_some_and(|one| one == uid))?;
                let working_set = pod.pointer("/containers/0/memory/workingSetBytes")?.as_u64()?;
                Some(Usage { working_set, peak: None })
            }
        }
    }
}

/// The container is the child that uses most: the other one is the pod's sandbox, and those of earlier instances go.
fn of_container(pod: &Cgroup) -> Option<Usage> {
    let usages = pod
        .children()
        .into_iter()
        .filter_map(|child| Some(Usage { working_set: child.working_set()?, peak: child.peak() }));
    usages.max_by_key(|usage| usage.working_set)
}
