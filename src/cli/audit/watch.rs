//! `audit --watch`: prints what changes until it is interrupted or nobody reads any more. A lost API server is waited
//! for.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use gomemlimit_core::{
    audit::{ContainerCoverage, Coverage, UncoveredReason},
    pod::LivePod,
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    AuditArgs, Told,
    fleet::{Fleet, Keep, Row},
    gate::Gate,
    report::{row_json, status, why},
    tell_nothing,
};
use crate::{
    cli::{format::Format, output, policy_resolver::PolicyResolver},
    cluster::{
        api::{ApiError, Cluster},
        pages::{Change, Listing},
    },
    serve::lifecycle,
};

/// The first pause after a failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A watch that has lived so long was a sound one.
const SOUND: Duration = Duration::from_secs(30);

/// How often all is listed where nothing may be watched.
const WITHOUT_WATCH: Duration = Duration::from_mins(1);

/// What is compared to know whether something has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    status: Coverage,
    gap: Option<UncoveredReason>,
    limit: Option<u64>,
    text: Option<String>,
    restarts: u32,
    is_oom_killed: bool,
    is_sigkilled: bool,
}

impl State {
    fn of(found: &ContainerCoverage) -> Self {
        Self {
            status: found.status,
            gap: found.reason,
            limit: found.limit.map(|(bytes, _)| bytes),
            text: found.text.clone(),
            restarts: found.restarts,
            is_oom_killed: found.was_oom_killed(),
            is_sigkilled: found.was_sigkilled(),
        }
    }
}

/// What was last seen of a container, and whether `--only` let it be said.
#[derive(Clone, Debug)]
struct Seen {
    state: State,
    is_said: bool,
}

/// By namespace/pod: all of its containers, whatever `--only` says.
type Known = HashMap<String, BTreeMap<String, Seen>>;

/// What an audit is about, for the next one.
pub(super) struct Scope<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) listing: &'a Listing,
    pub(super) namespace: Option<&'a str>,
    pub(super) policy_is_given: bool,
}

/// Lists, follows, and lists again whenever the watch ends.
pub(super) async fn run(
    args: &AuditArgs,
    resolver: PolicyResolver,
    scope: Scope<'_>,
) -> anyhow::Result<ExitCode> {
    let mut signals = lifecycle::signals().context("cannot listen for signals")?;
    // The first list has to succeed: a wrong flag or a missing right is told at once.
    let (mut fleet, version) = args.list(scope.cluster, scope.listing, &resolver).await?;
    let mut watcher = Watcher {
        args,
        scope,
        keep: Keep::only(&args.only),
        told: Told::default(),
        resolver,
        known: Known::new(),
        gate: Gate::new(&args.fail_on, args.allow_empty),
    };
    watcher.gate.judge(&fleet, watcher.resolver.are_settings_known());
    watcher.know(&fleet);
    fleet.retain(&watcher.keep);
    if let Err(error) = watcher.print(&fleet) {
        return Ok(output::not_written(&error));
    }
    drop(fleet);
    tokio::select! {
        _ = signals.recv() => {}
        ended = watcher.follow(version) => {
            // Whoever read has gone away, or there is no room for more.
            if let Err(error) = ended && output::not_written(&error) != ExitCode::SUCCESS {
                return Ok(ExitCode::from(2));
            }
        }
    }
    let has_failed = watcher.gate.has_failed(&args.no_pods(watcher.scope.namespace))?;
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

struct Watcher<'a> {
    args: &'a AuditArgs,
    scope: Scope<'a>,
    /// What is said.
    keep: Keep,
    resolver: PolicyResolver,
    told: Told,
    known: Known,
    /// Fails if a word held at some time.
    gate: Gate,
}

impl Watcher<'_> {
    fn print(&mut self, fleet: &Fleet) -> io::Result<()> {
        self.told.tell(fleet, &self.resolver);
        let text = if self.args.output == Format::Json {
            let lines = fleet.rows.iter().map(|row| output::json_line(&event("found", row)));
            lines.collect::<Vec<_>>().concat()
        } else {
            tell_nothing(fleet, self.scope.namespace);
            super::report::tables(fleet, &self.args.style(self.scope.namespace))
        };
        output::write(text.as_bytes())
    }

    fn know(&mut self, fleet: &Fleet) {
        for row in &fleet.rows {
            let seen = Seen { state: State::of(&row.found), is_said: self.keep.keeps(&row.found) };
            self.known.entry(key(row)).or_default().insert(row.found.name.clone(), seen);
        }
    }

    /// Goes on until stdout takes no more.
    async fn follow(&mut self, mut version: String) -> io::Result<()> {
        let Scope { cluster, listing, .. } = self.scope;
        let (mut pause, mut may_watch) = (FIRST_PAUSE, true);
        loop {
            let started = Instant::now();
            let mut written = Ok(());
            let watched = listing.watch(cluster, &version, |change, json| {
                written = self.changed(change, json);
                written.is_ok()
            });
            let ended = watched.await;
            written?;
            match ended {
                // Ended in time: labels and flags may have changed as well, so all is read again.
                Ok(()) | Err(ApiError::Gone(_)) => may_watch = true,
                Err(ApiError::Forbidden(problem)) => {
                    if may_watch {
                        let every = humantime::format_duration(WITHOUT_WATCH);
                        output::warning(&format!("{problem}; all is listed every {every} instead"));
                    }
                    may_watch = false;
                }
                Err(error) => output::warning(&format!("{error}; trying again")),
            }
            if !may_watch {
                sleep(WITHOUT_WATCH).await;
            } else if started.elapsed() >= SOUND {
                pause = FIRST_PAUSE;
            } else {
                sleep(pause).await;
                pause = longer(pause);
            }
            version = self.list_until_it_works(&mut pause).await?;
        }
    }

    /// The earlier version of the list may be lost: there is nothing to watch from before it is read again.
    async fn list_until_it_works(&mut self, pause: &mut Duration) -> io::Result<String> {
        loop {
            match self.list_again().await {
                Ok((fleet, version)) => {
                    self.compare(&fleet)?;
                    return Ok(version);
                }
                Err(error) => {
                    output::warning(&format!("{error:#}; trying again"));
                    sleep(*pause).await;
                    *pause = longer(*pause);
                }
            }
        }
    }

    async fn list_again(&mut self) -> anyhow::Result<(Fleet, String)> {
        let Scope { cluster, listing, namespace, policy_is_given } = self.scope;
        let resolver = self.args.policy_resolver(cluster, namespace, policy_is_given).await?;
        let listed = self.args.list(cluster, listing, &resolver).await?;
        self.resolver = resolver;
        Ok(listed)
    }

    /// Says what differs from what was known.
    fn compare(&mut self, fleet: &Fleet) -> io::Result<()> {
        self.told.tell(fleet, &self.resolver);
        self.gate.judge(fleet, self.resolver.are_settings_known());
        let before = std::mem::take(&mut self.known);
        self.know(fleet);
        for row in &fleet.rows {
            self.say_change(row, before.get(&key(row)))?;
        }
        for (pod, containers) in &before {
            if !self.known.contains_key(pod) {
                self.say_gone(pod, containers)?;
            }
        }
        Ok(())
    }

    fn changed(&mut self, change: Change, json: &str) -> io::Result<()> {
        let Ok(pod) = LivePod::parse(json) else { return Ok(()) };
        let name = format!("{}/{}", pod.namespace(), pod.name());
        let before = self.known.remove(&name);
        if change == Change::Gone || (pod.has_succeeded() && !self.args.finished) {
            return before.map_or(Ok(()), |containers| self.say_gone(&name, &containers));
        }
        let mut fleet = Fleet::new(Keep::All);
        fleet.add(&pod, self.resolver.assess(&pod));
        self.gate.judge(&fleet, self.resolver.are_settings_known());
        self.know(&fleet);
        fleet.rows.iter().try_for_each(|row| self.say_change(row, before.as_ref()))
    }

    /// Says what has become of a container: of one that `--only` no longer lets be said, for the last time.
    fn say_change(&self, row: &Row, before: Option<&BTreeMap<String, Seen>>) -> io::Result<()> {
        let before = before.and_then(|containers| containers.get(&row.found.name));
        let is_same = before.is_some_and(|seen| seen.state == State::of(&row.found));
        let is_said = self.keep.keeps(&row.found);
        if is_same || !(is_said || before.is_some_and(|seen| seen.is_said)) {
            return Ok(());
        }
        if self.args.output == Format::Json {
            return output::write(output::json_line(&event("changed", row)).as_bytes());
        }
        let found = &row.found;
        let end = if is_said { "" } else { " (none of --only any more)" };
        let what = format!("{}, {}{end}", status(found), why(found));
        say(&format!("{}/{} {}: {what}", row.namespace, row.pod, found.name))
    }

    /// Nothing where nothing was said of the pod.
    fn say_gone(&self, pod: &str, containers: &BTreeMap<String, Seen>) -> io::Result<()> {
        if !containers.values().any(|seen| seen.is_said) {
            return Ok(());
        }
        if self.args.output == Format::Json {
            let (namespace, name) = pod.split_once('/').unwrap_or_default();
            let gone = json!({"event": "gone", "namespace": namespace, "pod": name});
            return output::write(output::json_line(&gone).as_bytes());
        }
        say(&format!("{pod}: gone"))
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).min(LONGEST_PAUSE)
}

fn say(line: &str) -> io::Result<()> {
    output::write(format!("{}\n", output::clean(line)).as_bytes())
}

fn key(row: &Row) -> String {
    format!("{}/{}", row.namespace, row.pod)
}

fn event(event: &str, row: &Row) -> serde_json::Value {
    json!({"event": event, "container": row_json(row)})
}
