//! Polls the pods of a workload until the time is over, Ctrl-C, or the pod is gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use anyhow::bail;
use futures::{StreamExt, stream};
use gomemlimit_core::units::human;
use gomemlimit_pprof::Gomemlimit;
use indicatif::ProgressBar;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{
    super::{interrupt, progress},
    memory::{Memory, problem_of},
    missing::Missing,
    probe::{Pod, Probe, ProbeResult},
};
use crate::{
    cluster::{
        api::{ApiError, Cluster},
        pods::{self, ContainerFacts, PodView},
        stats::Usage,
        workload::Pods,
    },
    observation::{Ended, Observation, Readings, Recorder, Sample},
};

/// Maximum number of containers that are asked at the same time.
const AT_ONCE: usize = 8;
/// Timeout of the list of pods at a poll; the first list has that of every call.
const LIST: Duration = Duration::from_secs(5);
/// Maximum time that polls go on after the end: of the last poll, which begins then, and of one that is under way.
const LAST_POLL: Duration = Duration::from_secs(2);
/// Time between two attempts to read the first pods.
const PAUSE: Duration = Duration::from_millis(500);
/// Time within which the first pod of a workload must appear.
const APPEARANCE: Duration = Duration::from_secs(10);
/// Annotations by which older configurations of Prometheus find metrics.
const SCRAPE_PORT: &str = "prometheus.io/port";
const SCRAPE_PATH: &str = "prometheus.io/path";

/// The polls of a workload.
pub(super) struct Poller {
    cluster: Cluster,
    namespace: String,
    target: String,
    pods: Pods,
    /// Only the container of this name.
    pub(super) container: Option<String>,
    /// Where the program's figures are.
    pub(super) port: Option<u16>,
    recorder: Recorder,
    probes: BTreeMap<(String, String), Probe>,
    /// Ends of which the log was read (pod, container, time), and whether it has a malformed GOMEMLIMIT.
    logs: BTreeMap<[String; 3], bool>,
    /// Pods that had ended before the first poll.
    ended_before: BTreeSet<String>,
    memory: Memory,
    missing: Missing,
}

/// A container, as one list shows it.
struct Found {
    pod: String,
    node: Option<String>,
    is_ending: bool,
    scraped: (Option<u16>, Option<String>),
    is_main: bool,
    facts: ContainerFacts,
    probe: Probe,
}

impl Poller {
    pub(super) fn new(cluster: Cluster, namespace: String, target: String, pods: Pods) -> Self {
        Self {
            cluster,
            namespace,
            target,
            pods,
            container: None,
            port: None,
            recorder: Recorder::default(),
            probes: BTreeMap::new(),
            logs: BTreeMap::new(),
            ended_before: BTreeSet::new(),
            memory: Memory::default(),
            missing: Missing::default(),
        }
    }

    /// Polls every `interval`, and a last time when `duration` is over.
    ///
    /// # Errors
    ///
    /// If the first poll fails; later ones are counted and named in the notes.
    pub(super) async fn run(mut self, duration: Duration, interval: Duration) -> anyhow::Result<Observation> {
        let first = self.first().await?;
        let started = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let bar = progress::countdown(duration);
        let ended = self.poll_until_the_end(first, duration, interval, &bar).await;
        bar.finish_and_clear();
        let Self { target, namespace, recorder, memory, missing, .. } = self;
        let observation = recorder.observation(ended);
        let notes = missing.notes(&memory, &observation);
        let interval_seconds = interval.as_secs_f64();
        Ok(Observation { target, namespace, started, interval_seconds, notes, ..observation })
    }

    /// Polls until the time is over, Ctrl-C, or the pod is gone. `first` are the containers for the first poll.
    async fn poll_until_the_end(
        &mut self,
        first: Vec<Found>,
        duration: Duration,
        interval: Duration,
        bar: &ProgressBar,
    ) -> Ended {
        let begin = Instant::now();
        let end = begin + duration;
        let mut stop = std::pin::pin!(interrupt::stop());
        let (mut found, mut due) = (Some(first), begin);
        loop {
            let now = Instant::now();
            let at = (now - begin).as_secs_f64();
            // A poll that is interrupted does not count.
            let polled = tokio::select! {
                biased;
                () = &mut stop => return Ended::Interrupted,
                polled = timeout_at(now.max(end) + LAST_POLL, self.poll(at, found.take())) => polled,
            };
            match polled {
                Ok(false) => {}
                Ok(true) => return Ended::Gone,
                Err(_) => {
                    self.failed(at, "no answer before the time was over".to_owned());
                    return Ended::Time;
                }
            }
            if now >= end {
                return Ended::Time;
            }
            self.show(bar);
            // Polls that were missed are not made up for, except the last one.
            while due <= Instant::now() {
                due += interval;
            }
            due = due.min(end);
            tokio::select! {
                () = progress::wait_until(bar, begin, due) => {}
                () = &mut stop => return Ended::Interrupted,
            }
        }
    }

    async fn first(&mut self) -> anyhow::Result<Vec<Found>> {
        let (target, namespace) = (self.target.clone(), self.namespace.clone());
        let until = Instant::now() + APPEARANCE;
        let pods = loop {
            let pods = match self.pods.read(&self.cluster, &namespace).await {
                Err(ApiError::Forbidden(problem)) => bail!("{problem}; grant get and list on pods"),
                // An API server that is busy at the moment.
                Err(ApiError::Other(_)) if Instant::now() < until => {
                    sleep(PAUSE).await;
                    continue;
                }
                pods => pods?,
            };
            // In the middle of a rollout there may be none for a moment.
            if !pods.is_empty() || matches!(self.pods, Pods::Named(_)) || Instant::now() >= until {
                break pods;
            }
            sleep(PAUSE).await;
        };
        self.ended_before =
            pods.iter().filter(|pod| pod.has_ended()).map(|pod| pod.name().to_owned()).collect();
        if pods.is_empty() {
            match &self.pods {
                Pods::Named(name) => {
                    bail!(
                        "there is no pod {name} in namespace {namespace}; of a workload write TYPE/NAME, such as deployment/{name}"
                    )
                }
                Pods::Selected(_) => bail!("{target} has no pods in namespace {namespace}"),
            }
        }
        let names = |pods: &[PodView]| {
            let names: BTreeSet<_> = pods.iter().flat_map(PodView::all).map(|facts| facts.name).collect();
            names.into_iter().collect::<Vec<_>>().join(", ")
        };
        let all = names(&pods);
        let found = self.found(pods);
        match (&self.container, found.is_empty()) {
            (_, false) => Ok(found),
            (Some(name), true) => bail!("{target} has no container {name}; it has {all}"),
            (None, true) => bail!("every pod of {target} in namespace {namespace} has ended"),
        }
    }

    /// Polls the containers of `found`, or of a new list of pods. Returns whether the pod that was named is gone.
    async fn poll(&mut self, at: f64, found: Option<Vec<Found>>) -> bool {
        if let Some(found) = found {
            self.add(at, found).await;
            return false;
        }
        let pods = match timeout(LIST, self.pods.read(&self.cluster, &self.namespace)).await {
            Ok(Ok(pods)) => pods,
            Ok(Err(error)) => {
                self.failed(at, problem_of(&error));
                return false;
            }
            Err(_) => {
                self.failed(at, format!("no answer within {} s", LIST.as_secs()));
                return false;
            }
        };
        if pods.is_empty() && matches!(self.pods, Pods::Named(_)) {
            return true;
        }
        let found = self.found(pods);
        self.add(at, found).await;
        false
    }

    fn failed(&mut self, at: f64, problem: String) {
        self.recorder.failed(at);
        self.missing.poll = Some(problem);
    }

    fn found(&mut self, pods: Vec<PodView>) -> Vec<Found> {
        let mut all = Vec::new();
        for pod in pods.into_iter().filter(|pod| !self.ended_before.contains(pod.name())) {
            let main = self.container.clone().or_else(|| pod.container(None).ok().map(|facts| facts.name));
            for facts in
                pod.all().filter(|facts| self.container.as_ref().is_none_or(|name| *name == facts.name))
            {
                let key = (pod.name().to_owned(), facts.name.clone());
                let is_main = main.as_ref() == Some(&facts.name);
                let port = pod.annotation(SCRAPE_PORT).and_then(|text| text.parse().ok());
                let scraped = (port, pod.annotation(SCRAPE_PATH).map(str::to_owned));
                all.push(Found {
                    pod: pod.name().to_owned(),
                    node: pod.node().map(str::to_owned),
                    is_ending: pod.is_ending(),
                    scraped: if is_main { scraped } else { (None, None) },
                    is_main,
                    probe: self.probes.remove(&key).unwrap_or_default(),
                    facts,
                });
            }
        }
        all
    }

    /// Asks the sources of figures, and adds the samples.
    async fn add(&mut self, at: f64, found: Vec<Found>) {
        let nodes = found.iter().filter_map(|one| one.node.clone()).collect();
        let usages = self.memory.read(&self.cluster, &self.namespace, &self.pods, nodes);
        let (client, namespace, port, may) =
            (&self.cluster.client, &self.namespace, self.port, self.missing.forward.is_none());
        let asked = stream::iter(found).map(|mut one| async move {
            let pod = Pod {
                client,
                namespace,
                name: &one.pod,
                port: port.filter(|_| one.is_main),
                scraped: one.scraped.clone(),
                is_main: one.is_main,
            };
            let runs = one.facts.started.is_some() && !one.is_ending;
            let result =
                if may && runs { one.probe.read(&pod, &one.facts).await } else { ProbeResult::Nothing };
            (one, result)
        });
        let (usages, asked): (_, Vec<_>) = tokio::join!(usages, asked.buffered(AT_ONCE).collect());
        let mut samples = Vec::new();
        for (one, result) in asked {
            let mut readings = match result {
                ProbeResult::Readings(readings) => readings,
                ProbeResult::Nothing => Readings::default(),
                ProbeResult::Forbidden(problem) => {
                    self.missing.forward = Some(problem);
                    Readings::default()
                }
            };
            let is_it = |usage: &&Usage| usage.of == [&*self.namespace, &*one.pod, &*one.facts.name];
            // The kubelet reports 0 for a container that has just ended.
            let working_set = usages.iter().find(is_it).and_then(|usage| usage.working_set);
            readings.working_set = working_set.filter(|bytes| *bytes > 0);
            samples.push(self.sample(one, readings).await);
        }
        self.recorder.add(at, samples);
    }

    async fn sample(&mut self, found: Found, readings: Readings) -> Sample {
        let Found { pod, is_ending, facts, probe, .. } = found;
        let is_malformed = self.is_malformed(&pod, &facts).await;
        self.probes.insert((pod.clone(), facts.name.clone()), probe);
        Sample {
            pod,
            container: facts.name,
            limit: facts.limit,
            gomemlimit: facts.gomemlimit,
            restarts: facts.restarts,
            end: facts.last_end.map(|end| (end, is_malformed)),
            is_ending,
            readings,
        }
    }

    /// Whether it ended for a malformed GOMEMLIMIT: by its value in the pod, else by its log, which is read once.
    async fn is_malformed(&mut self, pod: &str, facts: &ContainerFacts) -> bool {
        let Some(end) = facts.last_end.as_ref().filter(|end| end.exit_code == pods::GO_FATAL) else {
            return false;
        };
        if matches!(facts.gomemlimit, Gomemlimit::Malformed(_)) {
            return true;
        }
        let key = [pod, &facts.name, &end.finished_at].map(str::to_owned);
        if let Some(is_malformed) = self.logs.get(&key) {
            return *is_malformed;
        }
        let is_malformed = pods::log_shows_malformed(&self.cluster, &self.namespace, pod, &facts.name).await;
        self.logs.insert(key, is_malformed);
        is_malformed
    }

    fn show(&self, bar: &ProgressBar) {
        let (restarts, oom_kills, peak) = self.recorder.so_far();
        let containers = self.probes.len();
        bar.set_message(format!(
            "{containers} containers, {restarts} restarts, {oom_kills} OOM kills, most memory {}",
            human(peak)
        ));
    }
}
