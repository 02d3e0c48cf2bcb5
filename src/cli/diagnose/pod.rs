//! A container of a pod: which one, what the API server knows of it, and whether it still runs.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use anyhow::{Context, anyhow, bail, ensure};
use gomemlimit_pprof::{Evidence, Gomemlimit, History, RssSource};
use tokio::time::{Instant, sleep};

use super::{
    super::{
        cluster_args::ClusterArgs,
        endpoint::Endpoint,
        object_ref::{ObjectRef, or_files, pods_of},
        output,
    },
    series::{Overrides, ProcessInfo, Schedule, take},
    store::Store,
};
use crate::cluster::{
    api::Cluster,
    pods::{self, ContainerFacts, DEFAULT_PORT, PodError, PodView},
    stats,
};

/// Time within which the kubelet reports that a container has ended.
const END_REPORTED: Duration = Duration::from_secs(10);
/// Age in seconds up to which a container may be one that ends again and again: with a malformed value a program ends
/// at once.
const YOUNG_SECONDS: u64 = 10;
/// Time between two requests for the state of the container.
const POLL: Duration = Duration::from_secs(1);
/// Container that is diagnosed.
struct ContainerTarget {
    cluster: Cluster,
    namespace: String,
    pod: String,
    container: Option<String>,
}

/// Which pod to capture, and how.
pub(super) struct PodRequest<'a> {
    pub(super) cluster: &'a ClusterArgs,
    /// Default: that of the context.
    pub(super) namespace: Option<&'a str>,
    pub(super) container: Option<&'a str>,
    pub(super) port: Option<u16>,
    /// Folder of --save.
    pub(super) save: Option<&'a Path>,
    pub(super) schedule: Schedule,
    pub(super) overrides: Overrides,
}

impl PodRequest<'_> {
    /// Captures into `store` what a container of the pod, or of a pod of the workload, serves.
    pub(super) async fn capture(self, target: &ObjectRef, store: &mut Store) -> anyhow::Result<()> {
        let cluster = self.cluster.open().await.map_err(or_files)?;
        let namespace = self.namespace.unwrap_or(cluster.client.default_namespace()).to_owned();
        let pod = pod_of(&cluster, &namespace, target).await?;
        let container =
            ContainerTarget { cluster, namespace, pod, container: self.container.map(str::to_owned) };
        let facts = container.facts().await;
        let (view, facts) = facts.map_err(|error| match error.downcast_ref() {
            Some(PodError::NotFound(_)) if target.kind.is_pod() => {
                target.not_found_beside_files(&container.namespace)
            }
            _ => error,
        })?;
        let names = view.container_names();
        if container.container.is_none() && view.annotated_container().is_none() && names.len() > 1 {
            output::note(&format!("defaulted container {} out of: {}", facts.name, names.join(", ")));
        }
        store.target = format!("{}/{}/{}", container.namespace, container.pod, facts.name);

        let mut evidence = known(&facts);
        self.overrides.apply(&mut evidence);
        // One that runs has been mended since.
        if is_young(&facts) && facts.last_end.as_ref().is_some_and(|end| end.exit_code == pods::GO_FATAL) {
            let ContainerTarget { cluster, namespace, pod, .. } = &container;
            evidence.history.malformed =
                pods::log_shows_malformed(cluster, namespace, pod, &facts.name).await;
        }
        if evidence.history.malformed || matches!(evidence.gomemlimit, Gomemlimit::Malformed(_)) {
            // It does not run, and it never will.
            store.evidence = evidence;
            return Ok(());
        }
        store.evidence = evidence;
        store.open(self.save)?;
        container.capture(&self, store, &view, &facts).await
    }
}

/// The name of the pod: of several pods of a workload that of `kubectl logs`.
async fn pod_of(cluster: &Cluster, namespace: &str, target: &ObjectRef) -> anyhow::Result<String> {
    if target.kind.is_pod() {
        return Ok(target.name.clone());
    }
    let pods = pods_of(cluster, namespace, target).await?.read(cluster, namespace).await?;
    let pods: Vec<_> = pods.into_iter().filter(|pod| !pod.has_ended()).collect();
    let count = pods.len();
    let pod = PodView::best_for_logs(pods)
        .with_context(|| format!("no pod of {target} runs in namespace {namespace}"))?;
    if count > 1 {
        output::note(&format!("found {count} pods, using pod/{}", pod.name()));
    }
    Ok(pod.name().to_owned())
}

/// Evidence of the API server, before anything is captured.
fn known(facts: &ContainerFacts) -> Evidence {
    Evidence {
        limit: facts.limit,
        gomemlimit: facts.gomemlimit.clone(),
        history: History { oom_killed: facts.was_oom_killed(), malformed: false, restarts: facts.restarts },
        ..Evidence::default()
    }
}

impl ContainerTarget {
    fn name(&self) -> String {
        format!("{}/{}", self.namespace, self.pod)
    }

    async fn facts(&self) -> anyhow::Result<(PodView, ContainerFacts)> {
        let view = PodView::get(&self.cluster, &self.namespace, &self.pod).await?;
        let facts = view.container(self.container.as_deref()).map_err(|names| {
            let name = self.container.as_deref().unwrap_or_default();
            anyhow!("pod {} has no container {name}; it has {}", self.name(), names.join(", "))
        });
        Ok((view, facts?))
    }

    /// Captures of the container as it runs now.
    async fn capture(
        &self,
        request: &PodRequest<'_>,
        store: &mut Store,
        view: &PodView,
        facts: &ContainerFacts,
    ) -> anyhow::Result<()> {
        ensure!(facts.started.is_some(), self.does_not_run(facts));
        let port = request.port.or(facts.pprof_port).unwrap_or(DEFAULT_PORT);
        let client = self.cluster.client.clone();
        let endpoint = Endpoint::pod(client, self.namespace.clone(), self.pod.clone(), port);
        let node = view.node().map(str::to_owned);
        let mut process = ContainerProcess { target: self, facts, node, checks: 0 };
        take(&mut process, &endpoint, &request.schedule, store).await
    }

    fn does_not_run(&self, facts: &ContainerFacts) -> anyhow::Error {
        let end = facts.last_end.as_ref().map_or_else(String::new, |end| {
            format!("; before, it ended with {}, exit code {}", end.reason, end.exit_code)
        });
        anyhow!("container {} of pod {} does not run ({}){end}", facts.name, self.name(), facts.state)
    }
}

/// Whether it does not run, or has only just begun to, as between two ends.
fn is_young(facts: &ContainerFacts) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let age = |started: i64| now.saturating_sub(u64::try_from(started).unwrap_or_default());
    facts.started.is_none_or(|started| age(started) < YOUNG_SECONDS)
}

/// Facts about the process of a container, from the API server and the kubelet.
struct ContainerProcess<'a> {
    target: &'a ContainerTarget,
    facts: &'a ContainerFacts,
    node: Option<String>,
    checks: usize,
}

impl ProcessInfo for ContainerProcess<'_> {
    async fn check(&mut self) -> anyhow::Result<()> {
        self.checks += 1;
        // It has just been read.
        if self.checks == 1 {
            return Ok(());
        }
        let name = self.target.name();
        let now = match PodView::get(&self.target.cluster, &self.target.namespace, &self.target.pod).await {
            Err(PodError::NotFound(_)) => bail!("pod {name} is gone"),
            view => view?.container(Some(&self.facts.name)),
        };
        let now =
            now.ok().with_context(|| format!("pod {name} has no container {} any more", self.facts.name))?;
        if now.id == self.facts.id && now.started.is_some() {
            return Ok(());
        }
        let end = now.last_end.as_ref().filter(|_| now.restarts > self.facts.restarts);
        let how = end
            .map_or_else(|| now.state.clone(), |end| format!("{}, exit code {}", end.reason, end.exit_code));
        bail!("container {} of pod {name} ended half-way ({how})", self.facts.name)
    }

    /// A refused connection may be the end of the container, which the API server learns a little later.
    async fn explain(&mut self, error: anyhow::Error) -> anyhow::Error {
        if self.checks == 1 {
            return error;
        }
        let until = Instant::now() + END_REPORTED;
        loop {
            if let Err(end) = self.check().await {
                return end;
            }
            if Instant::now() > until {
                return error;
            }
            sleep(POLL).await;
        }
    }

    async fn resident(&mut self, source: Option<RssSource>) -> Option<(u64, RssSource)> {
        let ContainerTarget { cluster, namespace, pod, .. } = self.target;
        stats::resident(cluster, [namespace, pod, &self.facts.name], self.node.as_deref()?, source).await
    }

    fn started(&self) -> Option<i64> {
        self.facts.started
    }
}
