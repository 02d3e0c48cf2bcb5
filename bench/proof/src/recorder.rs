//! Watches one arm while it is under load: deaths and restarts by the API server, memory by cgroup or kubelet.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::{Api, Client, ResourceExt, api::ListParams};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    memory::Source,
    objects::Variant,
    record::{Arm, Death, Load, Sample},
    runtime::Runtime,
};

/// How often memory and the pod's status are looked at.
const TICK: Duration = Duration::from_millis(250);

/// Collects what an [`Arm`] holds.
pub struct Recorder {
    client: Client,
    source: Source,
    variant: Variant,
    /// Seconds since 1970 at which the load begins.
    began: f64,
    deaths: BTreeMap<String, Death>,
    restarts: BTreeMap<String, u64>,
    /// Lives whose death was already looked at when the load began.
    buried: BTreeSet<String>,
    memory: Vec<Sample>,
    peak: u64,
}

impl Recorder {
    /// For an arm whose load begins at `began`.
    pub fn new(client: &Client, source: &Source, variant: Variant, began: SystemTime) -> Self {
        Self {
            client: client.clone(),
            source: source.clone(),
            variant,
            began: seconds(began),
            deaths: BTreeMap::new(),
            restarts: BTreeMap::new(),
            buried: BTreeSet::new(),
            memory: Vec::new(),
            peak: 0,
        }
    }

    /// Records from the beginning of the load for `duration`. Nothing waits for the service itself, which may be
    /// too busy to answer.
    pub async fn run(mut self, duration: Duration) -> Self {
        if let Some(pod) = self.pod().await {
            self.buried.extend(ends(&pod).map(|(id, _)| id));
        }
        let wait = self.began - seconds(SystemTime::now());
        tokio::time::sleep(Duration::from_secs_f64(wait.max(0.0))).await;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while self.now() < duration.as_secs_f64() {
            ticks.tick().await;
            let Some(pod) = self.pod().await else { continue };
            self.look_at_status(&pod);
            if let Some(usage) = self.source.usage(&pod).await {
                self.memory.push(Sample { t: self.now(), bytes: usage.working_set });
                self.peak = self.peak.max(usage.peak.unwrap_or(usage.working_set));
            }
        }
        if let Some(pod) = self.pod().await {
            self.look_at_status(&pod);
        }
        self
    }

    /// What was recorded, with what the load says.
    pub fn into_arm(self, runtime: Runtime, load: Load) -> Arm {
        Arm {
            namespace: self.variant.namespace().to_owned(),
            labelled: self.variant.labelled,
            leaking: self.variant.leaking,
            restarts: self.restarts.values().sum(),
            deaths: {
                let mut deaths: Vec<_> = self.deaths.into_values().collect();
                deaths.sort_by(|a, b| a.t.total_cmp(&b.t));
                deaths
            },
            peak_bytes: self.peak,
            gc_cpu_seconds: runtime.cpu.gc,
            cpu_seconds: runtime.cpu.all,
            load,
            memory: self.memory,
            live_heap: runtime.live_heap,
            instances: runtime.instances.into_values().collect(),
        }
    }

    /// Seconds since the load began.
    fn now(&self) -> f64 {
        seconds(SystemTime::now()) - self.began
    }

    async fn pod(&self) -> Option<Pod> {
        pod(&self.client, self.variant).await
    }

    fn look_at_status(&mut self, pod: &Pod) {
        for (id, death) in ends(pod) {
            if !self.buried.contains(&id) {
                let t = death.t - self.began;
                self.deaths.entry(id).or_insert(Death { t, ..death });
            }
        }
        let restarts = statuses(pod).map(|status| u64::try_from(status.restart_count).unwrap_or(0)).sum();
        self.restarts.insert(pod.name_any(), restarts);
    }
}

/// The arm's pod; there is only one at a time.
pub async fn pod(client: &Client, variant: Variant) -> Option<Pod> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), variant.namespace());
    let labels = format!("app={}", variant.service());
    pods.list(&ListParams::default().labels(&labels)).await.ok()?.items.into_iter().next()
}

/// How containers of the pod ended, by container id; `t` is since 1970.
fn ends(pod: &Pod) -> impl Iterator<Item = (String, Death)> + use<'_> {
    let states = statuses(pod).flat_map(|status| [status.state.as_ref(), status.last_state.as_ref()]);
    states.flatten().filter_map(|state| {
        let ended = state.terminated.as_ref()?;
        let t = ended.finished_at.as_ref()?.0.as_duration().as_secs_f64();
        let reason = ended.reason.clone().unwrap_or_default();
        Some((ended.container_id.clone()?, Death { t, reason, exit_code: ended.exit_code }))
    })
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.as_ref().and_then(|status| status.container_statuses.as_ref()).into_iter().flatten()
}

/// Seconds since 1970.
pub fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
