//! A pod: which container, what is known of it, and what becomes of it while it is looked at.

use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow, bail, ensure};
use gomemlimit_core::pod::Termination;
use gomemlimit_pprof::{
    Diagnosis, Evidence, Gomemlimit, Past, RssSource, diagnose, thresholds::LEAST_CAPTURES,
};
use indicatif::{ProgressBar, ProgressFinish};
use tokio::time::{Instant, sleep};

use super::{
    super::{
        endpoint::Endpoint,
        object_ref::{ObjectRef, or_files, pods_of},
        output,
    },
    DiagnoseArgs,
    series::{Companion, take},
    store::Store,
};
use crate::{
    causes::with_causes,
    cluster::{
        api::Cluster,
        pods::{self, ContainerFacts, DEFAULT_PORT, PodError, PodView},
        stats,
    },
};

/// How often a container is followed into its next life.
const MOST_RESTARTS: usize = 5;
/// How long the next life is waited for: the longest pause of `CrashLoopBackOff`, and a start.
const NEXT_LIFE: Duration = Duration::from_mins(6);
/// How long the kubelet may take to say that a container has ended.
const NEWS: Duration = Duration::from_secs(10);
/// A program with a malformed value ends at once.
const YOUNG_SECONDS: u64 = 10;
const POLL: Duration = Duration::from_secs(1);
/// How often a program that has just started may refuse the connection, a second apart.
const MOST_ATTEMPTS: usize = 10;

/// Where the container is.
struct Place {
    cluster: Cluster,
    namespace: String,
    pod: String,
    container: Option<String>,
}

/// Looks at a container of a pod.
pub(super) async fn look(target: &ObjectRef, args: &DiagnoseArgs, store: &mut Store) -> anyhow::Result<()> {
    let cluster = args.cluster.open().await.map_err(or_files)?;
    let namespace = args.namespace.clone().unwrap_or_else(|| cluster.client.default_namespace().to_owned());
    let pod = pod_of(&cluster, &namespace, target).await?;
    let place = Place { cluster, namespace, pod, container: args.container.clone() };
    let facts = place.facts().await;
    let (view, facts) = facts.map_err(|error| match error.downcast_ref() {
        Some(PodError::NotFound(_)) if target.kind.is_pod() => {
            target.not_found_beside_files(&place.namespace)
        }
        _ => error,
    })?;
    let names = view.container_names();
    if place.container.is_none() && view.annotated_container().is_none() && names.len() > 1 {
        output::note(&format!("defaulted container {} out of: {}", facts.name, names.join(", ")));
    }
    store.target = format!("{}/{}/{}", place.namespace, place.pod, facts.name);

    let mut evidence = known(&facts);
    args.state(&mut evidence);
    // One that runs has been mended since.
    if is_young(&facts) && facts.last_end.as_ref().is_some_and(|end| end.exit_code == pods::GO_FATAL) {
        let Place { cluster, namespace, pod, .. } = &place;
        evidence.past.malformed = pods::log_says_malformed(cluster, namespace, pod, &facts.name).await;
    }
    if evidence.past.malformed || matches!(evidence.gomemlimit, Gomemlimit::Malformed(_)) {
        // It does not run, and it never will.
        store.evidence = evidence;
        return Ok(());
    }
    let place = Place { container: Some(facts.name.clone()), ..place };
    store.open(args.save.as_deref())?;
    place.follow(args, store, view, facts).await
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

/// What the API server knows before anything is captured.
fn known(facts: &ContainerFacts) -> Evidence {
    Evidence {
        limit: facts.limit,
        gomemlimit: facts.gomemlimit.clone(),
        past: Past { oom_killed: facts.was_oom_killed(), malformed: false, restarts: facts.restarts },
        ..Evidence::default()
    }
}

impl Place {
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

    /// A series; with --follow, again with the next life where the container is killed half-way.
    async fn follow(
        &self,
        args: &DiagnoseArgs,
        store: &mut Store,
        mut view: PodView,
        mut facts: ContainerFacts,
    ) -> anyhow::Result<()> {
        let (mut restarts, mut attempts) = (0, 0);
        loop {
            if facts.started.is_none() {
                ensure!(args.follow, self.does_not_run(&facts));
                (view, facts) = self.next_life(None).await?;
            }
            let Err(error) = self.series(args, store, &view, &facts, restarts).await else { return Ok(()) };
            if !args.follow || restarts == MOST_RESTARTS {
                return Err(error);
            }
            let (captures, ended) = (store.evidence.captures.len(), Instant::now());
            if captures == 0 && attempts < MOST_ATTEMPTS {
                // It may not listen yet.
                attempts += 1;
                sleep(POLL).await;
                (view, facts) = self.facts().await?;
                continue;
            }
            let news = self.news(&facts).await;
            if matches!(news, News::Runs) {
                // Waiting for its next life would be in vain.
                return Err(error);
            }
            output::note(&with_causes(error.as_ref()));
            if captures >= LEAST_CAPTURES {
                if matches!(news, News::OomKilled) {
                    compare_estimate(
                        &diagnose(&store.evidence),
                        captures,
                        store.last.unwrap_or(ended),
                        ended,
                    );
                }
                return Ok(());
            }
            restarts += 1;
            attempts = 0;
            (view, facts) = self.next_life(facts.id.as_deref()).await?;
        }
    }

    /// One series of one life.
    async fn series(
        &self,
        args: &DiagnoseArgs,
        store: &mut Store,
        view: &PodView,
        facts: &ContainerFacts,
        restarts: usize,
    ) -> anyhow::Result<()> {
        let mut evidence = known(facts);
        args.state(&mut evidence);
        store.begin(restarts, evidence);
        let mut pace = args.pace();
        if restarts > 0 {
            pace.fit(facts.last_life);
        }
        let port = args.port.or(facts.pprof_port).unwrap_or(DEFAULT_PORT);
        let client = self.cluster.client.clone();
        let endpoint = Endpoint::pod(client, self.namespace.clone(), self.pod.clone(), port);
        let node = view.node().map(str::to_owned);
        let mut companion = PodCompanion { place: self, facts, node, checks: 0 };
        take(&mut companion, &endpoint, &pace, store).await
    }

    fn does_not_run(&self, facts: &ContainerFacts) -> anyhow::Error {
        let end = facts.last_end.as_ref().map_or_else(String::new, |end| {
            format!("; before, it ended with {}, exit code {}", end.reason, end.exit_code)
        });
        anyhow!(
            "container {} of pod {} does not run ({}){end}; --follow waits for its next life",
            facts.name,
            self.name(),
            facts.state
        )
    }

    /// What has become of an incarnation that was not heard to its end.
    async fn news(&self, before: &ContainerFacts) -> News {
        match self.facts().await {
            Ok((_, now)) if now.id == before.id && now.started.is_some() => News::Runs,
            Ok((_, now)) if now.last_end.as_ref().is_some_and(Termination::is_oom_kill) => News::OomKilled,
            // What keeps the pod from being read is told when its next life is waited for.
            Ok(_) | Err(_) => News::Ended,
        }
    }

    /// Waits until the container runs, and is not the one called `before`.
    async fn next_life(&self, before: Option<&str>) -> anyhow::Result<(PodView, ContainerFacts)> {
        let spinner = ProgressBar::new_spinner().with_finish(ProgressFinish::AndClear);
        spinner.enable_steady_tick(Duration::from_millis(200));
        let until = Instant::now() + NEXT_LIFE;
        while Instant::now() < until {
            let (view, facts) = self.facts().await?;
            if facts.started.is_some() && (before.is_none() || facts.id.as_deref() != before) {
                return Ok((view, facts));
            }
            let state = output::clean(&facts.state);
            spinner.set_message(format!(
                "waiting for container {} to run ({state})",
                output::clean(&facts.name)
            ));
            sleep(POLL).await;
        }
        bail!("pod {}: the container did not run again within {} s", self.name(), NEXT_LIFE.as_secs())
    }
}

/// What became of an incarnation.
enum News {
    Runs,
    OomKilled,
    Ended,
}

/// Whether it does not run, or has only just begun to, as between two ends.
fn is_young(facts: &ContainerFacts) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let age = |started: i64| now.saturating_sub(u64::try_from(started).unwrap_or_default());
    facts.started.is_none_or(|started| age(started) < YOUNG_SECONDS)
}

/// After an OOM kill: how good the estimate was.
fn compare_estimate(diagnosis: &Diagnosis, captures: usize, last: Instant, ended: Instant) {
    let Some(eta) = diagnosis.eta else { return };
    let real = ended.saturating_duration_since(last).as_secs_f64();
    output::note(&format!(
        "by the {captures} captures the kernel would kill after {:.0} s more; it was killed after {real:.0} s",
        eta.oom_seconds
    ));
}

/// Sees what becomes of the container.
struct PodCompanion<'a> {
    place: &'a Place,
    facts: &'a ContainerFacts,
    node: Option<String>,
    checks: usize,
}

impl Companion for PodCompanion<'_> {
    async fn check(&mut self) -> anyhow::Result<()> {
        self.checks += 1;
        // It has just been read.
        if self.checks == 1 {
            return Ok(());
        }
        let name = self.place.name();
        let now = match PodView::get(&self.place.cluster, &self.place.namespace, &self.place.pod).await {
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
        let until = Instant::now() + NEWS;
        loop {
            if let Err(news) = self.check().await {
                return news;
            }
            if Instant::now() > until {
                return error;
            }
            sleep(POLL).await;
        }
    }

    async fn resident(&mut self, source: Option<RssSource>) -> Option<(u64, RssSource)> {
        let Place { cluster, namespace, pod, .. } = self.place;
        stats::resident(cluster, [namespace, pod, &self.facts.name], self.node.as_deref()?, source).await
    }

    fn started(&self) -> Option<i64> {
        self.facts.started
    }
}
