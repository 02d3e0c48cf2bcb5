//! What the runtime of one arm says of itself while it is under load: the demo's /metrics, through the API server.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use gomemlimit_core::{names::STATUS_ANNOTATION, quantity};
use http::Request;
use k8s_openapi::api::core::v1::Pod;
use kube::{Client, ResourceExt};
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{
    exposition::{CpuSum, Scrape},
    objects::Variant,
    record::{ContainerInstance, Sample},
    recorder::{pod, seconds},
};

const TICK: Duration = Duration::from_secs(1);
/// A service that does nothing but collect garbage may not answer in time; the next look is soon.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What was seen.
#[derive(Debug, Default)]
pub struct Runtime {
    /// Live heap after the last collection over time.
    pub live_heap: Vec<Sample>,
    /// By the time at which each instance began, in milliseconds since 1970.
    pub instances: BTreeMap<u64, ContainerInstance>,
    pub cpu: CpuSum,
}

impl Runtime {
    /// Looks once a second for `duration` from the beginning of the load.
    pub async fn record(client: &Client, variant: Variant, began: SystemTime, duration: Duration) -> Self {
        let mut runtime = Self::default();
        let now = || seconds(SystemTime::now()) - seconds(began);
        tokio::time::sleep(Duration::from_secs_f64((-now()).max(0.0))).await;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while now() < duration.as_secs_f64() {
            ticks.tick().await;
            let Some(pod) = pod(client, variant).await else { continue };
            let Some(scrape) = scrape(client, variant, &pod).await else { continue };
            runtime.live_heap.push(Sample { t: now(), bytes: scrape.live_heap });
            runtime.cpu.add(scrape);
            if let Some(instance) = instance(&pod, scrape) {
                runtime.instances.insert(scrape.started_millis, instance);
            }
        }
        runtime
    }
}

async fn scrape(client: &Client, variant: Variant, pod: &Pod) -> Option<Scrape> {
    let (namespace, name) = (variant.namespace(), pod.name_any());
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}:8080/proxy/metrics");
    let request = Request::get(path).body(Vec::new()).ok()?;
    Scrape::read(&timeout(TIMEOUT, client.request_text(request)).await.ok()?.ok()?)
}

/// What the pod says was given to its container, and what the runtime read.
fn instance(pod: &Pod, scrape: Scrape) -> Option<ContainerInstance> {
    let container = pod.spec.as_ref()?.containers.first()?;
    let env = container.env.iter().flatten().find(|variable| variable.name == "GOMEMLIMIT");
    let status: Option<Value> =
        pod.annotations().get(STATUS_ANNOTATION).and_then(|text| serde_json::from_str(text).ok());
    let annotation = status.and_then(|status| {
        Some(status.get("containers")?.get(&container.name)?.get("value")?.as_str()?.to_owned())
    });
    let limit = container.resources.as_ref()?.limits.as_ref()?.get("memory")?;
    Some(ContainerInstance {
        pod: pod.name_any(),
        started_millis: scrape.started_millis,
        env: env.map(|variable| variable.value.clone().unwrap_or_default()),
        annotation,
        limit: quantity::parse(&limit.0).ok()?,
        cgroup_limit: scrape.cgroup_limit,
        runtime: scrape.gomemlimit,
    })
}
