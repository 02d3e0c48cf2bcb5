//! How much memory containers take, by whoever may be asked: the kubelet, or metrics.k8s.io.

use std::time::Duration;

use gomemlimit_core::quantity;
use gomemlimit_pprof::RssSource;
use kube::{api::ListParams, core::Request};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    api::{Cluster, path_of},
    error::{ApiError, unreadable},
    workload::Pods,
};

/// How long an answer may take: the kubelet of a node that is gone never answers.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Memory of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Namespace, pod and container.
    pub of: [String; 3],
    /// Memory that the kubelet compares with the limit, in bytes: without page cache that can be dropped.
    pub working_set: Option<u64>,
    /// Anonymous memory, bytes; only the kubelet knows.
    pub rss: Option<u64>,
}

/// All containers of a node, by its kubelet, which looks every ten to fifteen seconds. Takes `get` on nodes/proxy.
///
/// # Errors
/// [`ApiError`] if the kubelet cannot be asked through the API server.
pub async fn of_node(cluster: &Cluster, node: &str) -> Result<Vec<Usage>, ApiError> {
    let summary: Summary = get(cluster, &format!("/api/v1/nodes/{node}/proxy/stats/summary")).await?;
    let of_pod = |stats: PodStats| {
        let PodRef { namespace, name } = stats.pod_ref;
        stats.containers.into_iter().flatten().map(move |one| Usage {
            of: [namespace.clone(), name.clone(), one.name],
            working_set: one.memory.working_set_bytes,
            rss: one.memory.rss_bytes,
        })
    };
    Ok(summary.pods.into_iter().flatten().flat_map(of_pod).collect())
}

/// The containers of pods by metrics.k8s.io, which is a minute late at times; one request for all of them. Takes `get`
/// on pods of metrics.k8s.io for one that is named, `list` for those that a selector selects.
///
/// # Errors
/// [`ApiError`] if metrics.k8s.io cannot be asked.
pub async fn of_pods(cluster: &Cluster, namespace: &str, pods: &Pods) -> Result<Vec<Usage>, ApiError> {
    let path = path_of("/apis/metrics.k8s.io/v1beta1", Some(namespace), "pods");
    let found = match pods {
        Pods::Named(name) => {
            let metadata = MetricsMetadata { name: name.clone() };
            vec![PodMetrics { metadata, ..get(cluster, &format!("{path}/{name}")).await? }]
        }
        Pods::Selected(selector) => {
            let request = Request::new(path).list(&ListParams::default().labels(selector));
            let request = request.map_err(|error| ApiError::Other(error.to_string()))?;
            let text = cluster.within(TIMEOUT, cluster.client.request_text(request)).await?;
            let list: PodMetricsList = serde_json::from_str(&text).map_err(|error| unreadable(&error))?;
            list.items
        }
    };
    let of_pod = |pod: PodMetrics| {
        pod.containers.into_iter().map(move |one| Usage {
            of: [namespace.to_owned(), pod.metadata.name.clone(), one.name],
            working_set: one.usage.memory.and_then(|text| quantity::parse(&text).ok()),
            rss: None,
        })
    };
    Ok(found.into_iter().flat_map(of_pod).collect())
}

async fn get<T: DeserializeOwned>(cluster: &Cluster, path: &str) -> Result<T, ApiError> {
    let text = cluster.text_at(path, TIMEOUT).await?;
    serde_json::from_str(&text).map_err(|error| unreadable(&error))
}

/// Resident memory of a container in bytes, and whose figure it is. With `source` only that one is asked: resident
/// memory and a working set do not make one series.
pub async fn resident(
    cluster: &Cluster,
    [namespace, pod, container]: [&str; 3],
    node: &str,
    source: Option<RssSource>,
) -> Option<(u64, RssSource)> {
    let find = |all: Vec<Usage>| all.into_iter().find(|one| one.of == [namespace, pod, container]);
    let may = |one| source.is_none_or(|source| source == one);
    if may(RssSource::Kubelet)
        && let Ok(all) = of_node(cluster, node).await
        // It does not know a container yet that has just started.
        && let Some(rss) = find(all).and_then(|usage| usage.rss)
    {
        return Some((rss, RssSource::Kubelet));
    }
    if !may(RssSource::MetricsServer) {
        return None;
    }
    let all = of_pods(cluster, namespace, &Pods::Named(pod.to_owned())).await.ok()?;
    Some((find(all)?.working_set?, RssSource::MetricsServer))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Summary {
    /// `null` if there are none, as the kubelet writes it.
    pods: Option<Vec<PodStats>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodStats {
    pod_ref: PodRef,
    containers: Option<Vec<ContainerStats>>,
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
struct PodMetricsList {
    items: Vec<PodMetrics>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodMetrics {
    metadata: MetricsMetadata,
    containers: Vec<ContainerMetrics>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MetricsMetadata {
    name: String,
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
