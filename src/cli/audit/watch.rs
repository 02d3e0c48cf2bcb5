//! `audit --watch`: prints what changes until it is interrupted. A lost API server is waited for.

use std::{collections::HashMap, process::ExitCode, time::Duration};

use gomemlimit_core::{
    coverage::{ContainerCoverage, Coverage, Gap},
    live::LivePod,
};
use serde_json::json;
use tokio::time::sleep;

use super::{
    AuditArgs, Format,
    fleet::{Fleet, Keep, Row},
    report::{row_json, why},
};
use crate::{
    cli::{judge::Judge, output},
    cluster::{
        api::{ApiError, Cluster},
        pages::{Change, Listing},
    },
};

/// The first pause after a failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What is compared to know whether something has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    status: Coverage,
    gap: Option<Gap>,
    limit: Option<u64>,
    text: Option<String>,
    restarts: u32,
    is_oom_killed: bool,
}

impl State {
    fn of(found: &ContainerCoverage) -> Self {
        Self {
            status: found.status,
            gap: found.gap,
            limit: found.limit.map(|(bytes, _)| bytes),
            text: found.text.clone(),
            restarts: found.restarts,
            is_oom_killed: found.was_oom_killed(),
        }
    }
}

/// By namespace/pod: its containers and what was said of them.
type Known = HashMap<String, Vec<(String, State)>>;

/// Lists, follows, and lists again whenever the watch ends.
pub(super) async fn run(
    args: &AuditArgs,
    cluster: &Cluster,
    listing: &Listing,
    judge: Judge,
    namespace: Option<&str>,
    policy_is_given: bool,
) -> anyhow::Result<ExitCode> {
    // The first list has to succeed: a wrong flag or a missing right is told at once.
    let (fleet, version) = args.list(cluster, listing, &judge).await?;
    let printed = match args.output {
        Format::Json => {
            super::tell(&fleet, &judge);
            let lines = fleet.rows.iter().map(|row| format!("{}\n", event("found", row)));
            output::stdout(lines.collect::<String>().as_bytes())
        }
        _ => args.print(&fleet, &judge),
    };
    let mut watcher = Watcher { args, judge, known: Known::new(), has_failed: fleet.is_any(&args.fail_on) };
    watcher.know(&fleet);
    drop(fleet);
    if printed == ExitCode::from(2) {
        return Ok(printed);
    }
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        () = watcher.follow(cluster, listing, version, namespace, policy_is_given) => {}
    }
    Ok(if watcher.has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

struct Watcher<'a> {
    args: &'a AuditArgs,
    judge: Judge,
    known: Known,
    /// A word of `--fail-on` held at some time.
    has_failed: bool,
}

impl Watcher<'_> {
    fn know(&mut self, fleet: &Fleet) {
        for row in &fleet.rows {
            let containers = self.known.entry(key(row)).or_default();
            containers.push((row.found.name.clone(), State::of(&row.found)));
        }
    }

    async fn follow(
        &mut self,
        cluster: &Cluster,
        listing: &Listing,
        mut version: String,
        namespace: Option<&str>,
        policy_is_given: bool,
    ) {
        let mut pause = FIRST_PAUSE;
        loop {
            match listing.watch(cluster, &version, |change, json| self.changed(change, json)).await {
                // Ended in time: labels and flags may have changed as well, so all is read again.
                Ok(()) | Err(ApiError::Gone(_)) => {}
                Err(error) => {
                    eprintln!("warning: {error}; trying again");
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            match self.list_again(cluster, listing, namespace, policy_is_given).await {
                Ok(newer) => {
                    version = newer;
                    pause = FIRST_PAUSE;
                }
                Err(error) => {
                    eprintln!("warning: {error:#}; trying again");
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn list_again(
        &mut self,
        cluster: &Cluster,
        listing: &Listing,
        namespace: Option<&str>,
        policy_is_given: bool,
    ) -> anyhow::Result<String> {
        self.judge = self.args.judge(cluster, namespace, policy_is_given).await?;
        let (fleet, version) = self.args.list(cluster, listing, &self.judge).await?;
        let before = std::mem::take(&mut self.known);
        for row in &fleet.rows {
            let state = State::of(&row.found);
            let known = before.get(&key(row)).into_iter().flatten();
            if known.into_iter().all(|(name, known)| *name != row.found.name || *known != state) {
                self.say(row);
            }
        }
        self.know(&fleet);
        for pod in before.keys().filter(|pod| !self.known.contains_key(*pod)) {
            self.say_gone(pod);
        }
        Ok(version)
    }

    fn changed(&mut self, change: Change, json: &str) {
        let Ok(pod) = LivePod::parse(json) else { return };
        let name = format!("{}/{}", pod.namespace(), pod.name());
        if change == Change::Gone || (pod.has_succeeded() && !self.args.finished) {
            if self.known.remove(&name).is_some() {
                self.say_gone(&name);
            }
            return;
        }
        let mut fleet = Fleet::new(Keep::only(&self.args.only));
        fleet.add(&pod, self.judge.assess(&pod));
        let before = self.known.remove(&name).unwrap_or_default();
        for row in &fleet.rows {
            if !before.contains(&(row.found.name.clone(), State::of(&row.found))) {
                self.say(row);
            }
        }
        self.know(&fleet);
    }

    fn say(&mut self, row: &Row) {
        self.has_failed |= self.args.fail_on.iter().any(|word| word.holds(&row.found));
        let line = if self.args.output == Format::Json {
            format!("{}\n", event("changed", row))
        } else {
            let found = &row.found;
            let reason = found.gap.map(|gap| format!("/{gap}")).unwrap_or_default();
            let what = format!("{}{reason}", found.status);
            format!("{}/{} {}: {what}, {}\n", row.namespace, row.pod, found.name, why(found))
        };
        output::stdout(line.as_bytes());
    }

    fn say_gone(&self, pod: &str) {
        let line = if self.args.output == Format::Json {
            let (namespace, name) = pod.split_once('/').unwrap_or_default();
            format!("{}\n", json!({"event": "gone", "namespace": namespace, "pod": name}))
        } else {
            format!("{pod}: gone\n")
        };
        output::stdout(line.as_bytes());
    }
}

fn key(row: &Row) -> String {
    format!("{}/{}", row.namespace, row.pod)
}

fn event(event: &str, row: &Row) -> serde_json::Value {
    json!({"event": event, "container": row_json(row)})
}
