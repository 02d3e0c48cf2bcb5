//! Memory of containers, by the kubelets, else by metrics.k8s.io; and why there are no figures.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::future::join_all;
use tokio::time::Instant;

use crate::cluster::{
    api::{ApiError, Cluster},
    stats::{self, Usage},
    workload::Pods,
};

/// Factor between the time that a source took to fail and its rest: one that times out takes a fifth of all time at most.
const REST: u32 = 4;
/// A source that fails sooner holds up no poll, and is asked at the next one.
const SLOW: Duration = Duration::from_secs(1);

/// The sources of memory figures.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) kubelet: Source,
    pub(super) metrics_server: Source,
    /// Nodes whose kubelet rests until then.
    pub(super) resting: BTreeMap<String, Instant>,
}

/// State of a source that fails.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Its last problem, with its name.
    pub(super) problem: Option<String>,
    /// Whether that is for good, so that it is not asked any more: a right is missing, or it is not there.
    pub(super) is_refused: bool,
    /// Number of polls without its figures.
    pub(super) failed: u32,
    /// Not to be asked before.
    pub(super) resting: Option<Instant>,
}

impl Source {
    /// Why there were no figures in some of the polls.
    pub(super) fn cause(&self, polls: u32) -> Option<String> {
        // A poll that is interrupted does not count.
        let failed = self.failed.min(polls);
        self.problem.as_ref().map(|problem| format!("{problem} (in {failed} of {polls} polls)"))
    }

    /// Whether to ask it at this poll. One that refused fails without being asked.
    fn is_asked(&mut self) -> bool {
        if self.is_refused {
            self.failed += 1;
        }
        !self.is_refused && self.resting.is_none_or(|until| until <= Instant::now())
    }

    fn failed(&mut self, problem: String) {
        self.problem = Some(problem);
        self.failed += 1;
    }
}

impl Memory {
    /// Memory of the pods, which run on these nodes: one request a node, and one for all pods if a node has no figures.
    pub(super) async fn read(
        &mut self,
        cluster: &Cluster,
        namespace: &str,
        pods: &Pods,
        nodes: BTreeSet<String>,
    ) -> Vec<Usage> {
        if nodes.is_empty() {
            return Vec::new();
        }
        let (mut usages, is_complete) = self.of_nodes(cluster, nodes).await;
        if is_complete || !self.metrics_server.is_asked() {
            return usages;
        }
        let begin = Instant::now();
        match stats::of_pods(cluster, namespace, pods).await {
            Ok(found) => usages.extend(found),
            Err(error) => {
                self.metrics_server.resting = Some(end_of_rest(begin.elapsed()));
                match error {
                    // It has not seen the pod yet; then the message names it.
                    ApiError::NotFound(problem) if problem.contains("pods") => {}
                    ApiError::NotFound(_) => {
                        self.metrics_server.is_refused = true;
                        self.metrics_server.failed("there is no metrics.k8s.io".to_owned());
                    }
                    error => {
                        self.metrics_server.is_refused = is_refusal(&error);
                        self.metrics_server.failed(format!("metrics.k8s.io: {}", problem_of(&error)));
                    }
                }
            }
        }
        usages
    }

    /// Memory by the kubelets, and whether all of them answered.
    async fn of_nodes(&mut self, cluster: &Cluster, nodes: BTreeSet<String>) -> (Vec<Usage>, bool) {
        if !self.kubelet.is_asked() {
            return (Vec::new(), false);
        }
        let now = Instant::now();
        let is_resting = |node: &String| self.resting.get(node).is_some_and(|until| *until > now);
        let (resting, asked): (BTreeSet<_>, BTreeSet<_>) = nodes.into_iter().partition(is_resting);
        let asked = asked.into_iter().map(|node| async move {
            let result = stats::of_node(cluster, &node).await;
            (node, result, now.elapsed())
        });
        let (mut usages, mut problem) = (Vec::new(), None);
        // All at once: a dead one takes its time.
        for (node, result, took) in join_all(asked).await {
            match result {
                Ok(found) => usages.extend(found),
                Err(error) => {
                    self.resting.insert(node.clone(), end_of_rest(took));
                    self.kubelet.is_refused |= is_refusal(&error);
                    problem = Some(format!("the kubelet of node {node}: {}", problem_of(&error)));
                }
            }
        }
        let is_complete = problem.is_none() && resting.is_empty();
        if let Some(problem) = problem {
            self.kubelet.failed(problem);
        }
        (usages, is_complete)
    }
}

/// When a source that took so long to fail is asked again.
fn end_of_rest(took: Duration) -> Instant {
    Instant::now() + if took < SLOW { Duration::ZERO } else { REST * took }
}

/// The problem, without the address: the source is known.
pub(super) fn problem_of(error: &ApiError) -> String {
    match error {
        ApiError::Unreachable { problem, .. } => problem.clone(),
        error => error.to_string(),
    }
}

/// Whether a right is missing, so that asking again is in vain.
pub(super) fn is_refusal(error: &ApiError) -> bool {
    matches!(error, ApiError::Unauthorized(_) | ApiError::Forbidden(_))
}
