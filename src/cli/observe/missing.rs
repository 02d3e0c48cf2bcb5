//! Notes on figures that are missing, with the causes.

use std::collections::BTreeSet;

use super::memory::Memory;
use crate::observation::{ContainerRecord, Observation};

/// Causes of missing figures, but for the memory.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// Why ports are not forwarded any more, as the API server reports it.
    pub(super) forward: Option<String>,
    /// Why a poll failed last.
    pub(super) poll: Option<String>,
}

impl Missing {
    /// A sentence for each kind of figure that is missing, and for each source that failed at times.
    pub(super) fn notes(&self, memory: &Memory, observation: &Observation) -> Vec<String> {
        let forward = match &self.forward {
            Some(problem) => format!("{problem} (it takes get and create on pods/portforward)"),
            None => "no Go metrics and no pprof answer on a port that it declares, nor on 6060; see --port"
                .to_owned(),
        };
        let polls = observation.polls;
        let causes = [&memory.kubelet, &memory.metrics_server].into_iter().filter_map(|one| one.cause(polls));
        let mut notes = Vec::new();
        let names = without(observation, |record| record.peak.is_some());
        if names.is_empty() {
            notes.extend(causes);
        } else {
            let causes: Vec<_> = causes.chain([forward.clone()]).collect();
            notes.push(format!("memory of {names} is missing: {}", causes.join("; ")));
        }
        let names = without(observation, |record| record.cpu.is_some());
        if !names.is_empty() {
            let has_figures = |record: &ContainerRecord| record.samples.iter().any(|one| one.heap.is_some());
            let why = if without(observation, has_figures).is_empty() {
                "its /metrics have no CPU classes; see WithGoCollectorRuntimeMetrics of client_golang"
            } else {
                &forward
            };
            notes.push(format!("garbage collection of {names} is missing: {why}"));
        }
        if observation.failed_polls > 0 {
            let why = self.poll.as_ref().map(|problem| format!(": {problem}")).unwrap_or_default();
            let failed = observation.failed_polls;
            notes.push(format!("the API server did not answer {failed} of {polls} polls{why}"));
        }
        notes
    }
}

/// Names of the containers that lack something; those that were seen but once had no time to answer.
fn without(observation: &Observation, is_there: impl Fn(&ContainerRecord) -> bool) -> String {
    let is_brief = |record: &ContainerRecord| observation.polls > 1 && record.to <= record.from;
    let records = observation.containers.iter().filter(|record| !is_brief(record) && !is_there(record));
    let names: BTreeSet<_> = records.map(|record| record.container.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{super::memory::Source, *};
    use crate::observation::{CpuTime, MemorySample};

    fn observed(record: ContainerRecord) -> Observation {
        let record = ContainerRecord { container: "app".to_owned(), to: 2.0, ..record };
        Observation { polls: 3, containers: vec![record], ..Observation::default() }
    }

    fn refused(cause: &str) -> Source {
        Source { problem: Some(cause.to_owned()), is_refused: true, failed: 3, ..Source::default() }
    }

    #[test]
    fn what_is_missing_is_said_with_its_causes() {
        let memory = Memory {
            kubelet: refused("no nodes/proxy"),
            metrics_server: refused("there is no metrics.k8s.io"),
            ..Memory::default()
        };
        let missing = Missing { forward: Some("no pods/portforward".to_owned()), ..Missing::default() };
        let forward = "no pods/portforward (it takes get and create on pods/portforward)";
        let notes = [
            format!(
                "memory of app is missing: no nodes/proxy (in 3 of 3 polls); there is no metrics.k8s.io (in 3 of 3 \
                 polls); {forward}"
            ),
            format!("garbage collection of app is missing: {forward}"),
        ];
        assert_eq!(missing.notes(&memory, &observed(ContainerRecord::default())), notes);
        let complete =
            ContainerRecord { peak: Some(1), cpu: Some(CpuTime::default()), ..ContainerRecord::default() };
        assert_eq!(missing.notes(&Memory::default(), &observed(complete.clone())), [""; 0]);
        // Figures that were there for a while hide no source that refused.
        let notes = ["no nodes/proxy (in 3 of 3 polls)", "there is no metrics.k8s.io (in 3 of 3 polls)"];
        assert_eq!(missing.notes(&memory, &observed(complete)), notes);
    }

    #[test]
    fn what_failed_at_times_is_said_with_its_cause() {
        let away =
            Source { problem: Some("metrics.k8s.io: away".to_owned()), failed: 2, ..Source::default() };
        let memory = Memory { metrics_server: away, ..Memory::default() };
        let complete =
            ContainerRecord { peak: Some(1), cpu: Some(CpuTime::default()), ..ContainerRecord::default() };
        let missing = Missing { poll: Some("etcd is away".to_owned()), ..Missing::default() };
        let observation = Observation { failed_polls: 1, ..observed(complete) };
        let notes = [
            "metrics.k8s.io: away (in 2 of 3 polls)",
            "the API server did not answer 1 of 3 polls: etcd is away",
        ];
        assert_eq!(missing.notes(&memory, &observation), notes);
    }

    #[test]
    fn metrics_without_cpu_classes_are_told_apart() {
        let notes = |observation| Missing::default().notes(&Memory::default(), &observation);
        let samples = vec![MemorySample { heap: Some(1), ..MemorySample::default() }];
        let said = notes(observed(ContainerRecord { peak: Some(1), samples, ..ContainerRecord::default() }));
        assert!(said[0].contains("its /metrics have no CPU classes"), "{said:?}");
        // A pod that was seen but once.
        let brief =
            ContainerRecord { from: 2.0, ..observed(ContainerRecord::default()).containers.remove(0) };
        assert_eq!(
            notes(Observation { polls: 3, containers: vec![brief], ..Observation::default() }),
            [""; 0]
        );
    }
}
