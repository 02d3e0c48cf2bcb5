//! A pod: which container, what is known of it, and what becomes of it while it is looked at.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use gomemlimit_pprof::{
    Diagnosis, Evidence, Gomemlimit, Past, RssSource, diagnose, thresholds::LEAST_CAPTURES,
};
use indicatif::ProgressBar;
use kube::Client;
use tokio::time::{Instant, sleep};

use super::{
    super::{cluster_args::parse_name, endpoint::Endpoint},
    DiagnoseArgs, Seen,
    series::{Companion, Interrupted, take_with},
    store::Store,
};
use crate::cluster::{
    pods::{self, ContainerFacts, DEFAULT_PORT, PodError, PodView},
    stats,
};

/// How often a container is followed into its next life.
const MOST_RESTARTS: usize = 5;
/// How long the next life is waited for: the longest pause of `CrashLoopBackOff`, and a start.
const NEXT_LIFE: Duration = Duration::from_mins(6);
/// How long the kubelet may take to say that a container has ended.
const NEWS: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_secs(1);
/// How often a program that has just started may refuse the connection, a second apart.
const MOST_ATTEMPTS: usize = 10;

/// Where the container is.
struct Place {
    client: Client,
    namespace: String,
    pod: String,
    container: Option<String>,
}

/// Looks at `POD` or `POD/CONTAINER`.
pub(super) async fn look(what: &str, args: &DiagnoseArgs) -> anyhow::Result<Seen> {
    let what = what.strip_prefix("pod/").unwrap_or(what);
    let (pod, container) = match what.split_once('/') {
        Some((pod, container)) => (pod, Some(container.to_owned())),
        None => (what, None),
    };
    parse_name(pod).map_err(|_| anyhow!("{pod:?} is neither a file nor the name of a pod"))?;
    let client = args.cluster.open().await?.client;
    let namespace = args.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
    let place = Place { client, namespace, pod: pod.to_owned(), container };
    let (view, facts) = place.facts().await?;
    let target = format!("{}/{}/{}", place.namespace, place.pod, facts.name);

    let mut evidence = known(&facts);
    args.state(&mut evidence);
    if facts.last_end.as_ref().is_some_and(|end| end.exit_code == pods::GO_FATAL) {
        let Place { client, namespace, pod, .. } = &place;
        evidence.past.malformed = pods::log_says_malformed(client, namespace, pod, &facts.name).await;
    }
    if evidence.past.malformed || matches!(evidence.gomemlimit, Gomemlimit::Malformed(_)) {
        // It does not run, and it never will.
        return Ok(Seen { target, evidence, saved: None });
    }
    let place = Place { container: Some(facts.name.clone()), ..place };
    let store = Store::open(args.save.as_deref())?;
    let taken = place.follow(args, &store, view, facts, &target).await;
    store.close(taken, &target)
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
        let view = PodView::get(&self.client, &self.namespace, &self.pod).await?;
        let facts = view.container(self.container.as_deref()).map_err(|names| match &self.container {
            Some(name) => {
                anyhow!("pod {} has no container {name}; it has {}", self.name(), names.join(", "))
            }
            None => anyhow!("pod {} has several containers: name one of {}", self.name(), names.join(", ")),
        });
        Ok((view, facts?))
    }

    /// A series; with --follow, again with the next life where the container is killed half-way.
    async fn follow(
        &self,
        args: &DiagnoseArgs,
        store: &Store,
        mut view: PodView,
        mut facts: ContainerFacts,
        target: &str,
    ) -> Result<Evidence, Interrupted> {
        let nothing = |error| Interrupted { error, evidence: Evidence::default(), last: Instant::now() };
        let (mut restarts, mut attempts) = (0, 0);
        loop {
            if facts.started.is_none() {
                if !args.follow {
                    return Err(nothing(self.does_not_run(&facts)));
                }
                (view, facts) = self.next_life(None).await.map_err(nothing)?;
            }
            let taken = self.series(args, store, &view, &facts, restarts, target).await;
            let Interrupted { error, mut evidence, last } = match taken {
                Ok(evidence) => return Ok(evidence),
                Err(interrupted) if !args.follow || restarts == MOST_RESTARTS => return Err(interrupted),
                Err(interrupted) => interrupted,
            };
            let ended = Instant::now();
            if evidence.captures.is_empty() && attempts < MOST_ATTEMPTS {
                // It may not listen yet.
                attempts += 1;
                sleep(POLL).await;
                (view, facts) = self.facts().await.map_err(nothing)?;
                continue;
            }
            eprintln!("note: {error:#}");
            if evidence.captures.len() >= LEAST_CAPTURES {
                since_start(&mut evidence, &facts);
                compare_estimate(&diagnose(&evidence), evidence.captures.len(), last, ended);
                return Ok(evidence);
            }
            restarts += 1;
            (view, facts) = self.next_life(facts.id.as_deref()).await.map_err(nothing)?;
        }
    }

    /// One series of one life.
    async fn series(
        &self,
        args: &DiagnoseArgs,
        store: &Store,
        view: &PodView,
        facts: &ContainerFacts,
        restarts: usize,
        target: &str,
    ) -> Result<Evidence, Interrupted> {
        let mut evidence = known(facts);
        args.state(&mut evidence);
        let mut pace = args.pace();
        let within;
        let store = if restarts == 0 {
            store
        } else {
            pace.fit(facts.last_life);
            within = store.after_restart(restarts);
            match &within {
                Ok(store) => store,
                Err(error) => {
                    return Err(Interrupted { error: anyhow!("{error:#}"), evidence, last: Instant::now() });
                }
            }
        };
        let port = args.port.or(facts.pprof_port).unwrap_or(DEFAULT_PORT);
        let endpoint = Endpoint::pod(self.client.clone(), self.namespace.clone(), self.pod.clone(), port);
        let node = view.node().map(str::to_owned);
        let mut companion = PodCompanion { place: self, facts, node, checks: 0 };
        let mut evidence = take_with(&mut companion, &endpoint, &pace, store, evidence, target).await?;
        since_start(&mut evidence, facts);
        Ok(evidence)
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

    /// Waits until the container runs, and is not the one called `before`.
    async fn next_life(&self, before: Option<&str>) -> anyhow::Result<(PodView, ContainerFacts)> {
        let spinner = ProgressBar::new_spinner();
        spinner.enable_steady_tick(Duration::from_millis(200));
        let until = Instant::now() + NEXT_LIFE;
        while Instant::now() < until {
            let (view, facts) = self.facts().await?;
            if facts.started.is_some() && (before.is_none() || facts.id.as_deref() != before) {
                spinner.finish_and_clear();
                return Ok((view, facts));
            }
            spinner.set_message(format!("waiting for container {} to run ({})", facts.name, facts.state));
            sleep(POLL).await;
        }
        spinner.finish_and_clear();
        bail!("pod {}: the container did not run again within {} s", self.name(), NEXT_LIFE.as_secs())
    }
}

/// The kubelet's word on when the process started.
#[allow(clippy::cast_precision_loss)]
fn since_start(evidence: &mut Evidence, facts: &ContainerFacts) {
    let first = evidence.captures.first().and_then(|capture| capture.memstats.as_ref());
    if let (None, Some(first), Some(started)) = (evidence.uptime, first, facts.started) {
        evidence.uptime = super::series::uptime(first, started as f64);
    }
}

/// After an OOM kill: how good the estimate was.
fn compare_estimate(diagnosis: &Diagnosis, captures: usize, last: Instant, ended: Instant) {
    let Some(eta) = diagnosis.eta else { return };
    let real = ended.saturating_duration_since(last).as_secs_f64();
    eprintln!(
        "note: by the {captures} captures the kernel would kill after {:.0} s more; it was killed after {real:.0} s",
        eta.oom_seconds
    );
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
        let now = match PodView::get(&self.place.client, &self.place.namespace, &self.place.pod).await {
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

    async fn resident(&mut self) -> Option<(u64, RssSource)> {
        let Place { client, namespace, pod, .. } = self.place;
        stats::resident(client, namespace, pod, self.node.as_deref()?, &self.facts.name).await
    }
}
