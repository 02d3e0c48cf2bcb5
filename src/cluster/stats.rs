//! How much memory containers take, by whoever may be asked: the kubelet, or metrics.k8s.io.

use gomemlimit_core::quantity;
use gomemlimit_pprof::RssSource;
use kube::Client;
use serde::Deserialize;

use super::pods::get;

/// Memory of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Namespace, pod and container.
    pub of: [String; 3],
    /// What the limit is compared with, without page cache that can be dropped: bytes.
    pub working_set: Option<u64>,
    /// Anonymous memory, bytes; only the kubelet knows.
    pub rss: Option<u64>,
}

/// All containers of a node, by its kubelet, which looks every ten to fifteen seconds. Takes `get` on nodes/proxy.
pub async fn of_node(client: &Client, node: &str) -> kube::Result<Vec<Usage>> {
    let summary: Summary = get(client, &format!("/api/v1/nodes/{node}/proxy/stats/summary")).await?;
    let of_pod = |stats: PodStats| {
        let PodRef { namespace, name } = stats.pod_ref;
        stats.containers.into_iter().map(move |one| Usage {
            of: [namespace.clone(), name.clone(), one.name],
            working_set: one.memory.working_set_bytes,
            rss: one.memory.rss_bytes,
        })
    };
    Ok(summary.pods.into_iter().flat_map(of_pod).collect())
}

/// The containers of a pod by metrics.k8s.io, which is a minute late at times.
pub async fn of_pod(client: &Client, namespace: &str, pod: &str) -> kube::Result<Vec<Usage>> {
    let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods/{pod}");
    let metrics: PodMetrics = get(client, &path).await?;
    let containers = metrics.containers.into_iter().map(|one| Usage {
        of: [namespace.to_owned(), pod.to_owned(), one.name],
        working_set: one.usage.memory.and_then(|text| quantity::parse(&text).ok()),
        rss: None,
    });
    Ok(containers.collect())
}

/// Resident memory of a container in bytes.
pub async fn resident(
    client: &Client,
    namespace: &str,
    pod: &str,
    node: &str,
    container: &str,
) -> Option<(u64, RssSource)> {
    let find = |all: Vec<Usage>| all.into_iter().find(|one| one.of == [namespace, pod, container]);
    if let Ok(all) = of_node(client, node).await {
        return Some((find(all)?.rss?, RssSource::Kubelet));
    }
    let all = of_pod(client, namespace, pod).await.ok()?;
    Some((find(all)?.working_set?, RssSource::MetricsServer))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Summary {
    pods: Vec<PodStats>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodStats {
    pod_ref: PodRef,
    containers: Vec<ContainerStats>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodRef {
    name: String,
    namespace: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainerStats {
    name: String,
    memory: MemoryStats,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MemoryStats {
    working_set_bytes: Option<u64>,
    rss_bytes: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodMetrics {
    containers: Vec<ContainerMetrics>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainerMetrics {
    name: String,
    usage: MetricsUsage,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MetricsUsage {
    memory: Option<String>,
}
